"""Checks arrays of images: shape, dtype and range, before any arithmetic (text A)."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from errors import counted

CHANNEL_COUNTS = (1, 3, 4)  # gray, RGB, RGBA
INTEGER_TYPES = ("uint8", "uint16")
FLOAT_TYPES = ("float16", "float32", "float64")
IMAGES_SHAPE = (None, None, None, CHANNEL_COUNTS)

_TYPE_WORDS = {
    "b": "bool is a mask, not an image; for black and white use array.astype(np.uint8) * 255",
    "c": "complex has no brightness; choose np.abs(array) or array.real yourself, then round and convert to uint8",
    "O": "object arrays hold Python objects, often images of different sizes; make all one size and np.stack them",
    "i": "signed integers can be negative and have no defined white; if the values are 0..255 use .astype(np.uint8)",
    "u": "integers this wide have no defined white; if the values fit use .astype(np.uint16) or .astype(np.uint8)",
    "f": "this float type is not supported; use .astype(np.float32)",
    "U": "text is not an image; decode the files first",
    "S": "bytes are not an image; decode the files first",
    "V": "a structured array has named fields; stack the fields into a last axis of 1, 3 or 4 channels",
}


def validate_images(
    array: np.ndarray,
    shape: Sequence[int | None] | None = None,
    dtype: str | np.dtype | type | Sequence | None = None,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Checks images before a model sees them, and returns them as a plain array (text A).

    Args:
        shape: the expected shape, with None for any length, such as (None, 32, 32, 3), or (256, 256, 3) for one image.
            Without it, the array must be (n, h, w, c) with c = 1, 3 or 4 (RGBA).
        dtype: the expected type or types. Without it, uint8 and uint16 pass, and also float types if `value_range` is
            given.
        value_range: the lowest and highest value allowed, both included. Required for float images.

    Returns the same values in native byte order and C order; copies only if the input is not in them already. Never
    modifies the input. Raises TypeError for a wrong type or dtype, ValueError for a wrong shape or wrong values; the
    message says what was expected and what was given, and for bad values their count and the first index.

    >>> validate_images(np.zeros((5, 32, 32, 3), np.uint8), shape=(None, 32, 32, 3)).shape
    (5, 32, 32, 3)
    >>> validate_images(np.zeros((5, 28, 28, 1), np.uint8), shape=(None, 32, 32, 3))
    Traceback (most recent call last):
    ValueError: expected images of shape (n, 32, 32, 3), got (5, 28, 28, 1); ...
    """
    check_array(array)
    check_dtype(array.dtype, dtype, has_range=value_range is not None)
    check_shape(array.shape, IMAGES_SHAPE if shape is None else tuple(shape))
    if value_range is not None:
        check_values(array, *checked_range(value_range))
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def check_array(array: object) -> None:
    """Raises TypeError unless `array` is a numpy.ndarray without a mask."""
    if isinstance(array, np.ma.MaskedArray):
        masked = counted(int(np.ma.count_masked(array)), "masked value")
        raise TypeError(
            f"expected a plain array, got a masked array with {masked}; fill them first with array.filled(value)"
        )
    if isinstance(array, (list, tuple)):
        raise TypeError(f"expected a numpy array, got a {type(array).__name__}; {_list_words(array)}")
    if not isinstance(array, np.ndarray):
        way_out = "call .numpy() on it" if hasattr(array, "numpy") else "convert it with np.asarray(...)"
        raise TypeError(f"expected a numpy array, got {type(array).__name__}; {way_out}")


