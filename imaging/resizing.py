"""Crops, pads and resizes images to a given size."""

import numpy as np
from PIL import Image

from imaging.checks import check_dtype

FITS = ("crop", "pad", "stretch")


def fit_image(image: np.ndarray, size: tuple[int, int], fit: str = "crop") -> np.ndarray:
    """uint8 or uint16 (H, W) or (H, W, C) -> the same dtype, (height, width, C) for size = (height, width).

    "crop": cuts out the largest centered part with the aspect ratio of `size`, in whole pixels. "pad": centers the
    image on the smallest background with that aspect ratio, in the mean color of the image's border. "stretch":
    changes the aspect ratio. Then Lanczos resizes the image; its kernel grows with the reduction, so it does not alias.
    uint16 is resized in float32 (24 bits) and keeps its 16 bits. An image that already fits is returned as it is, and
    one that only has to be cropped keeps its values. The colors of RGBA are multiplied by their opacity for resizing,
    so that colors nobody can see do not show at edges. Raises TypeError unless uint8 or uint16, ValueError for other
    shapes and for sizes below 1.

    >>> fit_image(np.zeros((48, 100, 3), np.uint8), (32, 32)).shape
    (32, 32, 3)
    """
    image = np.asarray(image)
    check_dtype(image, "an image")
    if image.ndim == 2:
        image = image[..., np.newaxis]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(f"expected an image of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {image.shape}")
    height, width = (int(length) for length in size)
    if height < 1 or width < 1:
        raise ValueError(f"expected size=(height, width) of at least 1, got {tuple(size)}")
    if image.shape[:2] == (height, width):
        return image
    if fit == "crop":
        image = _center_crop(image, height, width)
    elif fit == "pad":
        image = _padded(image, height, width)
    elif fit != "stretch":
        raise ValueError(f"expected fit {' or '.join(FITS)}, got {fit!r}")
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    if image.shape[2] == 4:
        return _resize_rgba(image, height, width)
    return np.stack([_resize_plane(image[..., channel], height, width) for channel in range(image.shape[2])], axis=-1)


def _center_crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest centered part of (H, W, C) with the aspect ratio height : width, to the nearest whole pixel."""
    rows, columns = image.shape[:2]
    crop_rows = max(1, min(rows, round(columns * height / width)))
    crop_columns = max(1, min(columns, round(rows * width / height)))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, C) centered on the smallest background with the aspect ratio height : width, to the nearest pixel."""
    rows, columns, channels = image.shape
    padded_rows = max(rows, round(columns * height / width))
    padded_columns = max(columns, round(rows * width / height))
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    ground = np.empty((padded_rows, padded_columns, channels), image.dtype)
    ground[:] = np.rint(border.mean(axis=0, dtype=np.float64))
    top, left = (padded_rows - rows) // 2, (padded_columns - columns) // 2
    ground[top : top + rows, left : left + columns] = image
    return ground


def _resize_rgba(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 4), resized as colors times opacity in float32 and divided again; where nothing is seen, all is 0."""
    maximum = np.iinfo(image.dtype).max
    opacity = image[..., 3:].astype(np.float32) / maximum
    planes = np.concatenate([image[..., :3] * opacity, opacity * maximum], axis=-1)
    resized = np.stack([_lanczos(planes[..., channel], height, width) for channel in range(4)], axis=-1)
    opacity = np.rint(resized[..., 3:].clip(0, maximum))
    colors = resized[..., :3] * maximum / np.maximum(resized[..., 3:], 1)
    rgba = np.concatenate([np.rint(colors.clip(0, maximum)), opacity], axis=-1)
    return np.where(opacity == 0, 0, rgba).astype(image.dtype)


def _resize_plane(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    plane = np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("="))
    if plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
    # Pillow resizes 16-bit pixels only as floats. Lanczos overshoots at edges, so the result is clipped.
    return np.clip(np.rint(_lanczos(plane.astype(np.float32), height, width)), 0, 65535).astype(np.uint16)


def _lanczos(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 (H, W) -> float32 (height, width)."""
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
