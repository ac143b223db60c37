"""The built-in data set: digits drawn with Matplotlib's bundled fonts, in any number, labeled and seeded."""

import colorsys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from image_datasets.image_set import ImageSet

DIGITS = "0123456789"
GLYPH_COUNT, GLYPH_SIZE = 20_000, (32, 32)
GLYPH_SEED = 0  # every run has the same data set; its own seed determines the rest

# Upright text faces with strokes that survive at 28 pixels; shear makes the slant. Left out: symbol fonts, faces
# without digits or with old-style ones, hairline faces, and the last-resort font, which draws boxes.
FONT_FILES = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "STIXGeneralBol.ttf",
    "cmb10.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
)

SUPERSAMPLING = 2  # drawn at twice the size and averaged down, so that edges are smooth
MAX_ROTATION = 0.10  # radians, 6 degrees
MAX_SHEAR = 0.10
HEIGHT_RANGE = (0.80, 0.90)  # of the frame
MAX_WIDTH = 0.86  # of the frame
MAX_SHIFT = 0.03  # of the frame


def draw_glyphs(
    count: int, image_size: tuple[int, int] = (32, 32), seed: int = 0, start: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws `count` digits, each with its own font, colors, rotation, shear, scale and position.

    Image i depends only on (seed, start + i) and the size, so a larger set starts with the smaller one.

    Returns uint8 (count, height, width, 3), light digits on a dark background, and int64 (count,), the digits 0 to 9.

    >>> images, labels = draw_glyphs(5)
    >>> images.shape, images.dtype.name, bool((images == draw_glyphs(9)[0][:5]).all())
    ((5, 32, 32, 3), 'uint8', True)
    """
    height, width = image_size
    images = np.empty((count, height, width, 3), np.uint8)
    labels = np.empty(count, np.int64)
    for index in range(count):
        images[index], labels[index] = _draw_glyph(height, width, np.random.default_rng([seed, start + index]))
    return images, labels


def _draw_glyph(height: int, width: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    label = int(random.integers(len(DIGITS)))
    outline = _digit_outline(FONT_FILES[random.integers(len(FONT_FILES))], DIGITS[label], height)
    coverage = _place(outline, height, width, random)[..., np.newaxis]
    ground, ink = _pick_colors(random)
    return np.rint(ground + coverage * (ink - ground)).astype(np.uint8), label


def _place(outline: Image.Image, height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Rotates, shears, scales and shifts an upright digit into the frame. Returns float64 (height, width), 0..1."""
    frame_height, frame_width = height * SUPERSAMPLING, width * SUPERSAMPLING
    angle = random.uniform(-MAX_ROTATION, MAX_ROTATION)
    shear = random.uniform(-MAX_SHEAR, MAX_SHEAR)
    scale = random.uniform(*HEIGHT_RANGE) * frame_height / outline.height
    scale = min(scale, MAX_WIDTH * frame_width / outline.width)
    shift = random.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * (frame_width, frame_height)

    cosine, sine = np.cos(angle), np.sin(angle)
    drawn = scale * np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[1.0, shear], [0.0, 1.0]])
    # For each pixel of the frame, Pillow needs its position in the outline: the inverse of the transformation.
    look = np.linalg.inv(drawn)
    center = np.array([frame_width, frame_height]) / 2 + shift
    offset = np.array([outline.width, outline.height]) / 2 - look @ center
    coefficients = (*look[0], offset[0], *look[1], offset[1])
    placed = outline.transform(
        (frame_width, frame_height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(placed.reduce(SUPERSAMPLING), np.float64) / 255


def _pick_colors(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A dark, colored background and a light ink of any hue, each float64 (3,), 0..255."""
    ground = colorsys.hls_to_rgb(random.uniform(), random.uniform(0.08, 0.22), random.uniform(0.2, 0.7))
    ink = colorsys.hls_to_rgb(random.uniform(), random.uniform(0.76, 0.94), random.uniform(0.3, 1.0))
    return np.array(ground) * 255, np.array(ink) * 255


@cache
def _digit_outline(font_file: str, digit: str, height: int) -> Image.Image:
    """One upright digit, white on black, cut to its ink with a black margin, about as tall as it will be drawn."""
    import matplotlib  # only for its data folder; imported here, so that other data sets do not wait for it

    font_path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font_file
    # The ink of a digit is about 0.73 of its nominal size.
    font = ImageFont.truetype(font_path, round(height * SUPERSAMPLING * 1.15))
    left, top, right, bottom = font.getbbox(digit)
    margin = 1  # so that bilinear sampling fades at the border
    image = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin))
    ImageDraw.Draw(image).text((margin - left, margin - top), digit, font=font, fill=255)
    return image


def glyph_set(image_count: int | None = None, image_size: tuple[int, int] | None = None) -> ImageSet:
    """The data set "glyphs": by default 20,000 digits of 32×32, the same for every run."""
    images, labels = draw_glyphs(image_count or GLYPH_COUNT, image_size or GLYPH_SIZE, GLYPH_SEED)
    return ImageSet("glyphs", images, labels, tuple(DIGITS))
