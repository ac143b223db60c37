"""Checks the header of a TIFF before its pixels are decoded: TIFF has no checksums, so there is nothing else to check.

If a header claims more rows than the file holds, Pillow decodes it all the same and fills the missing rows with zeros
or stray memory. And libtiff reports damaged data on standard error, bypassing Python, and continues.
"""

import contextlib
import math
import os
import struct
import tempfile
import threading
from collections.abc import Iterator

from PIL import Image

BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, SAMPLES_PER_PIXEL, ROWS_PER_STRIP = 258, 259, 262, 277, 278
SAMPLE_FORMAT = 339
_SIGNATURES = (b"II*\0", b"MM\0*")
_SHORT, _FLOAT = 3, 3  # a type of entries, and a sample format
_STRIP_OFFSETS, _STRIP_BYTES, _PLANES = 273, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_WIDTH, _HEIGHT = 256, 257
_NO_COMPRESSION, _JPEG, _YCBCR = 1, 7, 6
_capturing = threading.Lock()


def has_float_samples(data: bytes) -> bool:
    """Whether the bytes are a TIFF whose first page says that its samples are floats, which Pillow reads in part."""
    if data[:4] not in _SIGNATURES or len(data) < 8:
        return False
    order = "<" if data[:1] == b"I" else ">"
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    if place + 2 > len(data):
        return False
    (entries,) = struct.unpack_from(f"{order}H", data, place)
    for entry in range(place + 2, min(place + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, entry)
        if tag == SAMPLE_FORMAT and kind == _SHORT:
            at = entry + 8 if count <= 2 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            return at + 2 <= len(data) and struct.unpack_from(f"{order}H", data, at)[0] == _FLOAT
    return False


def missing_pixels(picture: Image.Image, data: bytes) -> str | None:
    """Which pixels that the header claims are missing from the file, in words; None if all are there.

    picture: a TIFF, opened from `data`, at the frame in question.
    """
    tags = picture.tag_v2
    width, height = tags[_WIDTH], tags[_HEIGHT]  # picture.size is that of the upright picture
    bits, samples = max(tags.get(BITS_PER_SAMPLE, (1,))), tags.get(SAMPLES_PER_PIXEL, 1)
    planes = samples if tags.get(_PLANES, 1) == 2 else 1
    row_bits = bits * samples // planes
    if _TILE_OFFSETS in tags:
        name, offsets, counts = "tiles", tags[_TILE_OFFSETS], tags.get(_TILE_BYTES)
        tile_width, tile_height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
        if not (tile_width > 0 and tile_height > 0):
            return "tiles without a size"
        per_plane = math.ceil(width / tile_width) * math.ceil(height / tile_height)
        sizes = [tile_height * math.ceil(tile_width * row_bits / 8)] * per_plane
    else:
        name, offsets, counts = "strips", tags.get(_STRIP_OFFSETS, ()), tags.get(_STRIP_BYTES)
        rows = min(tags.get(ROWS_PER_STRIP, height), height)
        if rows < 1:
            return "strips without rows"
        per_plane = math.ceil(height / rows)
        sizes = [min(rows, height - index * rows) * math.ceil(width * row_bits / 8) for index in range(per_plane)]
    if len(offsets) != per_plane * planes or (counts is not None and len(counts) != len(offsets)):
        return f"{len(offsets)} {name} instead of the {per_plane * planes} that the header claims"
    plain = tags.get(COMPRESSION, _NO_COMPRESSION) == _NO_COMPRESSION and tags.get(PHOTOMETRIC) != _YCBCR
    for index, offset in enumerate(offsets):
        count = sizes[index % per_plane] if counts is None else counts[index]
        if count < 1 or offset + count > len(data) or (plain and count < sizes[index % per_plane]):
            return f"{name} that are truncated"
        if tags.get(COMPRESSION) == _JPEG and not data[offset : offset + count].rstrip(b"\0").endswith(b"\xff\xd9"):
            return f"JPEG {name} without their end"
    return None


@contextlib.contextmanager
def complaints_of_libtiff() -> Iterator[list[str]]:
    """Collects the lines that libtiff writes to standard error in the block; fills the list at its end.

    One thread at a time. Other lines that arrive meanwhile, such as a progress bar's, are passed on afterwards.
    """
    lines: list[str] = []
    with _capturing, tempfile.TemporaryFile() as held_back:
        try:
            standard_error = os.dup(2)
        except OSError:  # closed: nobody can write to it or read it
            yield lines
            return
        os.dup2(held_back.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(standard_error, 2)
            held_back.seek(0)
            for line in held_back.read().splitlines(keepends=True):
                if line.startswith(_LIBTIFF_WORDS):
                    lines.append(line.decode("utf-8", "replace").strip())
                else:
                    os.write(standard_error, line)
            os.close(standard_error)


# The prefixes of error messages from libtiff's functions that decode data and read directories.
_LIBTIFF_WORDS = (b"TIFF", b"Fax", b"LZW", b"ZIP", b"PackBits", b"JPEG", b"LogL", b"Pixar", b"LERC", b"ZSTD", b"LZMA",
                  b"WebP", b"tif", b"_TIFF", b"OJPEG", b"ThunderD", b"NeXT", b"Dump", b"PredictorS")  # fmt: skip
