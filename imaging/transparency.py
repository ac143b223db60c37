"""Transparent pixels: RGBA kept as it is, put on a background, or shown on a checkerboard.

As in PNG files, colors are not multiplied by opacity, so every visible color is kept exactly.
"""

import numpy as np

LIGHT, DARK = 1.0, 0.8  # of the checkerboard, as shares of white
SQUARES = 8  # on the shorter side of an image


def as_rgba(pixels: np.ndarray, opacity: np.ndarray | None = None) -> np.ndarray:
    """uint8 or uint16 (…, 1 to 4) -> RGBA (…, 4) of the same dtype; gray is repeated, which loses nothing.

    The opacity, (…, 1), is the last of 2 or 4 channels, or is passed; without either, all is opaque.

    >>> as_rgba(np.array([[7], [9]], np.uint8)).tolist()
    [[7, 7, 7, 255], [9, 9, 9, 255]]
    """
    if opacity is None and pixels.shape[-1] in (2, 4):
        pixels, opacity = pixels[..., :-1], pixels[..., -1:]
    rgba = np.empty((*pixels.shape[:-1], 4), pixels.dtype)
    rgba[..., :3] = pixels
    rgba[..., 3:] = np.iinfo(pixels.dtype).max if opacity is None else opacity
    return rgba


def without_hidden_colors(images: np.ndarray) -> np.ndarray:
    """A copy of RGBA (…, 4) with black in place of each invisible color, where the opacity is 0.

    Editors leave arbitrary colors there. A discriminator would see them, and a generator would have to learn them.

    >>> without_hidden_colors(np.array([[7, 8, 9, 0], [7, 8, 9, 1]], np.uint8)).tolist()
    [[0, 0, 0, 0], [7, 8, 9, 1]]
    """
    return np.where(images[..., 3:] == 0, images.dtype.type(0), images)


def on_ground(pixels: np.ndarray, ground: np.ndarray | int) -> np.ndarray:
    """uint8 or uint16 (…, 2 or 4) over a background of the same type, broadcast -> (…, 1 or 3), each rounded once."""
    maximum = np.iinfo(pixels.dtype).max
    wide = np.uint32 if maximum == 255 else np.uint64  # the products fit
    colors, opacity = pixels[..., :-1].astype(wide), pixels[..., -1:].astype(wide)
    blended = colors * opacity + np.asarray(ground, wide) * (wide(maximum) - opacity)  # exact before the rounding
    return ((blended + wide(maximum // 2)) // wide(maximum)).astype(pixels.dtype)


def on_checkers(images: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (n, H, W, C): RGBA becomes RGB over white and light gray squares; others are unchanged."""
    if images.shape[-1] != 4:
        return images
    height, width = images.shape[1:3]
    side = max(1, min(height, width) // SQUARES)
    rows, columns = np.indices((height, width)) // side
    shares = np.where((rows + columns) % 2, DARK, LIGHT)
    ground = np.rint(shares * np.iinfo(images.dtype).max).astype(images.dtype)
    return on_ground(images, ground[..., np.newaxis])
