"""Bad and odd input in one table: what goes in, and the array or the error that comes out."""

import re

import numpy as np
import pytest

from preprocessing import PixelScaler, scale_image, validate_images


def images(count=2, height=4, width=5, channels=3, dtype=np.uint8):
    """Different values everywhere, so that a wrong order of memory shows."""
    size = count * height * width * channels
    return (np.arange(size) * 7 % 251).astype(dtype).reshape(count, height, width, channels)


def with_value(value, index, dtype=np.float32):
    array = images(dtype=dtype)
    array[index] = value
    return array


def unaligned():
    plain = images(dtype=np.uint16)
    return np.frombuffer(b"\0" + plain.tobytes(), np.uint8)[1:].view(np.uint16).reshape(plain.shape)


def structured():
    return np.zeros((2, 4, 5), [("r", "u1"), ("g", "u1"), ("b", "u1")])


BYTES = {"value_range": (0, 255)}

# name, array, arguments, error, words of the message in their order
REFUSED = [
    ("bool", images(dtype=bool), {}, TypeError, "expected uint8 or uint16, got bool; bool is a mask"),
    ("object", np.array([[None]]), {}, TypeError, "got object; .*np.stack"),
    ("ragged object", np.array([images(1), images(2)], dtype=object), {}, TypeError, "object .*different sizes"),
    ("complex64", images().astype(np.complex64), {}, TypeError, "got complex64; .*np.abs"),
    ("complex128", images().astype(np.complex128), {}, TypeError, "got complex128"),
    ("int64", images(dtype=np.int64), {}, TypeError, "expected uint8 or uint16, got int64; signed .*astype"),
    ("int8", images(dtype=np.int8), {}, TypeError, "got int8; signed"),
    ("int32", images(dtype=np.int32), {}, TypeError, "got int32; signed"),
    ("uint32", images(dtype=np.uint32), {}, TypeError, "got uint32; integers this wide have no defined white"),
    ("uint64", images(dtype=np.uint64), {}, TypeError, "got uint64"),
    ("longdouble", images().astype(np.longdouble), BYTES, TypeError, "got float128; .*float32"),
    ("text", np.array([["a"]]), {}, TypeError, "got str.*; text is not an image"),
    ("bytes", np.array([[b"a"]]), {}, TypeError, "got bytes.*decode"),
    ("dates", np.zeros((1, 2, 2, 3), "M8[s]"), {}, TypeError, "got datetime64.*convert it to uint8"),
    ("structured", structured(), {}, TypeError, "got void.*named fields"),
    (
        "masked",
        np.ma.masked_equal(images(), 7),
        {},
        TypeError,
        "expected a plain array, got a masked array with 1 masked",
    ),
    ("masked by none", np.ma.array(images()), {}, TypeError, "masked array with 0 masked values; .*filled"),
    ("list", images().tolist(), {}, TypeError, "expected a numpy array, got a list; .*np.asarray"),
    ("tuple", tuple(images()), {}, TypeError, "got a tuple"),
    ("ragged list", [[1, 2], [3]], {}, TypeError, "got a list; .*ragged"),
    ("number", 7, {}, TypeError, "expected a numpy array, got int"),
    ("none", None, {}, TypeError, "expected a numpy array, got NoneType"),
    ("path", "photo.png", {}, TypeError, "expected a numpy array, got str"),
    (
        "float without range",
        images(dtype=np.float32),
        {},
        TypeError,
        "got float32 without a declared range; .*value_range",
    ),
    ("float64 without range", images(dtype=np.float64), {}, TypeError, "got float64 without"),
    (
        "asked uint8, got uint16",
        images(dtype=np.uint16),
        {"dtype": "uint8"},
        TypeError,
        "expected uint8, got uint16; .*257",
    ),
    ("asked float32, got uint8", images(), {"dtype": np.float32}, TypeError, "expected float32, got uint8; scale it"),
    (
        "asked uint8, got float",
        images(dtype=np.float32),
        {"dtype": "uint8", **BYTES},
        TypeError,
        "uint8, got float32; .*rint",
    ),
    (
        "asked two types",
        images(dtype=np.uint16),
        {"dtype": ("uint8", "float32")},
        TypeError,
        "expected uint8 or float32",
    ),
    ("scalar array", np.zeros((), np.uint8), {}, ValueError, r"got \(\); it has 0 axes"),
    ("one row", np.zeros(12, np.uint8), {}, ValueError, r"got \(12,\); it has 1 axes and must have 4"),
    (
        "one gray image",
        images()[0, ..., 0],
        {},
        ValueError,
        r"expected images of shape \(n, h, w, 1 or 3 or 4\), got \(4, 5\); .*one gray",
    ),
    ("one color image", images()[0], {}, ValueError, r"got \(4, 5, 3\); this looks like one image; .*array\[None\]"),
    (
        "gray, no channel axis",
        images()[..., 0],
        {},
        ValueError,
        r"got \(2, 4, 5\); .*gray images without a channel axis",
    ),
    ("one channels-first", np.zeros((3, 4, 5), np.uint8), {}, ValueError, r"channels-first image \(c, h, w\)"),
    (
        "channels-first",
        np.zeros((2, 3, 4, 5), np.uint8),
        {},
        ValueError,
        r"got \(2, 3, 4, 5\); .*channels-first \(n, c, h, w\)",
    ),
    ("gray channels-first", np.zeros((2, 1, 4, 5), np.uint8), {}, ValueError, "channels-first .*moveaxis"),
    (
        "channels-first, asked",
        np.zeros((9, 3, 4, 4), np.uint8),
        {"shape": (None, 4, 4, 3)},
        ValueError,
        "channels-first",
    ),
    ("RGBA", images(channels=4), {"shape": (None, 4, 5, 3)}, ValueError, "four channels look like RGBA"),
    ("gray and alpha", images(channels=2), {}, ValueError, "two channels look like gray and alpha; repeat"),
    ("spectral", images(channels=12), {}, ValueError, "use 1, 3 or 4 channels"),
    ("video", np.zeros((2, 8, 4, 5, 3), np.uint8), {}, ValueError, "it has 5 axes and must have 4"),
    ("no images", images(count=0), {}, ValueError, r"expected at least one image .* got shape \(0, 4, 5, 3\)"),
    ("no pixels", images(width=0), {}, ValueError, "at least one pixel"),
    (
        "wrong size",
        images(height=28),
        {"shape": (None, 32, 32, 3)},
        ValueError,
        r"shape \(n, 32, 32, 3\), got \(2, 28, 5, 3\); resize",
    ),
    (
        "wrong count",
        images(),
        {"shape": (3, 4, 5, 3)},
        ValueError,
        r"expected images of shape \(3, 4, 5, 3\), got \(2, 4, 5, 3\)",
    ),
    (
        "gray, asked color",
        images(channels=1),
        {"shape": (None, 4, 5, 3)},
        ValueError,
        "convert between gray and color",
    ),
    (
        "too bright",
        with_value(256, (1, 2, 3, 0), np.uint16),
        BYTES,
        ValueError,
        r"from 0 to 255, got 1 outside, the first 256 at index \(1, 2, 3, 0\)",
    ),
    (
        "too bright in 0..1",
        images(dtype=np.float32),
        {"value_range": (0, 1)},
        ValueError,
        r"from 0 to 1, got 118 outside, the first 7 at index \(0, 0, 0, 1\)",
    ),
    (
        "negative",
        with_value(-0.5, (0, 0, 0, 2)),
        BYTES,
        ValueError,
        r"got 1 outside, the first -0.5 at index \(0, 0, 0, 2\)",
    ),
    (
        "NaN",
        with_value(np.nan, (1, 3, 4, 2)),
        BYTES,
        ValueError,
        r"expected finite .* got 1 NaN, .* at index \(1, 3, 4, 2\)",
    ),
    ("many NaN", with_value(np.nan, (1, 3)), BYTES, ValueError, r"got 15 NaN, the first nan at index \(1, 3, 0, 0\)"),
    (
        "infinite",
        with_value(np.inf, (0, 1, 2, 1)),
        BYTES,
        ValueError,
        r"got 1 infinite, the first inf at index \(0, 1, 2, 1\)",
    ),
    ("minus infinite", with_value(-np.inf, (0, 1, 2, 1)), BYTES, ValueError, "got 1 infinite, the first -inf"),
    ("half NaN", with_value(np.nan, (0, 0, 0, 0), np.float16), BYTES, ValueError, "got 1 NaN"),
    ("range upside down", images(), {"value_range": (255, 0)}, ValueError, "expected finite low < high"),
    ("range with NaN", images(), {"value_range": (0, np.nan)}, ValueError, "expected finite low < high"),
    ("range of one number", images(), {"value_range": 255}, ValueError, r"expected value_range=\(low, high\), got 255"),
]

