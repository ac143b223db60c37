"""Pictures: exact image files in and out, cropping and resizing, grids of images, animations.

NumPy and Pillow only. Every function that takes images takes uint8 or uint16, (N, H, W, C), with C = 1, 3 or 4.
"""

from imaging.animations import ANIMATION_SUFFIXES, save_animation, to_display
from imaging.file_errors import ImageFileError
from imaging.grids import image_grid
from imaging.reading import MAX_PIXELS, frame_count, load_image, with_alpha
from imaging.resizing import FITS, fit_image
from imaging.transparency import as_rgba, on_checkers, on_ground, without_hidden_colors
from imaging.writing import EXACT_SUFFIXES, check_format, save_image, save_images, stretch_values

__all__ = [
    "ANIMATION_SUFFIXES",
    "EXACT_SUFFIXES",
    "FITS",
    "MAX_PIXELS",
    "ImageFileError",
    "as_rgba",
    "check_format",
    "fit_image",
    "frame_count",
    "image_grid",
    "load_image",
    "on_checkers",
    "on_ground",
    "save_animation",
    "save_image",
    "save_images",
    "stretch_values",
    "to_display",
    "with_alpha",
    "without_hidden_colors",
]
