"""The checks of every function that takes a set of images."""

import numpy as np


def checked_set(images: np.ndarray, name: str) -> np.ndarray:
    images = np.asarray(images)
    check_dtype(images, name)
    expected = f"expected {name} of shape (N, H, W, 1), (N, H, W, 3) or (N, H, W, 4), got {images.shape}"
    if images.ndim == 3:
        raise ValueError(f"{expected}; pass {name}[..., np.newaxis] for gray, or {name}[np.newaxis] for one image")
    if images.ndim == 4 and images.shape[3] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        raise ValueError(f"{expected}, which is channels-first; pass np.moveaxis({name}, 1, -1)")
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise ValueError(f"{expected}; reshape it to count, rows, columns and channels")
    if 0 in images.shape:
        raise ValueError(f"{expected}, which is empty; pass at least one")
    return images


def check_dtype(array: np.ndarray, name: str) -> None:
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise TypeError(
            f"expected {name} of uint8 or uint16, got {array.dtype}; use PixelScaler.inverse_transform on floats"
        )