# name, array, the plain array it stands for, arguments
ACCEPTED = [
    ("plain", images(), images(), {}),
    ("uint16", images(dtype=np.uint16), images(dtype=np.uint16), {}),
    ("gray", images(channels=1), images(channels=1), {}),
    ("one pixel", images(1, 1, 1, 1), images(1, 1, 1, 1), {}),
    ("big-endian", images(dtype=">u2"), images(dtype=np.uint16), {}),
    ("little-endian", images(dtype="<u2"), images(dtype=np.uint16), {}),
    ("big-endian, asked uint16", images(dtype=">u2"), images(dtype=np.uint16), {"dtype": "uint16"}),
    ("big-endian floats", images(dtype=">f4"), images(dtype=np.float32), BYTES),
    ("Fortran order", np.asfortranarray(images()), images(), {}),
    ("every second", images(4)[::2], images(4)[::2].copy(), {}),
    ("backwards", images()[::-1, ::-1, ::-1], images()[::-1, ::-1, ::-1].copy(), {}),
    ("channels reversed", images()[..., ::-1], images()[..., ::-1].copy(), {}),
    ("moved axis", np.moveaxis(images(channels=3).transpose(0, 3, 1, 2), 1, -1), images(), {}),
    ("repeated by stride", np.broadcast_to(images(1), (5, 4, 5, 3)), np.repeat(images(1), 5, axis=0), {}),
    ("unaligned", unaligned(), images(dtype=np.uint16), {}),
    ("float64", images(dtype=np.float64), images(dtype=np.float64), BYTES),
    ("float16", images(dtype=np.float16), images(dtype=np.float16), BYTES),
    ("both ends of the range", with_value(255, 0), with_value(255, 0), BYTES),
    ("wildcards", images(), images(), {"shape": (None, None, 5, 3)}),
    ("exact shape", images(), images(), {"shape": [2, 4, 5, 3], "dtype": "uint8"}),
    ("one image, asked", images()[0], images()[0], {"shape": (4, 5, 3)}),
    ("one gray image, asked", images()[0, ..., 0], images()[0, ..., 0].copy(), {"shape": (None, None)}),
    ("three of three channels", images(3, 3, 3, 3), images(3, 3, 3, 3), {}),
]


