"""Pictures: exact image files in and out, cropping and resizing, grids of images, animations.

NumPy and Pillow only. Every function that takes a set of images takes uint8 or uint16, (N, H, W, C), with C = 1 or 3.
"""

from imaging.animations import ANIMATION_SUFFIXES, save_animation, to_display
from imaging.grids import image_grid
from imaging.reading import MAX_PIXELS, ImageFileError, frame_count, load_image
from imaging.resizing import FITS, fit_image
from imaging.writing import EXACT_SUFFIXES, check_format, save_image, save_images, stretch_values

__all__ = [
    "ANIMATION_SUFFIXES",
    "EXACT_SUFFIXES",
    "FITS",
    "MAX_PIXELS",
    "ImageFileError",
    "check_format",
    "fit_image",
    "frame_count",
    "image_grid",
    "load_image",
    "save_animation",
    "save_image",
    "save_images",
    "stretch_values",
    "to_display",
]
