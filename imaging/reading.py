"""Image files -> the pixels they hold, exact to the last bit, or an error that says why not.

NumPy and Pillow do the work, except for two kinds of file that Pillow reduces to 8 bits: 16-bit RGB PNG is read by
`tf.io`, 16-bit RGB TIFF by `tifffile`, both imported only for such a file. `docs/image-files.md` lists what each format
holds.
"""

import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from errors import Parameter, words
from files import UnreadableFile, brief, open_regular
from files.kinds import FIRST_BYTES, PICTURE_KINDS, Kind, kind_by_ending, kind_of
from imaging.file_errors import ImageFileError, check_size, checked_image_shape, several_frames
from imaging.floats import are_eight_bits, likely_range, on_levels
from imaging.orientation import ORIENTATION, exif_orientation, upright
from imaging.png_files import check_png_sums, decode_deep_png, is_deep_color_png
from imaging.tiff_files import COMPRESSION, PHOTOMETRIC, complaints_of_libtiff, missing_pixels
from imaging.tiff_pixels import check_tiff, count_pages, decode_deep_tiff, decode_floats, is_deep_rgb_tiff
from imaging.transparency import as_rgba, on_ground

MAX_PIXELS = 89_478_485  # 256 MiB of 8-bit RGB; above it, Pillow warns of a decompression bomb

_PILLOW_FORMATS = tuple(kind.pillow for kind in PICTURE_KINDS if kind.pillow and kind.starts)
_READABLE = ", ".join(kind.name for kind in PICTURE_KINDS[:-1]) + f" or {PICTURE_KINDS[-1].name}"
_NPY_SIGNATURE = b"\x93NUMPY"
# Pixels above both limits count as a bomb: photographs have ratios below 100, flat pictures up to 1,000.
LARGE_PICTURE = 2**26
HIGHEST_RATIO = 200


def load_image(
    source: str | os.PathLike | BinaryIO,
    *,
    alpha: Literal["keep", "drop", "white", "black"] | None = None,
    cmyk: Literal["convert"] | None = None,
    frame: int | None = None,
    max_pixels: int | None = MAX_PIXELS,
    value_range: tuple[float, float] | None = None,
    name: str | None = None,
) -> np.ndarray:
    """A file -> its pixels, uint8 0..255 or uint16 0..65535, (H, W, C) with C = 1 (gray), 3 (RGB) or 4 (RGBA), upright.

    Stored values, with three lossless conversions: palette indices become their RGB colors; gray of 1, 2 and 4 bits
    becomes v * 255, v * 85 and v * 17; the EXIF orientation is applied. Color profiles are ignored.

    Args:
        source: a path or an open binary file; messages call it `name`. The content decides the format, not the suffix.
        alpha: pixels that are not opaque (RGBA, gray with alpha, tRNS) are an error unless "drop" takes the stored
            colors, or "white" or "black" is the background; an alpha channel that is opaque everywhere is left out.
            "keep" gives RGBA of every file, with the stored colors, opaque where there is no transparency.
        cmyk: an error unless "convert" requests Pillow's plain conversion without color profiles.
        frame: files with several (GIF, animated PNG and WebP, TIFF pages) are an error unless one is chosen, from 0.
        max_pixels: the largest width times height; more is an error before anything is decoded, and so are more than
            64 MiB of pixels over 200 times the size of the file, as in a bomb or a flat picture. None allows both, up
            to Pillow's own limit; a number above the default allows so flat a picture, too.
        value_range: (black, white) of floats in a TIFF or NPY; they become uint8 if all are among its 256 levels, else
            uint16. None: an error.

    Raises ImageFileError (a ValueError), one line that names the file, for all of the above and for missing, empty,
    truncated and damaged files, for integers of more than 16 bits, for signed and floating-point pixels, and for NPY
    files with pickled objects, which are never unpickled.

    >>> Image.new("1", (4, 3), 1).save("white.png")  # one bit a pixel
    >>> pixels = load_image("white.png")
    >>> pixels.shape, pixels.dtype.name, int(pixels.max())
    ((3, 4, 1), 'uint8', 255)
    """
    wanted = _Wanted(alpha, cmyk, frame, max_pixels, value_range)
    return _load(source, _name_of(source) if name is None else name, wanted)


