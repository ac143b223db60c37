"""What Pillow leaves out of a PNG: the checksums of its pixels, and 16 bits of color."""

import struct
import zlib

import numpy as np

from imaging.file_errors import ImageFileError, import_tensorflow

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def check_png_sums(data: bytes) -> None:
    """Raises ImageFileError if the pixels of a PNG do not match their checksum, which Pillow does not check."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        checksum = data[end : end + 4]
        if name in (b"IDAT", b"fdAT") and checksum != struct.pack(">I", zlib.crc32(data[position + 4 : end])):
            raise ImageFileError(
                "expected a whole PNG file, got one that is truncated or damaged (wrong checksum of the pixels);"
                " copy it again or leave it out"
            )
        position = end + 4


def is_deep_color_png(data: bytes) -> bool:
    """16 bits and color or alpha (types 2, 4, 6), by the bytes of the IHDR chunk; Pillow would return 8 bits."""
    return data.startswith(PNG_SIGNATURE) and data[24] == 16 and data[25] in (2, 4, 6)


def decode_deep_png(data: bytes, frame: int) -> np.ndarray:
    """The bytes of a 16-bit RGB, RGBA or gray-alpha PNG -> uint16 (H, W, 2, 3 or 4)."""
    if frame:
        raise ImageFileError(f"expected frame 0 of an animated PNG of 16 bits, got {frame}; convert it to .tif")
    tf = import_tensorflow("read")
    with tf.device("CPU"):
        return tf.io.decode_png(data, channels=0, dtype=tf.uint16).numpy()
