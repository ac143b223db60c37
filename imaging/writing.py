"""Pixels -> image files that hold exactly these pixels, or an error that says why not.

Text B wants 7 to stay 7 in a PNG. `scipy.misc.toimage` first stretched the data to 0..255; here, nothing is stretched,
clipped or reduced to 8 bits unless the caller passes `low=` and `high=`. `docs/image-files.md` lists what each format
holds.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from files import atomic_path, atomic_paths
from imaging.file_errors import ImageFileError, checked_image_shape, import_tensorflow, import_tifffile
from imaging.reading import load_image

EXACT_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".bmp", ".webp")


def save_image(
    path: str | os.PathLike,
    array: np.ndarray,
    *,
    low: float | None = None,
    high: float | None = None,
    dtype: np.dtype | type | None = None,
) -> None:
    """Writes one image so that every value can be read back; the suffix of `path` decides the format.

    array: uint8 or uint16, (H, W), (H, W, 1), (H, W, 3) or RGBA, (H, W, 4). PNG, TIFF and NPY hold all of these, BMP
    holds uint8 without transparency, WebP (lossless) holds uint8 RGB and RGBA. Never rescales: 7 stays 7.

    low, high: request a stretch, and must be passed together: any real `array` then goes through
    `stretch_values(array, low, high, dtype)` first, so `low` becomes 0 and `high` becomes 255, or 65535 with
    `dtype=np.uint16`.

    The file is written beside `path`, read back and compared before it gets its final name. If anything is raised,
    `path` is unchanged.

    Raises TypeError for any other dtype (float, bool, signed, complex, masked, ...) and ImageFileError (a ValueError)
    for shapes and values that the format cannot hold, for lossy formats, a missing folder, and a file that reads back
    differently; OSError for a failure of the disk.

    >>> from imaging.reading import load_image
    >>> save_image("levels.png", np.array([[7, 40000]], np.uint16))
    >>> load_image("levels.png").ravel().tolist()
    [7, 40000]
    """
    path = Path(path)
    pixels = _checked_pixels(path, _stretched(path, array, low, high, dtype))
    check_format(path, pixels)
    check_place(path)
    with atomic_path(path) as partial:
        _write_file(partial, pixels)
        _compare(path, partial, pixels)


def check_place(path: Path) -> None:
    """Raises ImageFileError unless `path` is a place for a file: in a folder that is there, and none itself."""
    if path.is_dir():
        raise ImageFileError(
            f"{path}: expected the name of a file to write, got a folder; add a name such as image.png"
        )
    if not path.parent.is_dir():
        raise ImageFileError(f"{path}: expected an existing folder to write to, got {path.parent}; create it first")


def _stretched(
    path: Path, array: np.ndarray, low: float | None, high: float | None, dtype: np.dtype | type | None
) -> np.ndarray:
    """The array, stretched if requested. Raises ImageFileError if only some of low, high and dtype are given."""
    if low is None and high is None:
        if dtype is not None:
            raise ImageFileError(
                f"{path}: expected dtype= only beside low= and high=, got dtype={np.dtype(dtype)}; values are otherwise"
                " saved in the array's own type"
            )
        return array
    if low is None or high is None:
        raise ImageFileError(
            f"{path}: expected low= and high= together, got low={low}, high={high}; pass both to stretch the"
            " values, or neither to keep them"
        )
    return stretch_values(array, low, high, np.uint8 if dtype is None else dtype)


def save_images(paths: Sequence[Path], images: np.ndarray) -> None:
    """Writes many images as PNG files and waits for the disk once, where `save_image` waits for each.

    images: uint8 or uint16 (n, H, W, C), one for each path; a few hundred at most, since all partial files are open at
    once. The files get their names when all are flushed to disk, so each appears whole or not at all. Images are
    compared with the encoded bytes before these are written. Uses zlib's fastest compression, which is lossless too.

    Raises TypeError, ImageFileError and OSError as `save_image` does; then no file has changed.
    """
    with atomic_paths(paths) as partials:
        for path, partial, image in zip(paths, partials, images, strict=True):
            pixels = _checked_pixels(path, image)
            content = _encode_png(pixels)
            _compare(path, io.BytesIO(content), pixels)
            partial.write_bytes(content)


def _encode_png(pixels: np.ndarray) -> bytes:
    """Checked pixels as the bytes of a PNG file, with zlib's fastest compression."""
    if pixels.dtype == np.uint16 and _has_colors(pixels):
        tf = import_tensorflow("written")
        with tf.device("CPU"):
            return tf.io.encode_png(pixels, compression=1).numpy()
    content = io.BytesIO()
    _picture_of(pixels).save(content, "PNG", compress_level=1)
    return content.getvalue()


