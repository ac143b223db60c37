"""The options for reading images, as one value."""

from dataclasses import dataclass, fields

from errors import Explained, InputError, Parameter, Words, words
from imaging import FITS

IN_MEMORY_BYTES = 2**30


class ChoicesNeeded(Explained):
    """Images that can only be read with certain options.

    Attributes:
        choices: reading options that together make them readable.
        image_count: how many images that gives.
    """

    def __init__(self, problem: Words, choices: dict[str, object], image_count: int) -> None:
        self.choices, self.image_count = choices, image_count
        ways = [part for name, value in choices.items() for part in (" ", Parameter(name, value))]
        super().__init__(problem, ("pass", *ways))


@dataclass(frozen=True)
class ReadingOptions:
    """How `load_images` reads images. Raises ValueError for values that cannot work.

    Attributes:
        image_size: (height, width). Images of another size are fitted to it, see `fit`. None: as they are; all must
            then have the same size.
        image_count: how many of the images to take, the same random ones each time, or how many glyphs to draw
            (None: 20,000).
        channels: 1 turns color into gray (ITU-R 601 luma), 3 repeats gray. None: as they are; gray among RGB becomes
            RGB.
        alpha: for transparent pixels: "keep" makes all images RGBA, with black in place of invisible colors; "drop"
            takes the stored colors, "white" and "black" put them on that background. None: an error.
        cmyk: "convert" turns CMYK files into RGB. None: an error.
        fit: how images get the size: "crop" cuts them to its aspect ratio around the center, "pad" adds edges in the
            color of the border, "stretch" changes the aspect ratio.
        crops: how many images to cut from each picture file: the center, then random parts of at least half its size.
        frames: for files with several (GIF, animated PNG and WebP, TIFF): "first", or "all", each as an image. None:
            an error.
        skip_damaged: whether to leave out files that cannot be read; otherwise they are an error.
        class_level: the level of folders whose names are the classes, from 1; pictures above it are left out. None:
            the first level at which the pictures differ, if all are there and it is not train, test and the like.
        labels: path of a file of labels: an .npy, or a .csv of file names and classes.
        value_range: (black, white) for floats, such as (0, 1), in arrays and image files. None: floats are an error.
        max_pixels: the limit for an image file, height times width. None: 89,478,485, and no huge image in a tiny file.
        in_memory_bytes: the limit for decoded images in memory. Beyond it, files are decoded on each use.
    """

    image_size: tuple[int, int] | None = None
    image_count: int | None = None
    channels: int | None = None
    alpha: str | None = None
    cmyk: str | None = None
    fit: str = "crop"
    crops: int = 1
    frames: str | None = None
    skip_damaged: bool = False
    class_level: int | None = None
    labels: str | None = None
    value_range: tuple[float, float] | None = None
    max_pixels: int | None = None
    in_memory_bytes: int = IN_MEMORY_BYTES

    def __post_init__(self) -> None:
        if self.channels not in ((None, 4) if self.alpha == "keep" else (None, 1, 3)):
            raise InputError(words("expected {channels} 1 or 3, or 4 with {alpha=keep}, got {}", self.channels))
        if self.image_count is not None and self.image_count < 1:
            raise ValueError(f"expected an image_count of at least 1, got {self.image_count}")
        if self.fit not in FITS:
            raise ValueError(f"expected fit {' or '.join(FITS)}, got {self.fit!r}")
        if self.crops < 1:
            raise ValueError(f"expected crops of at least 1, got {self.crops}")
        if self.crops > 1 and (self.image_size is None or self.fit != "crop"):
            got = "no size" if self.image_size is None else f"fit {self.fit!r}"
            raise InputError(words("expected {image_size} and {fit=crop} beside {crops}, got {}", got))
        if self.frames not in (None, "first", "all"):
            raise ValueError(f"expected frames None, 'first' or 'all', got {self.frames!r}")
        if self.class_level is not None and self.class_level < 1:
            raise ValueError(f"expected a class_level of at least 1, got {self.class_level}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"expected an increasing value_range (black, white), got {self.value_range}")

    @classmethod
    def of(cls, choices: object) -> "ReadingOptions":
        """From a `TrainingConfig` or parsed arguments, which use the same names."""
        return cls(
            **{field.name: getattr(choices, field.name) for field in fields(cls) if hasattr(choices, field.name)}
        )
