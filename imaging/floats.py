"""Floats, as most tutorials and many instruments produce them, as levels: black and white have to be named."""

import numpy as np

SHARPEST_LEVEL = 1e-3  # how far from a whole level the values of images that once had 8 bits lie, in levels
USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))  # of black and white, as tutorials have them


def likely_range(lowest: float, highest: float) -> tuple[float, float]:
    """The first usual range with these extremes, or the extremes themselves.

    >>> likely_range(0.1, 0.9), likely_range(-12.5, 1840.0)
    ((0.0, 1.0), (-12.5, 1840.0))
    """
    fitting = [(low, high) for low, high in USUAL_RANGES if low <= lowest and highest <= high]
    return fitting[0] if fitting else (lowest, max(highest, np.nextafter(lowest, np.inf)))


def on_levels(values: np.ndarray, value_range: tuple[float, float], top: int) -> np.ndarray:
    """Floats (…) -> float64 on the scale of levels, black 0 and white `top`."""
    black, white = value_range
    return (values.astype(np.float64) - black) * (top / (white - black))


def are_eight_bits(values: np.ndarray, value_range: tuple[float, float]) -> bool:
    """Whether all values are among the 256 levels of 8 bits, as in 8-bit images."""
    levels = on_levels(values, value_range, 255)
    rounding = 255 * np.finfo(values.dtype).eps / 2  # float16 is off by an eighth of a level
    return bool(np.abs(levels - np.rint(levels)).max() < max(SHARPEST_LEVEL, rounding))