def stretch_values(array: np.ndarray, low: float, high: float, dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Any real (...) -> uint8 0..255 or uint16 0..65535 of the same shape: `low` becomes 0, `high` the maximum.

    rint((clip(v, low, high) - low) / (high - low) * maximum) in float64: linear and monotone, so a larger value never
    becomes a smaller level, and values outside [low, high] are clipped. `scipy.misc.toimage(cmin=, cmax=)` did this by
    default. Raises TypeError unless `array` is real and `dtype` is uint8 or uint16, ValueError unless low < high are
    finite and no value is NaN.

    >>> stretch_values(np.array([-5.0, 0.0, 500.0, 1000.0]), low=0, high=1000).tolist()
    [0, 0, 128, 255]
    """
    array = _plain_array(array, "an array of real numbers")
    dtype = np.dtype(dtype)
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"expected an array of real numbers to stretch, got {array.dtype}; pass its real part or magnitude"
        )
    if dtype not in (np.uint8, np.uint16):
        raise TypeError(f"expected dtype uint8 or uint16 for the stretched image, got {dtype}; pass dtype=np.uint16")
    low, high = float(low), float(high)
    if not (np.isfinite(low) and np.isfinite(high) and low < high and np.isfinite(high - low)):
        raise ValueError(f"expected finite low < high, got low={low}, high={high}; low becomes 0 and high the maximum")
    values = array.astype(np.float64)
    missing = np.isnan(values)
    if missing.any():
        first = tuple(int(index) for index in np.argwhere(missing)[0])
        raise ValueError(
            f"expected numbers to stretch, got {missing.sum()} NaN, the first at {first}; replace them first"
        )
    fractions = (np.clip(values, low, high) - low) / (high - low)
    return np.rint(fractions * np.iinfo(dtype).max).astype(dtype)


def _plain_array(array: np.ndarray, expected: str) -> np.ndarray:
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"expected {expected}, got a masked array; choose a value for masked pixels: array.filled(0)")
    return np.asarray(array)


def _checked_pixels(path: Path, array: np.ndarray) -> np.ndarray:
    """Any array -> the same values as contiguous native uint8 or uint16, (H, W) or (H, W, C). Raises if impossible."""
    array = _plain_array(array, "a uint8 or uint16 image")
    # Structured and object arrays have no byte order to compare, so this checks kind and size, not equality.
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        way_out = {
            "f": "scale it with PixelScaler.inverse_transform, or pass low= and high= to stretch it on purpose",
            "b": "save array.astype(np.uint8) * 255 for black and white",
            "i": "check the range and save array.astype(np.uint8) or np.uint16, or pass low= and high=",
            "u": "check the range and save array.astype(np.uint16), or pass low= and high=",
        }.get(array.dtype.kind, "save numbers between 0 and 65535")
        raise TypeError(
            f"{path}: expected a uint8 or uint16 image, got {array.dtype}, which image files do not hold; {way_out}"
        )
    checked_image_shape(array.shape, str(path))
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def check_format(path: Path, pixels: np.ndarray) -> None:
    suffix = path.suffix.lower()
    got = f"{pixels.dtype} of shape {pixels.shape}"
    if suffix in (".jpg", ".jpeg"):
        raise ImageFileError(f"{path}: expected a lossless format, got JPEG, which changes the values; save as .png")
    if suffix == ".gif":
        raise ImageFileError(
            f"{path}: expected a format that holds {got}, got GIF, which holds 256 8-bit colors; save as .png, or"
            " use save_animation for moving pictures"
        )
    if suffix not in EXACT_SUFFIXES:
        raise ImageFileError(
            f"{path}: expected a name ending in {', '.join(EXACT_SUFFIXES)}, got {suffix or 'no suffix'!r}"
        )
    if suffix in (".bmp", ".webp") and pixels.dtype == np.uint16:
        raise ImageFileError(
            f"{path}: expected uint8 for {suffix}, which holds 8 bits, got uint16; save as .png or .tif"
        )
    if suffix == ".bmp" and pixels.shape[2:] == (4,):
        raise ImageFileError(f"{path}: expected gray or RGB for .bmp, got RGBA; save as .png")
    if suffix == ".webp" and not _has_colors(pixels):
        raise ImageFileError(
            f"{path}: expected RGB for .webp, which has no gray images, got {pixels.shape}; save as .png"
        )
    if suffix == ".webp" and max(pixels.shape) > 16383:
        raise ImageFileError(
            f"{path}: expected at most 16383 pixels a side for .webp, got {pixels.shape}; save as .png"
        )


def _has_colors(pixels: np.ndarray) -> bool:
    return pixels.ndim == 3 and pixels.shape[2] in (3, 4)


def _picture_of(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels if _has_colors(pixels) else pixels.reshape(pixels.shape[:2]))


def _write_file(path: Path, pixels: np.ndarray) -> None:
    """Writes checked pixels in the format of the suffix of `path`."""
    suffix = path.suffix.lower()
    deep_colors = pixels.dtype == np.uint16 and _has_colors(pixels)
    if suffix == ".npy":
        with open(path, "wb") as file:
            np.save(file, pixels, allow_pickle=False)
    elif suffix == ".png" and deep_colors:
        tf = import_tensorflow("written")
        with tf.device("CPU"):
            path.write_bytes(tf.io.encode_png(pixels).numpy())
    elif suffix in (".tif", ".tiff") and deep_colors:
        alpha = ["unassalpha"] if pixels.shape[2] == 4 else None
        import_tifffile("written").imwrite(path, pixels, photometric="rgb", extrasamples=alpha, metadata=None)
    else:
        picture = _picture_of(pixels)
        if suffix == ".webp":
            picture.save(path, "WEBP", lossless=True, exact=True)  # exact: also of colors below full transparency
        else:
            picture.save(path, {".png": "PNG", ".bmp": "BMP"}.get(suffix, "TIFF"))


def _compare(path: Path, source: Path | io.BytesIO, pixels: np.ndarray) -> None:
    """Reads a picture file back and raises ImageFileError unless it holds exactly `pixels`."""
    alpha = "keep" if pixels.shape[2:] == (4,) else None
    written = load_image(source, alpha=alpha, max_pixels=None, name=str(path))
    expected = pixels.reshape(checked_image_shape(pixels.shape, str(path)))
    if written.dtype != expected.dtype or written.shape != expected.shape:
        raise ImageFileError(
            f"{path}: expected to read back {expected.dtype} {expected.shape}, got {written.dtype} {written.shape}; the"
            " file was not kept; save as .npy"
        )
    different = written != expected
    if different.any():
        first = tuple(int(index) for index in np.argwhere(different)[0])
        raise ImageFileError(
            f"{path}: expected to read back the values that were written, got {different.sum()} different, the first at"
            f" {first}: {written[first]} instead of {expected[first]}; the file was not kept; check the disk, or save"
            " as .npy"
        )
