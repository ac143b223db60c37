"""What both networks derive from the image shape: the base grid, the number of doublings, the filters of each layer."""

from dataclasses import dataclass

from errors import InputError, Parameter
from pixels.checks import CHANNEL_COUNTS

SMALLEST_SIDE, LARGEST_SIDE, SIDE_STEP = 16, 256, 4
FEWEST_DOUBLINGS = 2
WIDEST = 512  # the most filters
R1GAN_FILTERS, FEWEST_R1GAN_FILTERS = 32, 8  # next to images of up to three doublings, and next to the largest
DCGAN_PRESETS = ("dcgan", "tutorial")  # those that start from a grid of 8×8, and are as wide at every size
DCGAN_FILTERS = 64
SMOOTH_ABOVE = 8  # pixels


@dataclass(frozen=True)
class ImageLayout:
    """How doubling turns a small grid into an image of `height` × `width` × `channels`.

    The generator goes from the base grid up to the image and the discriminator goes the same steps down, so the two
    always fit each other and the data. The sides are halved at least twice, and then as long as both are even and the
    smaller one is above `largest_base`. With 4: 28 → 7, 32 → 4, 48×80 → 3×5; with 8: 32 → 8, 48×80 → 6×10. The layers
    next to the image have `narrowest` filters, and each halving doubles their number.

    `r1gan` has fewer filters next to larger images, so that the small grids, which decide what a picture shows, are the
    same at every size: 32 for up to three doublings, 16 at 64×64, 8 at 128×128. So each doubling costs the same, and a
    64×64 network is a 32×32 network with one more doubling, from which it can start.

    If `smooth` is set, r1gan's generator averages neighbors in each doubling to more than `SMOOTH_ABOVE` pixels.

    Raises ValueError for an unsupported size or number of channels, naming the nearest supported one.

    >>> ImageLayout.of((32, 32, 3)).base_grid, ImageLayout.of((32, 32, 3), "dcgan").base_grid
    ((4, 4), (8, 8))
    """

    height: int
    width: int
    channels: int
    largest_base: int = 4
    narrowest: int = R1GAN_FILTERS
    smooth: bool = False

    def __post_init__(self) -> None:
        for side in (self.height, self.width):
            if side % SIDE_STEP or not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                raise _size_error(self.height, self.width)
        if self.channels not in CHANNEL_COUNTS:
            raise ValueError(
                f"expected images of 1, 3 or 4 channels, got {self.channels}; convert them to gray, RGB or RGBA"
            )

    @classmethod
    def of(
        cls, image_shape: tuple[int, int, int], preset: str = "r1gan", filters: int | None = None, smooth: bool = True
    ) -> "ImageLayout":
        """The layout of a preset.

        filters: next to the image; None for the preset's own number at this size.
        smooth: as the preset is today; False for r1gan as it was up to commit 9d728dd.
        """
        if len(image_shape) != 3:
            raise ValueError(f"expected an image shape (height, width, channels), got {tuple(image_shape)}")
        shape = tuple(int(length) for length in image_shape)
        if preset in DCGAN_PRESETS:
            return cls(*shape, 8, filters or DCGAN_FILTERS)
        doublings = cls(*shape).doublings
        return cls(*shape, 4, filters or max(FEWEST_R1GAN_FILTERS, R1GAN_FILTERS >> max(0, doublings - 3)), smooth)

    @property
    def doublings(self) -> int:
        height, width, doublings = self.height, self.width, 0
        while height % 2 == width % 2 == 0 and (doublings < FEWEST_DOUBLINGS or min(height, width) > self.largest_base):
            height, width, doublings = height // 2, width // 2, doublings + 1
        return doublings

    @property
    def base_grid(self) -> tuple[int, int]:
        """(height, width) of the grid at which the generator starts and the discriminator ends."""
        return self.height >> self.doublings, self.width >> self.doublings

    @property
    def filters(self) -> tuple[int, ...]:
        """Filters from the image inward, one per halving, such as (32, 64, 128) at 32×32 images."""
        return tuple(min(self.narrowest << level, WIDEST) for level in range(self.doublings))

    def is_smooth(self, level: int) -> bool:
        """Whether the generator's doubling to the image's size halved `level` times averages neighbors."""
        return self.smooth and min(self.height, self.width) >> level > SMOOTH_ABOVE

    @property
    def base_filters(self) -> int:
        """Filters at the base grid, 256 for 32×32 images."""
        return min(2 * self.filters[-1], WIDEST)


def layout_of(image_shape: tuple[int, int, int] | ImageLayout, preset: str) -> ImageLayout:
    """The given layout, or the preset's layout for images of the given shape."""
    return image_shape if isinstance(image_shape, ImageLayout) else ImageLayout.of(image_shape, preset)


def _size_error(height: int, width: int) -> InputError:
    nearest = zip(*(_nearest_sides(side) for side in (height, width)), strict=True)
    smaller, *larger = [Parameter("image_size", size) for size in dict.fromkeys(nearest)]
    return InputError(
        f"expected a height and a width divisible by {SIDE_STEP}, from {SMALLEST_SIDE} to {LARGEST_SIDE}, "
        f"got {height}x{width}",
        ("pass ", smaller, *(part for size in larger for part in (" or ", size))),
    )


def _nearest_sides(side: int) -> tuple[int, int]:
    """The nearest supported sides, below and above."""
    below = side // SIDE_STEP * SIDE_STEP
    above = -(-side // SIDE_STEP) * SIDE_STEP
    return tuple(min(max(candidate, SMALLEST_SIDE), LARGEST_SIDE) for candidate in (below, above))
