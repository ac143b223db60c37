"""Finds the nearest training images, to see whether a generator creates images or copies them."""

import numpy as np

from image_datasets import ImageSet
from progress import track

CHUNK = 1024  # images compared at once, so that memory does not grow with the data


def nearest_images(images: np.ndarray, candidates: ImageSet, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the `count` nearest of `candidates` for each of `images`, nearest first, by the distance of their levels.

    Args:
        images: uint8 or uint16 (n, height, width, channels).
        candidates: images of the same shape and dtype, in memory or not.

    Returns:
        int64 (n, count) indices, the lower one first in case of a tie, and float64 (n, count) root-mean-square
        distances in levels. Sums are exact: integers in float64.

    Raises:
        ValueError: for other shapes or dtypes, and if there are fewer candidates than `count`.
    """
    total, shape, dtype = len(candidates.images), candidates.images.shape, candidates.images.dtype
    if images.shape[1:] != shape[1:] or images.dtype != dtype:
        raise ValueError(
            f"expected candidates of shape (n, {', '.join(map(str, images.shape[1:]))}) and {images.dtype}, "
            f"got {shape} and {dtype}"
        )
    if not 1 <= count <= total:
        raise ValueError(f"expected a number of neighbors from 1 to {total}, got {count}; request fewer")
    rows = images.reshape(len(images), -1).astype(np.float64)
    own_squares = np.square(rows).sum(axis=1)[:, np.newaxis]
    best_squares = np.full((len(images), 0), np.inf)
    best = np.zeros((len(images), 0), np.int64)
    starts = range(0, total, CHUNK)
    for start in track(starts, "comparing", len(starts), "chunks"):
        others = candidates.take(np.arange(start, min(start + CHUNK, total)))
        others = others.reshape(len(others), -1).astype(np.float64)
        squares = own_squares + np.square(others).sum(axis=1) - 2.0 * (rows @ others.T)
        indices = np.broadcast_to(np.arange(start, start + len(others)), squares.shape)
        best_squares = np.concatenate([best_squares, squares], axis=1)
        best = np.concatenate([best, indices], axis=1)
        order = np.argsort(best_squares, axis=1, kind="stable")[:, :count]
        best_squares, best = (np.take_along_axis(values, order, axis=1) for values in (best_squares, best))
    return best, np.sqrt(best_squares / rows.shape[1])
