"""Pictures: exact image files in and out, images cut to size, grids of images, animations.

The files themselves are the business of `pixels.reading` and `pixels.writing`; their names can be imported from here.
NumPy and Pillow only. Everything that takes a set of images takes uint8 or uint16, (N, H, W, C), C of 1 or 3.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from files import atomic_path
from pixels.reading import MAX_PIXELS, ImageFileError, load_image
from pixels.writing import EXACT_SUFFIXES, check_format, save_image, stretch_values

__all__ = [
    "EXACT_SUFFIXES",
    "MAX_PIXELS",
    "ImageFileError",
    "check_format",
    "fit_image",
    "image_grid",
    "load_image",
    "save_animation",
    "save_image",
    "stretch_values",
    "to_display",
]


def fit_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 or uint16 (H, W) or (H, W, C) -> the same dtype, (height, width, C) for size = (height, width).

    The largest centred part with the wanted aspect is cut out on whole pixels, then resized with Lanczos, which
    widens with the reduction and so does not alias. uint16 is resized in float32 (24 bits) and keeps its 16 bits. An
    image that already fits comes back as it is, and one that only has to be cut keeps its values. Raises TypeError
    unless uint8 or uint16, ValueError for other shapes and for sizes below 1.

    >>> fit_image(np.zeros((48, 100, 3), np.uint8), (32, 32)).shape
    (32, 32, 3)
    """
    image = np.asarray(image)
    _check_dtype(image, "an image")
    if image.ndim == 2:
        image = image[..., np.newaxis]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"expected an image of shape (H, W), (H, W, 1) or (H, W, 3), got {image.shape}")
    height, width = (int(length) for length in size)
    if height < 1 or width < 1:
        raise ValueError(f"expected size=(height, width) of at least 1, got {tuple(size)}")
    if image.shape[:2] == (height, width):
        return image
    image = _centre_crop(image, height, width)
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return np.stack([_resize_plane(image[..., channel], height, width) for channel in range(image.shape[2])], axis=-1)