@dataclass(frozen=True)
class _Wanted:
    """What is wanted of a file, as `load_image` has it. Raises ValueError for values that nothing means."""

    alpha: str | None
    cmyk: str | None
    frame: int | None
    max_pixels: int | None
    value_range: tuple[float, float] | None

    def __post_init__(self) -> None:
        if self.alpha not in (None, "keep", "drop", "white", "black"):
            raise ValueError(f"expected alpha None, 'keep', 'drop', 'white' or 'black', got {self.alpha!r}")
        if self.cmyk not in (None, "convert"):
            raise ValueError(f"expected cmyk None or 'convert', got {self.cmyk!r}")
        if self.frame is not None and self.frame < 0:
            raise ValueError(f"expected a frame number from 0, got {self.frame}")


def _name_of(source: str | os.PathLike | BinaryIO) -> str:
    return str(getattr(source, "name", "image file")) if hasattr(source, "read") else os.fspath(source)


def _load(source: str | os.PathLike | BinaryIO, name: str, wanted: _Wanted) -> np.ndarray:
    """The pixels of a file. Whatever a decoder raises becomes an ImageFileError that names it."""
    try:
        data = _read_bytes(source)
        if data.startswith(_NPY_SIGNATURE):
            return with_alpha(_leveled(_decode_array(data, wanted.max_pixels), wanted.value_range), wanted.alpha)
        floats = decode_floats(data, wanted.frame, wanted.max_pixels)
        if floats is not None:
            return with_alpha(_leveled(floats, wanted.value_range), wanted.alpha)
        return _decode_picture(data, name, wanted)
    except ImageFileError as error:
        raise error.about(name) from None
    except UnreadableFile as error:
        raise ImageFileError(str(error)) from error
    # Decoders raise almost any exception for hostile and broken bytes (SyntaxError, struct.error, MemoryError, ...).
    except Exception as error:
        reason = f"{type(error).__name__}: {brief(error)}"
        raise ImageFileError(
            f"{name}: expected a whole {_kind_name(data, name)} file, got one that is truncated or damaged ({reason});"
            " copy it again or leave it out"
        ) from error


def _read_bytes(source: str | os.PathLike | BinaryIO) -> bytes:
    try:
        if hasattr(source, "read"):
            data = source.read()
        elif Path(source).is_dir():
            raise ImageFileError("expected an image file, got a folder; image_datasets.load_images reads folders")
        else:
            with open_regular(source) as file:
                data = file.read()
    except FileNotFoundError:
        raise ImageFileError("expected an image file, got a path that does not exist; check the name") from None
    except (ImageFileError, UnreadableFile):
        raise
    except Exception as error:
        raise ImageFileError(f"expected a readable image file, got {type(error).__name__}: {error}") from error
    if not isinstance(data, bytes):
        raise ImageFileError(f"expected a file opened in binary mode, got {type(data).__name__}; open it with 'rb'")
    if not data:
        raise ImageFileError("expected an image, got an empty file of 0 bytes; copy it again or leave it out")
    return data


def _kind_name(data: bytes, name: str) -> str:
    kind = kind_of(data[:FIRST_BYTES]) or _unmarked_kind(name)
    return kind.name if kind in PICTURE_KINDS else _READABLE


def _unmarked_kind(name: str) -> Kind | None:
    """The kind of a picture without a signature, by its ending: TGA."""
    kind = kind_by_ending(name)
    return kind if kind in PICTURE_KINDS and not kind.starts else None


