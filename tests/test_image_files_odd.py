"""Odd and bad image files and arrays, one row each: what goes in, and the array or the error that comes out.

Files are made by Pillow, tifffile or, where neither writes them, by the few lines of `png` below: never by the code
under test. `GRAY` and `RGB` are the stored values of most of them.
"""

import io
import pathlib
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import imaging

tifffile = pytest.importorskip("tifffile")

GRAY = np.arange(0, 240, 20, dtype=np.uint8).reshape(3, 4)
RGB = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)
DEEP_GRAY = GRAY.astype(np.uint16) * 257 + np.arange(12, dtype=np.uint16).reshape(3, 4)
DEEP_RGB = np.stack([DEEP_GRAY, 65535 - DEEP_GRAY, DEEP_GRAY // 3], axis=-1)
RAMP_ALPHA = np.array([[0, 128, 255, 255]] * 3, np.uint8)
OPAQUE = np.full((3, 4), 255, np.uint8)
PALETTE = bytes([10, 20, 30, 200, 100, 50, 255, 255, 0, 7, 7, 7])
INDICES = np.arange(12, dtype=np.uint8).reshape(3, 4) % 4
COLORS = np.frombuffer(PALETTE, np.uint8).reshape(4, 3)[INDICES]


def pillow(pixels, file_format, **options):
    return picture_bytes(Image.fromarray(pixels), file_format, **options)


def picture_bytes(picture, file_format, **options):
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def tiff(pixels, photometric="minisblack", **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric, **options)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tiff_of_12_bits(samples):
    """A little-endian TIFF of one strip, two samples packed in three bytes; tifffile does not write these."""
    high, low = samples.reshape(-1, 2).T.astype(np.uint16)
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=-1).astype(np.uint8).tobytes()
    rows, columns = samples.shape
    entries = {256: columns, 257: rows, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: rows, 279: len(packed)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + struct.pack("<H", 9) + directory + bytes(4)


def npy_of_shape(shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(samples, depth, color_type, *chunks, size=(4, 3)):
    """A PNG of any depth. samples: (H, W * channels); color_type: 0 gray, 2 RGB, 3 palette, 4 and 6 with alpha."""
    bits = np.unpackbits(np.asarray(samples, ">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[
        ..., 16 - depth :
    ]
    rows = np.packbits(bits.reshape(len(samples), -1), axis=-1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)  # filter 0
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    )


def palette_picture(transparency=None):
    picture = Image.fromarray(INDICES)
    picture.putpalette(PALETTE)
    if transparency is not None:
        picture.info["transparency"] = transparency
    return picture


def oriented(file_format, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return pillow(RGB, file_format, exif=exif, **({"lossless": True} if file_format == "WEBP" else {}))


def animation(file_format, **options):
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    return picture_bytes(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100, **options)


def with_alpha(colors, alpha):
    return np.concatenate([colors.reshape(3, 4, -1), alpha[..., np.newaxis]], axis=-1)


def over(colors, alpha, ground, maximum=255):
    """The same image put on a ground, in exact fractions: rint has no ties here but the half, which goes up."""
    colors, alpha = colors.reshape(3, 4, -1).astype(float), alpha[..., np.newaxis].astype(float)
    return np.floor((colors * alpha + ground * (maximum - alpha)) / maximum + 0.5).astype(
        np.uint8 if maximum == 255 else np.uint16
    )


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def bomb():
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


DEEP_ALPHA = RAMP_ALPHA.astype(np.uint16) * 257
DEEP_RGBA = with_alpha(DEEP_RGB, DEEP_ALPHA)
DEEP_GRAY_ALPHA = with_alpha(DEEP_GRAY, DEEP_ALPHA)
ONE_BIT = (GRAY > 99).astype(np.uint8)
TWO_BIT = GRAY // 80
FOUR_BIT = GRAY // 16
CMYK = np.stack([GRAY, GRAY // 2, 255 - GRAY, GRAY // 4], axis=-1)
GOOD_PNG, GOOD_TIFF = pillow(RGB, "PNG"), pillow(RGB, "TIFF")
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
CONVERTED_CMYK = np.array(Image.frombytes("CMYK", (4, 3), CMYK.tobytes()).convert("RGB"))
PAGES = np.stack([GRAY, 255 - GRAY])


def replaced(pixels, level, ground):
    return np.where(np.equal(pixels, level), ground, pixels).astype(pixels.dtype)


def key(*levels):
    return chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))


def deep_png(pixels, color_type, *chunks):
    return png(pixels.reshape(3, -1), 16, color_type, *chunks)


# name: (content of the file, keywords of load_image, expected array or words of the error)
FILES = {
    # --- depth: what other readers cut to 8 bits
    "PNG gray 16 bits": (pillow(DEEP_GRAY, "PNG"), {}, DEEP_GRAY),
    "PNG RGB 16 bits": (deep_png(DEEP_RGB, 2), {}, DEEP_RGB),
    "PNG RGB 16 bits, gamma is not applied": (
        deep_png(DEEP_RGB, 2, chunk(b"gAMA", struct.pack(">I", 10000))),
        {},
        DEEP_RGB,
    ),
    "PNG RGBA 16 bits": (deep_png(DEEP_RGBA, 6), {}, "partly or fully transparent; pass alpha='white'"),
    "PNG RGBA 16 bits, dropped": (deep_png(DEEP_RGBA, 6), {"alpha": "drop"}, DEEP_RGB),
    "PNG RGBA 16 bits, on white": (
        deep_png(DEEP_RGBA, 6),
        {"alpha": "white"},
        over(DEEP_RGB, DEEP_ALPHA, 65535, 65535),
    ),
    "PNG gray and alpha 16 bits": (deep_png(DEEP_GRAY_ALPHA, 4), {"alpha": "drop"}, DEEP_GRAY),
    "PNG gray 1 bit": (png(ONE_BIT, 1, 0), {}, ONE_BIT * 255),
    "PNG gray 2 bits": (png(TWO_BIT, 2, 0), {}, TWO_BIT * 85),
    "PNG gray 4 bits": (png(FOUR_BIT, 4, 0), {}, FOUR_BIT * 17),
    "TIFF gray 1 bit": (picture_bytes(Image.fromarray(ONE_BIT * 255).convert("1"), "TIFF"), {}, ONE_BIT * 255),
    "TIFF gray 12 bits, kept as stored": (tiff_of_12_bits(DEEP_GRAY >> 4), {}, DEEP_GRAY >> 4),
    "TIFF gray 16 bits, big-endian": (tiff(DEEP_GRAY, byteorder=">"), {}, DEEP_GRAY),
    "TIFF gray 16 bits, white is zero": (tiff(DEEP_GRAY, "miniswhite"), {}, 65535 - DEEP_GRAY),
    "TIFF gray 8 bits, white is zero": (tiff(GRAY, "miniswhite"), {}, 255 - GRAY),
    "TIFF RGB 16 bits": (tiff(DEEP_RGB, "rgb"), {}, DEEP_RGB),
    "TIFF RGB 16 bits, big-endian": (tiff(DEEP_RGB, "rgb", byteorder=">"), {}, DEEP_RGB),
    "TIFF RGB 16 bits, deflated": (tiff(DEEP_RGB, "rgb", compression="zlib"), {}, DEEP_RGB),
    "TIFF RGB 16 bits, in planes": (tiff(np.moveaxis(DEEP_RGB, -1, 0), "rgb", planarconfig="separate"), {}, DEEP_RGB),
    "TIFF RGB 16 bits, turned": (tiff(DEEP_RGB, "rgb", extratags=[(274, 3, 1, 6)]), {}, np.rot90(DEEP_RGB, -1)),
    "TIFF RGB 8 bits, turned": (tiff(RGB, "rgb", extratags=[(274, 3, 1, 6)]), {}, np.rot90(RGB, -1)),
    "TIFF gray 16 bits, turned": (tiff(DEEP_GRAY, extratags=[(274, 3, 1, 8)]), {}, np.rot90(DEEP_GRAY)),
    "TIFF RGB 8 bits, in planes": (tiff(np.moveaxis(RGB, -1, 0), "rgb", planarconfig="separate"), {}, RGB),
    "TIFF RGBA 16 bits": (tiff(DEEP_RGBA, "rgb", extrasamples=["unassalpha"]), {}, "partly or fully transparent"),
    "TIFF RGBA 16 bits, black": (
        tiff(DEEP_RGBA, "rgb", extrasamples=["unassalpha"]),
        {"alpha": "black"},
        over(DEEP_RGB, DEEP_ALPHA, 0, 65535),
    ),
    "TIFF RGBA 16 bits, multiplied": (
        tiff(DEEP_RGBA, "rgb", extrasamples=["assocalpha"]),
        {},
        "multiplied by their alpha",
    ),
    "TIFF signed 16 bits": (tiff(GRAY.astype(np.int16)), {}, "got 16-bit signed integer pixels"),
    "TIFF signed 8 bits": (tiff(GRAY.astype(np.int8)), {}, "got 8-bit signed integer pixels"),
    "TIFF unsigned 32 bits": (tiff(GRAY.astype(np.uint32)), {}, "got 32-bit unsigned integer pixels"),
    "TIFF float 32 bits": (
        tiff(GRAY.astype(np.float32)),
        {},
        r"got float32 from 0 to 220, which looks like 0 for black and 255 for white; pass value_range=\(0.0, 255.0\)",
    ),
    "TIFF float 32 bits, its range": (tiff(GRAY.astype(np.float32)), {"value_range": (0, 255)}, GRAY),
    "TIFF float 64 bits": (tiff(GRAY / 255), {"value_range": (0, 1)}, GRAY),
    "TIFF float 16 bits": (tiff((GRAY / 255).astype(np.float16)), {"value_range": (0, 1)}, GRAY),
    "TIFF float, big-endian": (tiff((GRAY / 255).astype(np.float32), byteorder=">"), {"value_range": (0, 1)}, GRAY),
    "TIFF RGB float": (tiff((RGB / 127.5 - 1).astype(np.float32), "rgb"), {"value_range": (-1, 1)}, RGB),
    "TIFF RGBA float": (
        tiff((DEEP_RGBA / 65535).astype(np.float32), "rgb", extrasamples=["unassalpha"]),
        {"value_range": (0, 1), "alpha": "keep"},
        DEEP_RGBA,
    ),
    "TIFF float between levels": (tiff(DEEP_GRAY / 65535), {"value_range": (0, 1)}, DEEP_GRAY),
    "TIFF float outside": (tiff(GRAY / 255), {"value_range": (0, 0.5)}, "expected values in 0 … 0.5, the value_range"),
    "TIFF float, NaN": (tiff(GRAY * np.float32("nan")), {"value_range": (0, 1)}, "got NaN or infinity"),
    "TIFF float, two pages": (tiff(np.stack([GRAY, GRAY]) / 255), {}, "expected one image, got 2 frames"),
    "TIFF RGB and a channel more": (
        tiff(with_alpha(RGB, RAMP_ALPHA), "rgb", extrasamples=["unspecified"]),
        {},
        "an extra channel beside the colors",
    ),
    "TIFF RGB and a channel more, dropped": (
        tiff(with_alpha(RGB, RAMP_ALPHA), "rgb", extrasamples=["unspecified"]),
        {"alpha": "drop"},
        RGB,
    ),
    "TIFF palette": (
        tiff(GRAY, "palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, 256) % 256 * 257),
        {},
        np.stack([GRAY] * 3, axis=-1),
    ),
    "TIFF palette of 16-bit colors": (
        tiff(GRAY, "palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, 256) * 85),
        {},
        "a palette of 8-bit colors, got one of 16-bit colors",
    ),
    # --- palettes and alpha
    "PNG palette": (picture_bytes(palette_picture(), "PNG"), {}, COLORS),
    "PNG palette of 4 bits": (png(INDICES, 4, 3, chunk(b"PLTE", PALETTE)), {}, COLORS),
    "GIF palette": (picture_bytes(palette_picture(), "GIF"), {}, COLORS),
    "BMP palette": (picture_bytes(palette_picture(), "BMP"), {}, COLORS),
    "PNG palette, one color transparent": (
        picture_bytes(palette_picture(1), "PNG"),
        {},
        "got 3 partly or fully transparent",
    ),
    "PNG palette, partly transparent": (
        png(INDICES, 8, 3, chunk(b"PLTE", PALETTE), chunk(b"tRNS", bytes([255, 0, 128]))),
        {"alpha": "white"},
        over(COLORS, np.array([255, 0, 128, 255], np.uint8)[INDICES], 255),
    ),
    "PNG palette, transparent color unused": (
        png(INDICES % 2, 8, 3, chunk(b"PLTE", PALETTE), chunk(b"tRNS", bytes([255, 255, 0]))),
        {},
        np.frombuffer(PALETTE, np.uint8).reshape(4, 3)[INDICES % 2],
    ),
    "GIF transparent": (picture_bytes(palette_picture(2), "GIF", transparency=2), {}, "partly or fully transparent"),
    "PNG gray, one level transparent": (png(GRAY, 8, 0, key(40)), {}, "got 1 partly or fully transparent"),
    "PNG gray 2 bits, one level transparent": (
        png(TWO_BIT, 2, 0, key(2)),
        {"alpha": "white"},
        replaced(TWO_BIT * 85, 170, 255),
    ),
    "PNG gray 16 bits, one level transparent": (
        deep_png(DEEP_GRAY, 0, key(int(DEEP_GRAY[1, 1]))),
        {"alpha": "black"},
        replaced(DEEP_GRAY, DEEP_GRAY[1, 1], 0),
    ),
    "PNG RGB, one color transparent": (
        png(RGB.reshape(3, -1), 8, 2, key(*RGB[2, 3].tolist())),
        {"alpha": "black"},
        RGB * np.not_equal(RGB, RGB[2, 3]).any(axis=-1, keepdims=True),
    ),
    "PNG RGB 16 bits, one color transparent": (
        deep_png(DEEP_RGB, 2, key(*DEEP_RGB[2, 3].tolist())),
        {},
        "got 1 partly or fully transparent",
    ),
    "PNG RGBA": (pillow(with_alpha(RGB, RAMP_ALPHA), "PNG"), {}, "got 6 partly or fully transparent"),
    "PNG RGBA, dropped": (pillow(with_alpha(RGB, RAMP_ALPHA), "PNG"), {"alpha": "drop"}, RGB),
    "PNG RGBA, on white": (pillow(with_alpha(RGB, RAMP_ALPHA), "PNG"), {"alpha": "white"}, over(RGB, RAMP_ALPHA, 255)),
    "PNG RGBA, on black": (pillow(with_alpha(RGB, RAMP_ALPHA), "PNG"), {"alpha": "black"}, over(RGB, RAMP_ALPHA, 0)),
    "PNG RGBA, opaque": (pillow(with_alpha(RGB, OPAQUE), "PNG"), {}, RGB),
    "PNG gray and alpha": (
        pillow(with_alpha(GRAY, RAMP_ALPHA), "PNG"),
        {"alpha": "white"},
        over(GRAY, RAMP_ALPHA, 255),
    ),
    "WebP RGBA": (pillow(with_alpha(RGB, RAMP_ALPHA), "WEBP", lossless=True), {}, "partly or fully transparent"),
    "TIFF gray and alpha": (pillow(with_alpha(GRAY, RAMP_ALPHA), "TIFF"), {"alpha": "drop"}, GRAY),
    # --- colors
    "JPEG CMYK": (
        picture_bytes(Image.frombytes("CMYK", (4, 3), CMYK.tobytes()), "JPEG"),
        {},
        "got CMYK for printing; pass cmyk='convert'",
    ),
    "TIFF CMYK, converted": (
        picture_bytes(Image.frombytes("CMYK", (4, 3), CMYK.tobytes()), "TIFF"),
        {"cmyk": "convert"},
        CONVERTED_CMYK,
    ),
    "TIFF Lab": (picture_bytes(Image.new("LAB", (4, 3)), "TIFF"), {}, "Pillow mode 'LAB'"),
    # --- the way up
    **{
        f"{file_format} orientation {orientation}": (oriented(file_format, orientation), {}, upright)
        for file_format in ("PNG", "WEBP", "TIFF")
        for orientation, upright in {
            1: RGB,
            2: RGB[:, ::-1],
            3: RGB[::-1, ::-1],
            4: RGB[::-1],
            5: RGB.transpose(1, 0, 2),
            6: np.rot90(RGB, -1),
            7: np.rot90(RGB.transpose(1, 0, 2), 2),
            8: np.rot90(RGB),
            9: RGB,
        }.items()
    },
    "JPEG orientation 6": (
        oriented("JPEG", 6),
        {},
        np.rot90(np.array(Image.open(io.BytesIO(oriented("JPEG", 1)))), -1),
    ),
    "PNG with EXIF that is none": (png(RGB.reshape(3, -1), 8, 2, chunk(b"eXIf", b"garbage, no EXIF")), {}, RGB),
    "PNG with broken EXIF": (
        png(RGB.reshape(3, -1), 8, 2, chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff")),
        {},
        RGB,
    ),
    # --- frames
    "GIF animation": (animation("GIF"), {}, "expected one image, got 2 frames; choose one with frame=0 to frame=1"),
    "GIF animation, frame 1": (animation("GIF"), {"frame": 1}, 255 - RGB),
    "PNG animation": (animation("PNG"), {}, "got 2 frames"),
    "PNG animation, frame 1": (animation("PNG"), {"frame": 1}, 255 - RGB),
    "WebP animation, frame 1": (animation("WEBP", lossless=True), {"frame": 1}, 255 - RGB),
    "TIFF pages": (tiff(PAGES), {}, "got 2 frames"),
    "TIFF page 1": (tiff(PAGES), {"frame": 1}, 255 - GRAY),
    "TIFF page 2 of 2": (tiff(PAGES), {"frame": 2}, "expected a frame from 0 to 1, got 2"),
    "TIFF RGB 16 bits, page 1": (tiff(np.stack([DEEP_RGB, 65535 - DEEP_RGB]), "rgb"), {"frame": 1}, 65535 - DEEP_RGB),
    "MPO, a JPEG of two": (animation("MPO"), {}, np.array(Image.open(io.BytesIO(animation("MPO"))))),
    "PNG frame 0 of one": (GOOD_PNG, {"frame": 0}, RGB),
    # --- damage
    "empty file": (b"", {}, "an empty file of 0 bytes"),
    "text named .png": (b"once upon a time", {}, "got text; "),
    "PNG cut in the header": (GOOD_PNG[:20], {}, "PNG"),
    "PNG cut in the pixels": (
        pillow(NOISE, "PNG")[:4000],
        {},
        "a whole PNG file, got one that is truncated or damaged",
    ),
    "PNG RGB 16 bits, cut": (deep_png(DEEP_RGB, 2)[:80], {}, "a whole PNG file, got one that is truncated or damaged"),
    "PNG with one bit flipped": (flipped(pillow(DEEP_GRAY, "PNG"), 56), {}, "wrong checksum of the pixels"),
    "JPEG cut": (pillow(NOISE, "JPEG")[:2000], {}, "a whole JPEG file, got one that is truncated or damaged"),
    "TIFF cut": (pillow(NOISE, "TIFF")[:5000], {}, "TIFF"),
    "TIFF RGB 16 bits, cut": (tiff(NOISE.astype(np.uint16), "rgb")[:9000], {}, "truncated or damaged"),
    "GIF cut": (pillow(NOISE, "GIF")[:2000], {}, "a whole GIF file, got one that is truncated or damaged"),
    "BMP cut": (pillow(NOISE, "BMP")[:2000], {}, "a whole BMP file, got one that is truncated or damaged"),
    "WebP cut": (pillow(NOISE, "WEBP")[:2000], {}, "WebP"),
    "decompression bomb": (bomb(), {}, "decompression bomb"),
    "too many pixels": (GOOD_PNG, {"max_pixels": 11}, "at most 11 pixels, got 4 x 3 = 12"),
    "as many pixels as allowed": (GOOD_PNG, {"max_pixels": 12}, RGB),
    # --- NPY
    "NPY gray": (npy(GRAY), {}, GRAY),
    "NPY RGB 16 bits, big-endian": (npy(DEEP_RGB.astype(">u2")), {}, DEEP_RGB),
    "NPY in Fortran order": (npy(np.asfortranarray(RGB)), {}, RGB),
    "NPY float": (npy(GRAY.astype(np.float32)), {}, "got float32 from 0 to 220"),
    "NPY float, its range": (npy((GRAY / 255).astype(np.float16)), {"value_range": (0, 1)}, GRAY),
    "NPY signed": (npy(GRAY.astype(np.int16)), {}, "expected uint8, uint16 or floats, got int16"),
    "NPY objects": (npy(np.array([[{"a": 1}]], object)), {}, "pickled objects, which can run code; never loaded"),
    "NPY of many images": (npy(np.zeros((5, 3, 4, 3), np.uint8)), {}, "which is a set of images"),
    "NPY channels first": (npy(np.zeros((3, 5, 5), np.uint8)), {}, "which is channels-first"),
    "NPY without pixels": (npy(np.zeros((0, 4), np.uint8)), {}, "which has no pixels"),
    "NPY of a negative size": (npy_of_shape((-4, 4)), {}, "which has no pixels"),
    "NPY of a huge size": (npy_of_shape((9_000_000, 9_000_000)), {}, "may be a decompression bomb"),
    "NPY cut": (npy(RGB)[:-1], {}, "expected 36 bytes of values, got 35"),
    "a pickle": (pickle.dumps(GRAY), {}, "got a pickle"),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(("content", "keywords", "expected"), FILES.values(), ids=FILES)
def test_odd_file(content, keywords, expected, tmp_path):
    path = tmp_path / "odd.dat"  # the content decides, not the suffix
    path.write_bytes(content)
    if isinstance(expected, str):
        with pytest.raises(imaging.ImageFileError, match=expected) as caught:
            imaging.load_image(path, **keywords)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        with pytest.raises(imaging.ImageFileError, match=r"^member\.png: "):
            imaging.load_image(io.BytesIO(content), name="member.png", **keywords)
        return
    if expected.ndim == 2:
        expected = expected[..., np.newaxis]
    for loaded in (imaging.load_image(path, **keywords), imaging.load_image(io.BytesIO(content), **keywords)):
        assert loaded.dtype == expected.dtype
        assert loaded.dtype.isnative
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, expected)


PATHS = {
    "missing": ("missing.png", "does not exist"),
    "folder": ("folder", "got a folder"),
    "missing folder": ("nowhere/image.png", "does not exist"),
}


@pytest.mark.parametrize(("relative", "words"), PATHS.values(), ids=PATHS)
def test_odd_path(relative, words, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(imaging.ImageFileError, match=words):
        imaging.load_image(tmp_path / relative)


def test_text_file_object():
    with pytest.raises(imaging.ImageFileError, match="binary mode, got str"):
        imaging.load_image(io.StringIO("pixels"), name="text")


# name: (file name, array, keywords of save_image, exception, words of the error)
REFUSED = {
    "float": ("a.png", GRAY / 255, {}, TypeError, "got float64.*low= and high="),
    "bool": ("a.png", GRAY > 9, {}, TypeError, "got bool.*black and white"),
    "int8": ("a.png", GRAY.astype(np.int8), {}, TypeError, "got int8"),
    "negative": ("a.png", GRAY.astype(np.int64) - 1, {}, TypeError, "got int64.*check the range"),
    "uint32": ("a.tif", GRAY.astype(np.uint32), {}, TypeError, "got uint32"),
    "complex": ("a.npy", GRAY.astype(complex), {}, TypeError, "got complex128"),
    "objects": ("a.npy", np.array([[{}]]), {}, TypeError, "got object"),
    "list": ("a.png", [[1, 2], [3, 4]], {}, TypeError, "got int64"),
    "masked": ("a.png", np.ma.masked_equal(GRAY, 40), {}, TypeError, "got a masked array"),
    "JPEG": ("a.jpg", GRAY, {}, ValueError, "JPEG, which changes the values; save as .png"),
    "GIF": ("a.gif", GRAY, {}, ValueError, "GIF, which holds 256 8-bit colors"),
    "GIF 16 bits": ("a.gif", DEEP_GRAY, {}, ValueError, "uint16 of shape .* got GIF"),
    "BMP 16 bits": ("a.bmp", DEEP_GRAY, {}, ValueError, "holds 8 bits, got uint16"),
    "WebP 16 bits": ("a.webp", DEEP_RGB, {}, ValueError, "holds 8 bits, got uint16"),
    "WebP gray": ("a.webp", GRAY, {}, ValueError, "no gray images"),
    "WebP too wide": ("a.webp", np.zeros((1, 16384, 3), np.uint8), {}, ValueError, "at most 16383 pixels"),
    "unknown suffix": ("a.xyz", GRAY, {}, ValueError, "ending in .png, .*got '.xyz'"),
    "no suffix": ("a", GRAY, {}, ValueError, "got 'no suffix'"),
    "channels first": ("a.png", np.zeros((3, 5, 5), np.uint8), {}, ValueError, "channels-first; pass np.moveaxis"),
    "gray and alpha": ("a.png", np.zeros((8, 8, 2), np.uint8), {}, ValueError, "last channel is alpha"),
    "BMP RGBA": ("a.bmp", np.zeros((8, 8, 4), np.uint8), {}, ValueError, "expected gray or RGB for .bmp, got RGBA"),
    "five channels": ("a.png", np.zeros((4, 4, 5), np.uint8), {}, ValueError, "got \\(4, 4, 5\\)"),
    "many images": ("a.png", np.zeros((2, 4, 4, 3), np.uint8), {}, ValueError, "a set of images"),
    "a row": ("a.png", GRAY[0], {}, ValueError, "got \\(4,\\)"),
    "empty": ("a.png", np.zeros((0, 4), np.uint8), {}, ValueError, "no pixels"),
    "missing folder": ("nowhere/a.png", GRAY, {}, ValueError, "existing folder"),
    "a folder": ("folder.png", GRAY, {}, ValueError, "got a folder"),
    "low alone": ("a.png", GRAY, {"low": 0}, ValueError, "together"),
    "low above high": ("a.png", GRAY, {"low": 9, "high": 3}, ValueError, "low < high"),
    "low equal to high": ("a.png", GRAY, {"low": 3, "high": 3}, ValueError, "low < high"),
    "low infinite": ("a.png", GRAY, {"low": -np.inf, "high": 3}, ValueError, "finite"),
    "NaN": ("a.png", np.array([[0, np.nan]]), {"low": 0, "high": 1}, ValueError, "1 NaN, the first at \\(0, 1\\)"),
    "dtype alone": ("a.png", GRAY, {"dtype": np.uint16}, ValueError, "only beside low= and high="),
    "dtype float": ("a.png", GRAY, {"low": 0, "high": 1, "dtype": np.float32}, TypeError, "uint8 or uint16"),
    "stretched complex": ("a.png", GRAY.astype(complex), {"low": 0, "high": 1}, TypeError, "real numbers"),
}


@pytest.mark.parametrize(("file_name", "array", "keywords", "exception", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_array(file_name, array, keywords, exception, words, tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(exception, match=words) as caught:
        imaging.save_image(tmp_path / file_name, array, **keywords)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]


ODD_ARRAYS = {
    "big-endian": DEEP_RGB.astype(">u2"),
    "Fortran order": np.asfortranarray(DEEP_RGB),
    "negative strides": DEEP_RGB[::-1, ::-1],
    "every second": np.repeat(DEEP_GRAY, 2, axis=1)[:, ::2],
    "one pixel": DEEP_RGB[:1, :1],
    "one row": RGB[:1],
    "one column and channel": GRAY[:, :1, np.newaxis],
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("array", ODD_ARRAYS.values(), ids=ODD_ARRAYS)
def test_odd_array_is_saved_exactly(array, suffix, tmp_path):
    array.flags.writeable = False
    path = pathlib.Path(tmp_path / f"odd{suffix}")
    imaging.save_image(path, array)
    np.testing.assert_array_equal(imaging.load_image(path).reshape(array.shape), array)
