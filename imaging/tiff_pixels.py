"""The pixels of a TIFF that Pillow would change: 16 bits of color and floats, read by tifffile; and what is refused."""

import io

import numpy as np
from PIL import Image

from errors import words
from imaging.file_errors import ImageFileError, check_size, checked_image_shape, import_tifffile, several_frames
from imaging.orientation import ORIENTATION, upright
from imaging.tiff_files import BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT, has_float_samples

MOST_PAGES = 1000  # counted in a TIFF, since each takes longer than the one before
_COLOR_MAP, _EXTRA_SAMPLES = 320, 338


def check_tiff(picture: Image.Image, alpha: str | None) -> None:
    """Raises ImageFileError for pixels that Pillow would silently reduce to 8 bits, wrap around, or leave out."""
    tags = picture.tag_v2
    bits = max(tags.get(BITS_PER_SAMPLE, (1,)))
    sample_format = max(tags.get(SAMPLE_FORMAT, (1,)))
    if sample_format != 1 or bits > 16:
        kind = {1: "unsigned integer", 2: "signed integer", 3: "floating-point"}.get(sample_format, "unknown")
        raise ImageFileError(
            f"expected unsigned integer pixels of at most 16 bits, got {bits}-bit {kind} pixels;"
            " convert them with tifffile to uint16"
        )
    if bits == 16 and picture.mode == "CMYK":
        raise ImageFileError("expected gray or RGB, got CMYK of 16 bits; convert it to RGB first")
    if 0 in tags.get(_EXTRA_SAMPLES, ()) and alpha != "drop":
        raise ImageFileError(
            "expected gray or RGB, got an extra channel beside the colors",
            words("pass {alpha=drop} to leave it out"),
            "save it without the extra channel",
        )
    if picture.mode in ("P", "PA"):
        colors = np.asarray(tags.get(_COLOR_MAP, (0,)))
        # Palettes of 8-bit colors are stored as v * 257 or, by older programs, v * 256.
        if (colors % 257).any() and (colors % 256).any():
            raise ImageFileError(
                "expected a palette of 8-bit colors, got one of 16-bit colors; convert it to RGB first"
            )


def count_pages(picture: Image.Image) -> int:
    """The number of pages of a TIFF, up to `MOST_PAGES`, since Pillow takes longer for each than for the one before."""
    count = 1
    while count < MOST_PAGES:
        try:
            picture.seek(count)
        except EOFError:
            break
        count += 1
    picture.seek(0)
    return count


def is_deep_rgb_tiff(picture: Image.Image) -> bool:
    return (
        picture.format == "TIFF"
        and picture.tag_v2.get(PHOTOMETRIC) == 2
        and max(picture.tag_v2.get(BITS_PER_SAMPLE, (1,))) == 16
    )


def decode_deep_tiff(data: bytes, frame: int) -> np.ndarray:
    """The bytes of a 16-bit RGB or RGBA TIFF -> uint16 (H, W, 3 or 4), not yet rotated upright."""
    tifffile = import_tifffile("read")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[frame]
        if 1 in page.extrasamples:
            raise ImageFileError("expected plain alpha, got 16-bit colors multiplied by their alpha; convert it first")
        try:
            pixels = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise ImageFileError(
                f"expected 16-bit RGB without compression or with deflate, got {page.compression.name}, which tifffile"
                " reads only with its companion: pip install imagecodecs, or save the file again without compression"
            ) from None
        if page.planarconfig == 2:  # one plane after the other
            pixels = np.moveaxis(pixels, 0, -1)
        if 0 in page.extrasamples:
            pixels = pixels[..., :3]
    return np.ascontiguousarray(pixels, dtype=np.uint16)


def decode_floats(data: bytes, frame: int | None, max_pixels: int | None) -> np.ndarray | None:
    """The bytes of a TIFF of floating-point pixels -> floats (H, W, 1, 3 or 4), upright; None for any other file."""
    if not has_float_samples(data):
        return None
    tifffile = import_tifffile("read")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        count = len(file.pages)
        if frame is None and count > 1:
            raise several_frames(count)
        page = file.pages[frame or 0]
        height, width, channels = checked_image_shape(page.shape, "the page")
        check_size(width, height, max_pixels)
        pixels = page.asarray().reshape(height, width, channels)
        orientation = page.tags[ORIENTATION].value if ORIENTATION in page.tags else 1
    return upright(pixels, orientation)