def _centre_crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest centred part of (H, W, C) with the aspect height : width, to the nearest whole pixel."""
    rows, columns = image.shape[:2]
    crop_rows = max(1, min(rows, round(columns * height / width)))
    crop_columns = max(1, min(columns, round(rows * width / height)))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]


def _resize_plane(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    plane = np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("="))
    if plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
    # Pillow resizes 16-bit pixels only as floats; Lanczos overshoots at edges, hence the clip.
    resized = np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.LANCZOS))
    return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)


def image_grid(
    images: np.ndarray,
    rows: int | None = None,
    columns: int | None = None,
    padding: int = 2,
    background: int | Sequence[int] | None = None,
) -> np.ndarray:
    """uint8 or uint16 (N, H, W, C) -> one image (H', W', C) of the same dtype, row by row, values untouched.

    Without rows and columns the grid is nearly square, wider rather than higher; with one of them the other follows.
    Cells without an image show the background. padding: pixels between images, none around them, so H' is
    rows * H + (rows - 1) * padding, and exactly rows * H with padding=0. background: one level, one for each channel,
    or None for white. Raises TypeError unless uint8 or uint16, ValueError for other shapes and for a grid too small.

    >>> image_grid(np.zeros((6, 32, 32, 3), np.uint8), rows=2, columns=3).shape
    (66, 100, 3)
    """
    images = _checked_set(images, "images")
    count, height, width, channels = images.shape
    rows, columns = _grid_shape(count, rows, columns)
    if padding < 0:
        raise ValueError(f"expected a padding of at least 0 pixels, got {padding}")
    grid_shape = (rows * height + (rows - 1) * padding, columns * width + (columns - 1) * padding, channels)
    grid = np.empty(grid_shape, images.dtype)
    grid[:] = _background_colour(background, images.dtype, channels)
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


def _background_colour(background: int | Sequence[int] | None, dtype: np.dtype, channels: int) -> np.ndarray:
    maximum = np.iinfo(dtype).max
    colour = np.atleast_1d(maximum if background is None else background)
    if colour.shape not in ((1,), (channels,)) or colour.dtype.kind not in "iu":
        raise ValueError(f"expected background as 1 or {channels} whole levels, got {background!r}")
    if colour.min() < 0 or colour.max() > maximum:
        raise ValueError(f"expected background levels from 0 to {maximum} for {dtype}, got {background!r}")
    return colour.astype(dtype)


def to_display(images: np.ndarray, maximum: float = 65535) -> np.ndarray:
    """uint8 (...) as it is; uint16 (...) -> uint8, rint(v · 255 / maximum). For screens only: 16-bit levels are merged.

    255 / 65535 = 1 / 257, so 0 stays black, 65535 stays white, and an 8-bit image that was widened by v * 257 comes
    back exactly. Levels above a smaller maximum are white. Raises TypeError for other dtypes.

    >>> to_display(np.array([0, 257, 65535], np.uint16)).tolist()
    [0, 1, 255]
    """
    images = np.asarray(images)
    _check_dtype(images, "images")
    if images.dtype == np.uint8:
        return images
    return np.minimum(np.rint(images * (255.0 / maximum)), 255.0).astype(np.uint8)


def save_animation(
    path: str | os.PathLike,
    frames: np.ndarray,
    seconds_per_frame: float = 0.2,
    last_frame_seconds: float | None = None,
    maximum: float = 65535,
) -> None:
    """Writes uint8 or uint16 frames (N, H, W, C) as an endless GIF, for screens; whole or not at all.

    Grey frames and frames of at most 256 colours are exact; others get 256 colours of their own each, dithered. uint16
    goes through `to_display`, `maximum` becoming white. Times are seconds, rounded to GIF's hundredths;
    `last_frame_seconds` holds the last frame longer, None for as long as the others. Raises TypeError unless uint8 or
    uint16, ValueError for other shapes, for a path that does not end in .gif, and for times outside 0.02 to 655
    seconds, which players or the format do not know.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ImageFileError(
            f"{path}: expected a name ending in .gif for an animation, got {path.suffix or 'no suffix'!r}"
        )
    if not path.parent.is_dir():
        raise ImageFileError(f"{path}: expected an existing folder to write to, got {path.parent}; create it first")
    frames = to_display(_checked_set(frames, "frames"), maximum)
    seconds = [seconds_per_frame] * len(frames)
    if last_frame_seconds is not None:
        seconds[-1] = last_frame_seconds
    for duration in seconds:
        if not 0.02 <= duration <= 655:
            raise ValueError(f"expected frame times from 0.02 to 655 seconds, got {duration}")
    pictures = [_palette_picture(frame) for frame in frames]
    with atomic_path(path) as partial:
        pictures[0].save(
            partial,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=[round(duration * 100) * 10 for duration in seconds],  # milliseconds, in the hundredths GIF has
            loop=0,
            optimize=False,
        )


def _palette_picture(frame: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) -> a Pillow picture of grey levels, or of the best 256 colours for this frame."""
    frame = np.ascontiguousarray(frame)
    if frame.shape[2] == 1:
        return Image.fromarray(frame[..., 0])
    picture = Image.fromarray(frame)
    colours = picture.getcolors(256)
    if colours is None:
        # The octree is as good as the median cut once the picture is dithered, in a fiftieth of the time.
        palette = picture.quantize(256, Image.Quantize.FASTOCTREE)
        return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    # Few colours are looked up, not approximated: pixel art and flat pictures stay exact.
    keys = frame.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    distinct, indices = np.unique(keys, return_inverse=True)
    exact = Image.fromarray(indices.reshape(frame.shape[:2]).astype(np.uint8))
    palette_bytes = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], axis=-1).astype(np.uint8).tobytes()
    exact.putpalette(palette_bytes)
    return exact


def _checked_set(images: np.ndarray, name: str) -> np.ndarray:
    images = np.asarray(images)
    _check_dtype(images, name)
    expected = f"expected {name} of shape (N, H, W, 1) or (N, H, W, 3), got {images.shape}"
    if images.ndim == 3:
        raise ValueError(f"{expected}; pass {name}[..., np.newaxis] for grey, or {name}[np.newaxis] for one image")
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        raise ValueError(f"{expected}, which is channels-first; pass np.moveaxis({name}, 1, -1)")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{expected}; reshape it to count, rows, columns and channels")
    if 0 in images.shape:
        raise ValueError(f"{expected}, which is empty; pass at least one")
    return images


def _check_dtype(array: np.ndarray, name: str) -> None:
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise TypeError(
            f"expected {name} of uint8 or uint16, got {array.dtype}; use PixelScaler.inverse_transform on floats"
        )
