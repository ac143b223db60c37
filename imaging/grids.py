"""Many images as one grid; values stay exact."""

import math
from collections.abc import Sequence

import numpy as np

from imaging.checks import checked_set


def image_grid(
    images: np.ndarray,
    rows: int | None = None,
    columns: int | None = None,
    padding: int = 2,
    background: int | Sequence[int] | None = None,
) -> np.ndarray:
    """uint8 or uint16 (N, H, W, C) -> one image (H', W', C) of the same dtype, row by row; values stay exact.

    Without rows and columns, the grid is nearly square, wider rather than higher; if one is given, the other follows.
    Cells without an image show the background. padding: pixels between images, none around them, so H' is
    rows * H + (rows - 1) * padding, and exactly rows * H with padding=0. background: one level, one per channel, or
    None for white. Raises TypeError unless uint8 or uint16, ValueError for other shapes and if the grid is too small.

    >>> image_grid(np.zeros((6, 32, 32, 3), np.uint8), rows=2, columns=3).shape
    (66, 100, 3)
    """
    images = checked_set(images, "images")
    count, height, width, channels = images.shape
    rows, columns = _grid_shape(count, rows, columns)
    if padding < 0:
        raise ValueError(f"expected a padding of at least 0 pixels, got {padding}")
    grid_shape = (rows * height + (rows - 1) * padding, columns * width + (columns - 1) * padding, channels)
    grid = np.empty(grid_shape, images.dtype)
    grid[:] = _background_color(background, images.dtype, channels)
    for index, image in enumerate(images):
        top = index // columns * (height + padding)
        left = index % columns * (width + padding)
        grid[top : top + height, left : left + width] = image
    return grid


def _grid_shape(count: int, rows: int | None, columns: int | None) -> tuple[int, int]:
    for name, number in (("rows", rows), ("columns", columns)):
        if number is not None and number < 1:
            raise ValueError(f"expected {name} of at least 1, got {number}")
    if columns is None:
        columns = math.ceil(math.sqrt(count)) if rows is None else math.ceil(count / rows)
    if rows is None:
        rows = math.ceil(count / columns)
    if rows * columns < count:
        raise ValueError(
            f"expected a grid of at least {count} cells, got {rows} x {columns}; pass more rows or columns"
        )
    return rows, columns


def _background_color(background: int | Sequence[int] | None, dtype: np.dtype, channels: int) -> np.ndarray:
    maximum = np.iinfo(dtype).max
    color = np.atleast_1d(maximum if background is None else background)
    if color.shape not in ((1,), (channels,)) or color.dtype.kind not in "iu":
        raise ValueError(f"expected background as 1 or {channels} whole levels, got {background!r}")
    if color.min() < 0 or color.max() > maximum:
        raise ValueError(f"expected background levels from 0 to {maximum} for {dtype}, got {background!r}")
    return color.astype(dtype)
