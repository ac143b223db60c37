"""How far what another runtime draws is from what generate.py draws, in levels."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from errors import InputError, words

LARGEST_IN_FLOAT32 = 1  # levels, of 8 and of 16 bits
LARGEST_IN_FLOAT16 = 2 / 255  # of white: the weights have 11 bits


@dataclass(frozen=True)
class Difference:
    """levels: the largest difference of a value; changed of total: how many values differ at all."""

    levels: int
    changed: int
    total: int

    @classmethod
    def between(cls, images: np.ndarray, expected: np.ndarray) -> "Difference":
        """Integer images of equal shape and type. Raises ValueError when they are not."""
        if (images.shape, images.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"expected {expected.dtype} images of shape {expected.shape} from the exported file, got "
                f"{images.dtype} of {images.shape}; report this as an error of this program"
            )
        apart = np.abs(images.astype(np.int32) - expected)
        return cls(int(apart.max()), int(np.count_nonzero(apart)), apart.size)

    def __str__(self) -> str:
        if not self.changed:
            return f"none of {self.total:,} values differs"
        share = 100 * self.changed / self.total
        return f"{self.changed:,} of {self.total:,} values differ ({share:.2g} %), by at most {self.levels}"


@dataclass(frozen=True)
class Reading:
    """What a written file drew in its own runtime.

    images: integer levels, or scaled floats of a raw file, (n, height, width, channels) or channels first.
    opened_in: the runtime. first_seconds: from opening the file to the first image. images_per_second: of all of them
    at once.
    """

    images: np.ndarray
    opened_in: str
    first_seconds: float
    images_per_second: float


def read_timed(
    open_file: Callable[[], Callable[[np.ndarray, np.ndarray | None], np.ndarray]],
    latents: np.ndarray,
    labels: np.ndarray | None,
    opened_in: str,
) -> Reading:
    """Opens a file, draws one image, then all of them: `open_file()` gives the function that draws."""
    start = time.perf_counter()
    draw = open_file()
    draw(latents[:1], None if labels is None else labels[:1])
    first_seconds = time.perf_counter() - start
    draw(latents, labels)  # some runtimes prepare for a new batch size once
    start = time.perf_counter()
    images = draw(latents, labels)
    return Reading(images, opened_in, first_seconds, len(latents) / (time.perf_counter() - start))


def largest_allowed(precision: str, white: int) -> int:
    """The bound in levels beyond which an exported file is not kept."""
    return LARGEST_IN_FLOAT32 if precision == "float32" else round(LARGEST_IN_FLOAT16 * white)


def check_difference(difference: Difference, precision: str, white: int) -> None:
    """Raises ValueError for a difference beyond the bound of the precision."""
    largest = largest_allowed(precision, white)
    if difference.levels > largest:
        way_out = words("export with {precision=float32}") if precision == "float16" else "try another format"
        raise InputError(
            f"expected every value within {largest} of {white} levels of generate.py, got a file of which "
            f"{difference}; nothing was kept",
            way_out,
        )
