"""Compares the images of another runtime with those of generate.py, in levels."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from errors import InputError, words

LARGEST_IN_FLOAT32 = 1  # levels, for 8 and 16 bits
LARGEST_IN_FLOAT16 = 2 / 255  # share of white: the weights have 11 bits


@dataclass(frozen=True)
class Difference:
    """levels: the largest difference; changed, total: how many values differ, out of how many."""

    levels: int
    changed: int
    total: int

    @classmethod
    def between(cls, images: np.ndarray, expected: np.ndarray) -> "Difference":
        """Compares integer images. Raises ValueError if their shapes or types differ."""
        if (images.shape, images.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"expected {expected.dtype} images of shape {expected.shape} from the exported file, got "
                f"{images.dtype} of {images.shape}; please report this as a bug"
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
    """What a written file generated in its own runtime.

    images: integer levels, or scaled floats from a raw file, (n, height, width, channels) or channels first.
    opened_in: the runtime. first_seconds: from opening the file to the first image. images_per_second: for all of them
    in one batch.
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
    """Opens a file, generates one image, then all of them: `open_file()` returns the function that generates."""
    start = time.perf_counter()
    draw = open_file()
    draw(latents[:1], None if labels is None else labels[:1])
    first_seconds = time.perf_counter() - start
    draw(latents, labels)  # some runtimes need preparation for each new batch size
    start = time.perf_counter()
    images = draw(latents, labels)
    return Reading(images, opened_in, first_seconds, len(latents) / (time.perf_counter() - start))


def largest_allowed(precision: str, white: int) -> int:
    """The largest difference, in levels, with which an exported file is kept."""
    return LARGEST_IN_FLOAT32 if precision == "float32" else round(LARGEST_IN_FLOAT16 * white)


def check_difference(difference: Difference, precision: str, white: int) -> None:
    """Raises ValueError for a difference that is too large for the precision."""
    largest = largest_allowed(precision, white)
    if difference.levels > largest:
        way_out = words("export with {precision=float32}") if precision == "float16" else "try another format"
        raise InputError(
            f"expected every value within {largest} of {white} levels of generate.py, got a file where "
            f"{difference}; nothing was kept",
            way_out,
        )
