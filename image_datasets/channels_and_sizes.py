"""Converts images to the requested channels and size."""

import numpy as np

from image_datasets.options import ReadingOptions
from imaging import fit_image, without_hidden_colors
from progress import track


def in_form(image: np.ndarray, options: ReadingOptions) -> np.ndarray:
    """One decoded picture (h, w, c) as the options want it: without hidden colors, in their channels and size."""
    if options.alpha == "keep":
        image = without_hidden_colors(image)
    image = with_channels(image, options.channels)
    return image if options.image_size is None else fit_image(image, options.image_size, options.fit)


def with_size(images: np.ndarray, image_size: tuple[int, int] | None, fit: str) -> np.ndarray:
    if image_size is None or images.shape[1:3] == tuple(image_size):
        return images
    resized = np.empty((len(images), *image_size, images.shape[3]), images.dtype)
    for index, image in enumerate(track(images, "resizing", len(images), "images")):
        resized[index] = fit_image(image, image_size, fit)
    return resized


def with_channels(images: np.ndarray, channels: int | None) -> np.ndarray:
    """Integer (…, 1 or 3) -> the same type (…, channels), 1 or 3; RGBA stays RGBA."""
    if channels is None or images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    gray = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return np.rint(gray).astype(images.dtype)[..., np.newaxis]