def check_dtype(dtype: np.dtype, expected: str | np.dtype | type | Sequence | None, has_range: bool) -> None:
    """Raises TypeError unless `dtype`, in any byte order, is an image type and among those expected."""
    name = dtype.newbyteorder("=").name if dtype.kind in "uif" else dtype.name
    supported = INTEGER_TYPES + FLOAT_TYPES
    if name not in supported:
        words = _TYPE_WORDS.get(dtype.kind, "convert it to uint8 or uint16 first")
        raise TypeError(f"expected {_names(expected)}, got {name}; {words}")
    if expected is not None and name not in _type_names(expected):
        raise TypeError(f"expected {_names(expected)}, got {name}; {_conversion_words(name, _type_names(expected))}")
    if dtype.kind == "f" and not has_range:
        raise TypeError(
            f"expected uint8 or uint16, got {name} without a declared range; "
            "pass value_range=(0, 1) or value_range=(0, 255), whichever the images have"
        )


def check_shape(shape: tuple[int, ...], expected: tuple) -> None:
    """Raises ValueError unless `shape` fits `expected`: for each axis one length, several lengths, or None for any."""
    fits = len(shape) == len(expected) and all(
        want is None or (got in want if isinstance(want, tuple) else got == want)
        for got, want in zip(shape, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            f"expected images of shape {_shape_text(expected)}, got {shape}; {_shape_words(shape, expected)}"
        )
    if 0 in shape:
        raise ValueError(
            f"expected at least one image with at least one pixel, got shape {shape}; check how it was sliced"
        )


def check_values(array: np.ndarray, low: float, high: float) -> None:
    """Raises ValueError with the count and first index of NaN, infinite or out-of-range values."""
    if array.size == 0 or (low <= array.min() and array.max() <= high):  # NaN fails both comparisons
        return
    if array.dtype.kind == "f":
        for name, bad in (("NaN", np.isnan(array)), ("infinite", np.isinf(array))):
            if bad.any():
                raise ValueError(
                    f"expected finite values from {low:g} to {high:g}, got {_bad_text(array, bad, name)}; "
                    "find where they come from; they cannot be scaled"
                )
    bad = (array < low) | (array > high)
    raise ValueError(
        f"expected values from {low:g} to {high:g}, got {_bad_text(array, bad, 'outside')}; "
        f"the array runs from {array.min():g} to {array.max():g}; declare the right range or clip on purpose"
    )


def checked_range(value_range: Sequence[float]) -> tuple[float, float]:
    """(low, high) as floats. Raises ValueError unless they are two finite numbers, low < high."""
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        raise ValueError(f"expected value_range=(low, high), got {value_range!r}; for example (0, 255)") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"expected finite low < high in value_range, got {value_range!r}; for example (0, 255)")
    return low, high


def as_levels(values: np.ndarray, value_range: tuple[float, float] | None, top: int) -> np.ndarray:
    """Integers, or floats in the declared range -> float64 on the level scale, 0..top; the input is not changed.

    A value that is a whole level rounded to the input's type, such as float32(7 / 255), becomes that level exactly.
    """
    levels = values.astype(np.float64)
    if value_range is None or value_range == (0.0, float(top)):
        return levels
    low, high = value_range
    levels = (levels - low) / (high - low) * top
    whole = np.rint(levels)
    stored = (whole / top * (high - low) + low).astype(values.dtype)
    return np.where(stored == values, whole, levels)


