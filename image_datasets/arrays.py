"""NumPy files -> arrays, and the images and labels in them. Nothing is loaded that could run code."""

import os
from pathlib import Path

import numpy as np

import files
from files import ArrayArchive
from image_datasets.image_set import ImageSet, name_of
from pixels.checks import validate_images

ARRAY_SUFFIXES = (".npy", ".npz")


def load_arrays(path: str | os.PathLike) -> np.ndarray | ArrayArchive:
    """The array of an .npy file, memory-mapped, or the arrays of an .npz by their names; the content decides which.

    Of an archive only what is asked for is read. Raises ValueError, in one line, for what is missing, damaged, or holds
    Python objects, which are never loaded.
    """
    try:
        return files.load_arrays(path)
    except FileNotFoundError:
        raise ValueError(f"expected an .npy file, got {str(path)!r}, which is not there; check the name") from None


def load_image_array(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images of an .npy or .npz file and their labels, if it has any, as they are there.

    Raises ValueError where it is not clear which of its arrays are the images, and as `load_arrays` does.
    """
    arrays = load_arrays(path)
    if isinstance(arrays, np.ndarray):
        return arrays, None
    for image_key, label_key in (("images", "labels"), ("x_train", "y_train")):
        if image_key in arrays:
            return arrays[image_key], arrays.get(label_key)
    if len(arrays) != 1:
        raise ValueError(
            f"{path}: expected the arrays images and labels, or x_train and y_train, or one array, "
            f"got {', '.join(arrays) or 'none'}; save it again with np.savez(path, images=…)"
        )
    return next(iter(arrays.values())), None


def load_array_set(path: Path) -> ImageSet:
    images, labels = load_image_array(path)
    images = _checked_array(path, images)
    if labels is None:
        return ImageSet(name_of(path), images)
    classes, labels = np.unique(_checked_labels(path, labels, len(images)), return_inverse=True)
    return ImageSet(name_of(path), images, labels.astype(np.int64), tuple(str(label) for label in classes))


def _checked_array(path: Path, images: np.ndarray) -> np.ndarray:
    if images.dtype.kind == "f":  # there is no option for the range of floats
        way_out = "save levels: np.rint(255 * images).astype(np.uint8) where they lie in 0 … 1"
        raise TypeError(f"{path}: expected uint8 or uint16, got {images.dtype}; {way_out}")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    try:
        if images.ndim == 4 and 0 in images.shape:
            raise ValueError(f"expected images, got none: the shape is {images.shape}; save at least one")
        # A memory-mapped array in another byte order or layout is copied here; one in the usual layout stays on disk.
        return validate_images(images)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from None


def _checked_labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    labels = labels.reshape(-1)
    if labels.dtype.kind not in "iu" or len(labels) != count:
        raise ValueError(
            f"{path}: expected {count} labels, whole numbers, got {len(labels)} of {labels.dtype}; number the classes"
        )
    return labels
