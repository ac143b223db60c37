"""Which way up a picture is, by its EXIF orientation."""

import numpy as np
from PIL import Image

ORIENTATION = 274  # the tag


def exif_orientation(picture: Image.Image) -> int:
    """1 to 8; 1 without EXIF or with unreadable EXIF, because then no reader rotates the picture."""
    if not any(key in picture.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return 1
    try:
        return picture.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotates and flips (H, W, C) as the EXIF orientation 1 to 8 says; other values have no meaning and no effect."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