def flat_blocks(images: np.ndarray, block_elements: int) -> Iterator[tuple[int, np.ndarray]]:
    """(n, h, w, c) in any memory layout -> (start, 1-D native contiguous piece) in reading order.

    Pieces have at most `block_elements` values, which must be a multiple of c. A plain array, memory-mapped or not, is
    sliced without a copy; any other layout is copied piece by piece, so memory stays bounded.
    """
    if images.flags.c_contiguous and images.dtype.isnative:
        flat = images.reshape(-1)
        for start in range(0, flat.size, block_elements):
            yield start, flat[start : start + block_elements]
        return
    native = images.dtype.newbyteorder("=")
    count, height, width, channels = images.shape
    image_elements, row_elements = height * width * channels, width * channels
    images_at_once = max(1, block_elements // max(1, image_elements))
    rows_at_once = height if images_at_once > 1 else max(1, block_elements // max(1, row_elements))
    for first_image in range(0, count, images_at_once):
        for first_row in range(0, height, rows_at_once):
            part = images[first_image : first_image + images_at_once, first_row : first_row + rows_at_once]
            flat = np.ascontiguousarray(part, dtype=native).reshape(-1)
            base = first_image * image_elements + first_row * row_elements
            for start in range(0, flat.size, block_elements):
                yield base + start, flat[start : start + block_elements]


def _type_names(dtype: str | np.dtype | type | Sequence) -> tuple[str, ...]:
    several = dtype if isinstance(dtype, (list, tuple, set)) else (dtype,)
    return tuple(np.dtype(one).newbyteorder("=").name for one in several)


def _names(dtype: str | np.dtype | type | Sequence | None) -> str:
    return "uint8 or uint16" if dtype is None else " or ".join(_type_names(dtype))


def _conversion_words(name: str, expected: tuple[str, ...]) -> str:
    if name.startswith("float"):
        return "scale to the full range and np.rint before .astype; .astype alone truncates"
    if any(one.startswith("float") for one in expected):
        return "scale it first with scale_image or PixelScaler"
    return "convert on purpose: 8 bits to 16 is array.astype(np.uint16) * 257, 16 to 8 loses bits"


def _list_words(array: list | tuple) -> str:
    try:
        np.asarray(array)
    except ValueError:
        return "its parts have different lengths (ragged); make all images one size, then np.stack them"
    return "convert it with np.asarray(..., dtype=np.uint8)"


def _shape_text(expected: tuple) -> str:
    letters = ("n", "h", "w", "c")[-len(expected) :] if len(expected) <= 4 else ("?",) * len(expected)
    names = [
        letter if want is None else " or ".join(map(str, want)) if isinstance(want, tuple) else str(want)
        for letter, want in zip(letters, expected, strict=True)
    ]
    return "(" + ", ".join(names) + ("," if len(names) == 1 else "") + ")"


def _shape_words(shape: tuple[int, ...], expected: tuple) -> str:
    """The likely cause, for the message only; nothing is changed because of it."""
    if len(expected) == 4 and len(shape) == 3:
        if shape[-1] in CHANNEL_COUNTS:
            return "this looks like one image; add an axis with array[None], or use scale_image"
        if shape[0] in CHANNEL_COUNTS:
            return "this looks like one channels-first image (c, h, w); use np.moveaxis(array, 0, -1)[None]"
        return "this looks like gray images without a channel axis; add it with array[..., None]"
    if len(expected) == 4 and len(shape) == 2:
        return "this looks like one gray image; add both axes with array[None, ..., None], or use scale_image"
    if len(shape) != len(expected):
        return f"it has {len(shape)} axes and must have {len(expected)}; use array.reshape only if sure of the order"
    if len(shape) >= 3 and shape[-3] in (1, 3) and shape[-1] != shape[-3] and not _channels_fit(shape, expected):
        return "this looks like channels-first (n, c, h, w); use np.moveaxis(array, -3, -1)"
    if len(shape) >= 3 and shape[-1] == 4 and not _channels_fit(shape, expected):
        return "four channels look like RGBA; blend the alpha or drop it with array[..., :3]"
    if len(shape) >= 3 and shape[-1] == 2 and not _channels_fit(shape, expected):
        return "two channels look like gray and alpha; repeat the gray for RGBA with array[..., [0, 0, 0, 1]]"
    if not _channels_fit(shape, expected):
        return "convert between gray and color first" if shape[-1] in CHANNEL_COUNTS else "use 1, 3 or 4 channels, last"
    return "resize or crop the images, or change the expected shape"


def _channels_fit(shape: tuple[int, ...], expected: tuple) -> bool:
    want = expected[-1]
    return want is None or (shape[-1] in want if isinstance(want, tuple) else shape[-1] == want)


def _bad_text(array: np.ndarray, bad: np.ndarray, name: str) -> str:
    first = tuple(int(index) for index in np.unravel_index(int(np.argmax(bad)), array.shape))
    return f"{int(np.count_nonzero(bad))} {name}, the first {array[first]:g} at index {first}"
