"""How images are read, as one value."""

from dataclasses import dataclass, fields

IN_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class ReadingOptions:
    """What `load_images` makes of what it finds. Raises ValueError for values that cannot work.

    Attributes:
        image_size: (height, width). Images of another size are cut to the aspect around the center and resized.
            None: as they are; then all must have one size.
        image_count: how many of the images to take, the same random ones each time, or how many glyphs to draw
            (None: 20,000).
        channels: 1 turns color into gray (ITU-R 601 luma), 3 repeats gray. None: as they are; then all must agree.
        alpha: transparent pixels of image files: "drop" takes the stored colors, "white" and "black" put them on that
            ground. None: an error.
        cmyk: "convert" turns CMYK files into RGB. None: an error.
        in_memory_bytes: of decoded images. Files that hold more are decoded again each time they are used.
    """

    image_size: tuple[int, int] | None = None
    image_count: int | None = None
    channels: int | None = None
    alpha: str | None = None
    cmyk: str | None = None
    in_memory_bytes: int = IN_MEMORY_BYTES

    def __post_init__(self) -> None:
        if self.channels not in (None, 1, 3):
            raise ValueError(f"expected channels 1 or 3, got {self.channels}")
        if self.image_count is not None and self.image_count < 1:
            raise ValueError(f"expected an image_count of at least 1, got {self.image_count}")

    @classmethod
    def of(cls, choices: object) -> "ReadingOptions":
        """Those of a `TrainingConfig` or of parsed arguments, which have the same names."""
        return cls(
            **{field.name: getattr(choices, field.name) for field in fields(cls) if hasattr(choices, field.name)}
        )