def _decode_array(data: bytes, max_pixels: int | None) -> np.ndarray:
    """The bytes of an .npy file with one image -> uint8, uint16 or floats (H, W, 1, 3 or 4)."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ImageFileError(f"expected NPY version 1.0 or 2.0, got {version}; save it again with np.save")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)  # only the header: nothing is allocated or unpickled before it is checked
    if dtype.hasobject:
        raise ImageFileError("expected uint8 or uint16 values, got pickled objects, which can run code; never loaded")
    if dtype.kind != "f" and (dtype.kind != "u" or dtype.itemsize > 2):
        raise ImageFileError(f"expected uint8, uint16 or floats, got {dtype}; save it with .astype(np.uint16)")
    height, width, channels = checked_image_shape(shape, "the array")
    check_size(width, height, max_pixels)
    size = height * width * channels * dtype.itemsize
    if len(data) - file.tell() < size:
        raise ImageFileError(f"expected {size} bytes of values, got {len(data) - file.tell()}; the file is truncated")
    file.seek(0)
    array = np.lib.format.read_array(file, allow_pickle=False)
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("=")).reshape(height, width, channels)


def _leveled(pixels: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    """Integers unchanged; floats as uint8 if all are among its levels, as uint16 otherwise.

    Raises ImageFileError for floats without a declared range, and for values outside it.
    """
    if pixels.dtype.kind != "f":
        return pixels
    if not np.isfinite(pixels).all():
        raise ImageFileError("expected finite values, got NaN or infinity; leave it out")
    lowest, highest = float(pixels.min()), float(pixels.max())
    if value_range is None:
        black, white = likely_range(lowest, highest)
        raise ImageFileError(
            f"expected integers of at most 16 bits, got {pixels.dtype} from {lowest:g} to {highest:g}, which looks "
            f"like {black:g} for black and {white:g} for white",
            ("pass ", Parameter("value_range", (black, white))),
            "save it as integers",
        )
    black, white = value_range
    if lowest < black or highest > white:
        raise ImageFileError(
            (
                f"expected values in {black:g} … {white:g}, the ",
                Parameter("value_range"),
                f", got {lowest:g} … {highest:g}",
            ),
            "widen it",
        )
    dtype = np.dtype(np.uint8 if are_eight_bits(pixels, value_range) else np.uint16)
    return np.rint(on_levels(pixels, value_range, np.iinfo(dtype).max)).astype(dtype)


def _check_ratio(picture: Image.Image, data: bytes) -> None:
    """Raises ImageFileError for a small file that would take a lot of memory."""
    deep = picture.mode.startswith("I") or is_deep_color_png(data)
    bands = 3 if picture.mode == "P" else len(picture.getbands())
    size = math.prod(picture.size) * bands * (2 if deep else 1)
    if size > max(LARGE_PICTURE, HIGHEST_RATIO * len(data)):
        raise ImageFileError(
            f"expected at most {HIGHEST_RATIO} times the {len(data)} bytes of the file, got {size} bytes of pixels,"
            " which may be a decompression bomb",
            ("pass ", Parameter("max_pixels", MAX_PIXELS + 1), " if the file is trusted"),
            "make the picture smaller",
        )


def _open_picture(data: bytes, name: str) -> Image.Image:
    unmarked = _unmarked_kind(name)
    try:
        return Image.open(io.BytesIO(data), formats=(*_PILLOW_FORMATS, *([unmarked.pillow] if unmarked else ())))
    except UnidentifiedImageError:
        raise ImageFileError(_unidentified_reason(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(f"expected an image of a sane size, got a decompression bomb: {error}") from None


def _decode_picture(data: bytes, name: str, wanted: _Wanted) -> np.ndarray:
    with _open_picture(data, name) as picture:
        check_size(*picture.size, wanted.max_pixels)
        if wanted.max_pixels is not None and wanted.max_pixels <= MAX_PIXELS:  # who names more trusts the file
            _check_ratio(picture, data)
        _choose_frame(picture, wanted.frame)
        if picture.format == "TIFF":
            check_tiff(picture, wanted.alpha)
            missing = missing_pixels(picture, data)
            if missing is not None:
                raise ImageFileError(
                    f"expected a whole TIFF file, got one that is truncated or damaged ({missing}); copy it again or"
                    " leave it out"
                )
        elif picture.format == "PNG":
            check_png_sums(data)
        elif picture.format in ("AVIF", "JPEG2000"):
            _check_depth(picture, data)
        orientation = 1
        if is_deep_rgb_tiff(picture):
            orientation = picture.tag_v2.get(ORIENTATION, 1)
            pixels = decode_deep_tiff(data, wanted.frame or 0)
        elif picture.format == "PPM" and data[:2] in (b"P2", b"P3", b"P5", b"P6"):
            pixels = _decode_portable(picture, data)
        elif is_deep_color_png(data):
            pixels = decode_deep_png(data, wanted.frame or 0)
        elif picture.format == "TIFF":
            pixels = _decode_tiff(picture, wanted.cmyk)
        else:
            pixels = _decode_with_pillow(picture, wanted.cmyk)
        pixels = with_alpha(_with_opacity(pixels, _transparent_color(picture, data)), wanted.alpha)
        if picture.format != "TIFF":  # Pillow rotates a TIFF itself, in load()
            orientation = exif_orientation(picture)
    return upright(pixels, orientation)


def _unidentified_reason(data: bytes) -> str:
    kind = kind_of(data[:FIRST_BYTES])
    if kind is None:
        return f"expected {_READABLE}, got something else: the file starts with {data[:12]!r}; convert it to .png"
    if kind not in PICTURE_KINDS:
        return f"expected {_READABLE}, got {kind.name}; {kind.way_out or 'leave it out'}"
    if kind.name == "TIFF":
        return (
            "expected a TIFF of 8- or 16-bit gray or RGB, got one that is damaged or holds other pixels"
            " (floating point, 64 bits, more channels); convert it with tifffile and save_image"
        )
    return (
        f"expected a whole {kind.name} file, got one whose header is truncated, damaged or of an unknown kind; "
        "copy it again"
    )


def _check_depth(picture: Image.Image, data: bytes) -> None:
    """Raises ImageFileError for AVIF and JPEG 2000 of more than 8 bits, which Pillow would truncate or rescale."""
    if picture.format == "AVIF":
        place = data.find(b"av1C")  # AV1 codec configuration box: the third byte has the flag high_bitdepth
        bits = 10 if place >= 0 and data[place + 6] & 0x40 else 8
    else:
        place = data.find(b"\xff\x4f\xff\x51")  # SIZ: the depth follows the sizes and the number of channels
        bits = (data[place + 42] & 0x7F) + 1 if place >= 0 else 8
    if bits != 8:
        raise ImageFileError(
            f"expected {picture.format} of 8 bits, got {bits} or more, which cannot be read exactly; convert it to .png"
        )


def _decode_portable(picture: Image.Image, data: bytes) -> np.ndarray:
    """PGM or PPM -> the stored values, whatever maximum the file states; Pillow would rescale them.

    uint8 up to a maximum of 255, uint16 above, (H, W, 1 or 3).
    """
    header = re.match(rb"P[2356]" + 2 * rb"(?:\s+|#[^\n]*\n)+\d+" + rb"(?:\s+|#[^\n]*\n)+(\d+)\s", data)
    if data[:2] in (b"P2", b"P3"):  # numbers as text
        if int(header[1]) != 255:
            raise ImageFileError(
                f"expected a maximum of at most 255 in a text PGM or PPM, got {int(header[1])}; save it as .png"
            )
        return _decode_with_pillow(picture, None)
    channels = 1 if data.startswith(b"P5") else 3
    stored = np.dtype(np.uint8 if int(header[1]) < 256 else ">u2")
    count = picture.height * picture.width * channels
    pixels = np.frombuffer(data, stored, count, header.end())
    return pixels.astype(stored.newbyteorder("=")).reshape(picture.height, picture.width, channels)


def frame_count(source: str | os.PathLike | BinaryIO) -> int:
    """How many images a file holds: frames of an animation, pages of a TIFF. 1 for a file that cannot be read."""
    try:
        with Image.open(io.BytesIO(_read_bytes(source)), formats=_PILLOW_FORMATS) as picture:
            return _frames_of(picture)
    except Exception:  # load_image reports what is wrong with it
        return 1


def _frames_of(picture: Image.Image) -> int:
    # A phone's MPO is a JPEG followed by previews and depth maps; its first image is the photograph.
    if picture.format == "MPO":
        return 1
    return count_pages(picture) if picture.format == "TIFF" else _frames(picture)


def _choose_frame(picture: Image.Image, frame: int | None) -> None:
    count = _frames_of(picture)
    if frame is None:
        if count > 1:
            raise several_frames(count)
    elif frame >= count:
        raise ImageFileError(f"expected a frame from 0 to {count - 1}, got {frame}")
    else:
        picture.seek(frame)


def _frames(picture: Image.Image) -> int:
    return getattr(picture, "n_frames", 1)


def _decode_tiff(picture: Image.Image, cmyk: str | None) -> np.ndarray:
    """Like `_decode_with_pillow`; raises ImageFileError if libtiff printed an error."""
    if picture.tag_v2.get(COMPRESSION, 1) == 1:  # Pillow's own decoder
        return _decode_with_pillow(picture, cmyk)
    failure: Exception | None = None
    with complaints_of_libtiff() as complaints:
        try:
            pixels = _decode_with_pillow(picture, cmyk)
        except (OSError, ValueError) as error:
            failure = error
    if complaints and not isinstance(failure, ImageFileError):
        raise ImageFileError(
            f"expected a whole TIFF file, got one that is truncated or damaged ({complaints[0][:100]});"
            " copy it again or leave it out"
        ) from failure
    if failure is not None:
        raise failure
    return pixels


def _decode_with_pillow(picture: Image.Image, cmyk: str | None) -> np.ndarray:
    """An opened picture of at most 8 bits, or 16-bit gray -> uint8 or uint16 (H, W, 1 to 4)."""
    mode = picture.mode
    if mode in ("RGB", "L", "RGBA", "LA"):
        pixels = np.array(picture)
    elif mode in ("I;16", "I;16B", "I;16L", "I;16N") or (mode == "I" and picture.format == "PNG"):
        pixels = np.array(picture).astype(np.uint16)
        if picture.format == "TIFF" and picture.tag_v2.get(PHOTOMETRIC) == 0:
            pixels = 65535 - pixels  # white is zero; Pillow inverts only 8-bit images
    elif mode == "CMYK" and cmyk is None:
        raise ImageFileError(
            "expected gray or RGB, got CMYK for printing",
            words("pass {cmyk=convert} for Pillow's plain conversion"),
            "save it as RGB",
        )
    else:
        target = _converted_mode(picture)
        pixels = np.array(picture.convert(target))
    return pixels.reshape(*pixels.shape[:2], -1)


def _converted_mode(picture: Image.Image) -> str:
    if picture.mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    targets = {"1": "L", "PA": "RGBA", "RGBa": "RGBA", "La": "LA", "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
    if picture.mode not in targets:
        raise ImageFileError(f"expected gray or RGB, got Pillow mode {picture.mode!r}; convert it to .png first")
    return targets[picture.mode]


def _transparent_color(picture: Image.Image, data: bytes) -> np.ndarray | None:
    """The one color that tRNS declares transparent, in the values of the decoded pixels; None without one."""
    color = picture.info.get("transparency")
    if color is None or picture.mode == "P":
        return None
    depth = data[24] if picture.format == "PNG" else 8
    # PNG stores the color in the depth of the file, with two bytes whatever the depth.
    return (np.atleast_1d(color) & (2**depth - 1)) * {1: 255, 2: 85, 4: 17}.get(depth, 1)


def _with_opacity(pixels: np.ndarray, transparent_color: np.ndarray | None) -> np.ndarray:
    """uint8 or uint16 (H, W, 1 or 3) with the one transparent color as a last channel, if there is such a color."""
    if transparent_color is None or pixels.shape[2] in (2, 4):
        return pixels
    is_it = (pixels == transparent_color).all(axis=-1, keepdims=True)
    opacity = np.where(is_it, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return np.concatenate([pixels, opacity], axis=-1)


def with_alpha(pixels: np.ndarray, alpha: str | None) -> np.ndarray:
    """uint8 or uint16 (…, 1 to 4) -> RGBA if it is kept; else 1 or 3 channels, opaque or on the requested background.

    Raises ImageFileError for transparent pixels if nothing is requested.
    """
    if alpha == "keep":
        return as_rgba(pixels)
    if pixels.shape[-1] not in (2, 4):
        return pixels
    maximum = np.iinfo(pixels.dtype).max
    transparent = int(np.count_nonzero(pixels[..., -1] != maximum))
    if alpha == "drop" or not transparent:
        return np.ascontiguousarray(pixels[..., :-1])
    if alpha is None:
        raise ImageFileError(
            f"expected opaque pixels, got {transparent} partly or fully transparent",
            words("pass {alpha=white} or {alpha=black} for the background"),
            words("pass {alpha=keep} for a fourth channel"),
            words("pass {alpha=drop} to take the stored colors"),
            "save it as opaque gray or RGB",
        )
    return on_ground(pixels, maximum if alpha == "white" else 0)