def names(table):
    return [row[0] for row in table]


@pytest.mark.parametrize(("name", "array", "arguments", "error", "words"), REFUSED, ids=names(REFUSED))
def test_refused(name, array, arguments, error, words):
    with pytest.raises(error) as caught:
        validate_images(array, **arguments)
    message = str(caught.value)
    assert re.search(words, message), message
    assert message.startswith("expected ") and " got " in message and ";" in message and "\n" not in message


@pytest.mark.parametrize(("name", "array", "plain", "arguments"), ACCEPTED, ids=names(ACCEPTED))
def test_accepted(name, array, plain, arguments):
    before = array.copy()
    checked = validate_images(array, **arguments)
    assert type(checked) is np.ndarray and checked.dtype == plain.dtype and checked.dtype.isnative
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, plain)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(("name", "array", "plain", "arguments"), ACCEPTED, ids=names(ACCEPTED))
def test_scaled_like_a_plain_copy(name, array, plain, arguments):
    if array.ndim < 4:
        np.testing.assert_array_equal(scale_image(array, "standardize"), scale_image(plain, "standardize"))
        return
    before = array.copy()
    scaler = PixelScaler("standardize", value_range=arguments.get("value_range")).fit(array)
    reference = PixelScaler("standardize", value_range=arguments.get("value_range")).fit(plain)
    np.testing.assert_array_equal(scaler.mean_, reference.mean_)
    np.testing.assert_array_equal(scaler.std_, reference.std_)
    np.testing.assert_array_equal(scaler.transform(array), reference.transform(plain))
    scaled = reference.transform(plain)
    odd_layout = np.asfortranarray(scaled.astype(">f4"))
    np.testing.assert_array_equal(reference.inverse_transform(odd_layout), reference.inverse_transform(scaled))
    np.testing.assert_array_equal(array, before)


def test_plain_input_is_returned_without_a_copy():
    array = images()
    assert np.shares_memory(validate_images(array), array)


def test_read_only_and_memory_mapped(tmp_path):
    array = images(dtype=np.uint16)
    np.save(tmp_path / "images.npy", array)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    frozen = array.copy()
    frozen.flags.writeable = False
    reference = PixelScaler("standardize").fit(array)
    for odd in (mapped, frozen):
        np.testing.assert_array_equal(validate_images(odd), array)
        scaler = PixelScaler("standardize").fit(odd)
        np.testing.assert_array_equal(scaler.mean_, reference.mean_)
        np.testing.assert_array_equal(scaler.transform(odd), reference.transform(array))


def test_brightening_does_not_wrap_round():
    """Text A's trap: uint8 250 + 50 is 44. Scaled arithmetic happens in floats, and the way back clips."""
    array = np.full((1, 2, 2, 1), 250, np.uint8)
    scaler = PixelScaler("normalize").fit(array)
    brighter = scaler.inverse_transform(scaler.transform(array) + np.float32(50 / 255))
    assert (brighter == 255).all()


def test_the_table_is_as_long_as_promised():
    assert len(REFUSED) + len(ACCEPTED) >= 60
