"""A name or a path -> images and labels as arrays.

Data larger than memory stays on disk: `.npy` files are memory-mapped, and image files are decoded on access.
"""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np

from errors import InputError, LongInputError, nearest_name, words
from files import nearest_path
from image_datasets.advice import advice_for
from image_datasets.array_files import ARRAY_SUFFIXES
from image_datasets.arrays import load_array_set
from image_datasets.channels_and_sizes import with_channels, with_size
from image_datasets.glyphs import glyph_set
from image_datasets.image_set import ImageSet, check_not_cut, mapped_file
from image_datasets.keras_datasets import KERAS_DATASETS, load_keras_dataset
from image_datasets.on_demand import ImagesOnDemand
from image_datasets.options import ChoicesNeeded, ReadingOptions
from image_datasets.pictures import CheckShape, Visit, load_pictures
from imaging import fit_image, with_alpha, without_hidden_colors

# Data sets drawn by this project: functions of the number of images and their size; None for their own default.
DRAWN_DATASETS = {
    "glyphs": glyph_set,
}
DATASET_NAMES = (*DRAWN_DATASETS, *KERAS_DATASETS)
DATA_SUFFIXES = (".zip", *ARRAY_SUFFIXES)


def load_images(
    data: str | os.PathLike,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008  it is frozen
    check_shape: CheckShape | None = None,
    visit: Visit | None = None,
) -> ImageSet:
    """Loads a data set by name or path. Decodes every image once, so that a damaged file is found right away.

    Args:
        data: one of DATASET_NAMES, drawn here or downloaded once by Keras (its training images); or the path of a
            folder of image files at any depth, of a .zip of such a folder, of an .npy of shape (n, h, w) or
            (n, h, w, c), or of an .npz with the arrays images and labels, or x_train and y_train, or a single array.
            Sub-folders that contain all images are classes.
        options: the size, the channels, how many, and what to do with transparency.
        check_shape: called with the shape of the first image file, to refuse a size before all files are read.
        visit: called with all images in order, as one array or several, so that files need not be decoded again, for
            example `LevelsSeen(scaler)`; its `forget` is called if they come once more, in another form.

    Returns an ImageSet of uint8 or uint16 images.

    Raises:
        ValueError: for a name or path that does not exist, a folder without images, a file that cannot be read (the
            message names it), sizes or channels that differ, and a data set that cannot be downloaded.
        TypeError: for arrays that are not uint8 or uint16.

    >>> digits = load_images("glyphs", ReadingOptions(image_size=(28, 28), image_count=10, channels=1))
    >>> digits.images.shape, digits.labels.shape, digits.class_names[:3]
    ((10, 28, 28, 1), (10,), ('0', '1', '2'))
    """
    name = _checked_name(data)
    # Shells do not expand --data=~/photos.
    path = None if name in DATASET_NAMES else _checked_path(Path(name).expanduser())
    if path is not None and (path.is_dir() or path.suffix.lower() not in ARRAY_SUFFIXES):
        return load_pictures(path, options, check_shape, visit)
    if options.crops > 1:
        raise InputError(words("expected a folder or a .zip of pictures for {crops}, got {}", name), "leave it out")
    loaded = _named(name, options) if path is None else _conform(load_array_set(path, options), options)
    for block in () if visit is None else loaded.blocks():
        visit(block)
    return loaded


def _checked_name(data: str | os.PathLike) -> str:
    name = os.fspath(data)
    if not name:  # as a path it would be the current folder
        raise InputError(words("expected {data} to be a name or a path, got an empty one"), "check where it comes from")
    return name


def _named(name: str, options: ReadingOptions) -> ImageSet:
    if name in KERAS_DATASETS:
        return _conform(load_keras_dataset(name), options)
    drawn = DRAWN_DATASETS[name](options.image_count, options.image_size)
    return _conform(drawn, dataclasses.replace(options, image_count=None))


def _conform(loaded: ImageSet, options: ReadingOptions) -> ImageSet:
    """The requested images, channels and size; on demand if a memory-mapped array would not fit into memory."""
    count, image_size, alpha = options.image_count, options.image_size, _alpha_of(loaded, options)

    def with_wanted_channels(images: np.ndarray) -> np.ndarray:
        images = with_alpha(images, alpha)
        return without_hidden_colors(images) if alpha == "keep" else with_channels(images, options.channels)

    channels = 4 if alpha == "keep" else options.channels or min(loaded.image_shape[2], 3)
    shape = (*(image_size or loaded.image_shape[:2]), channels)
    changed = count is not None or alpha is not None or shape != loaded.image_shape
    total = (count or len(loaded.images)) * math.prod(shape) * loaded.images.dtype.itemsize
    if changed and _is_mapped(loaded.images):
        mapped = loaded.images

        def read(numbers: np.ndarray, out: np.ndarray) -> None:
            check_not_cut(mapped, loaded.name)
            for target, number in zip(out, numbers, strict=True):
                image = with_wanted_channels(mapped[number])
                target[...] = image if image_size is None else fit_image(image, image_size, options.fit)

        images = ImagesOnDemand(read, len(mapped), shape, mapped.dtype)
        loaded = dataclasses.replace(loaded, images=images)
        if count is not None:
            loaded = loaded.subset(count)
        return loaded if total > options.in_memory_bytes else dataclasses.replace(loaded, images=loaded.images[:])
    if count is not None:
        loaded = loaded.subset(count)
    if not changed:
        return loaded
    blocks = (loaded.images[start : start + 1024] for start in range(0, len(loaded.images), 1024))
    images = np.concatenate([with_wanted_channels(block) for block in blocks])
    return dataclasses.replace(loaded, images=with_size(images, image_size, options.fit))


def _alpha_of(loaded: ImageSet, options: ReadingOptions) -> str | None:
    """What to do with the last channel of RGBA: as requested, or "drop" if all is opaque; None without such a channel.

    Raises ChoicesNeeded if something is transparent and nothing is requested. Keeping it makes all images RGBA.
    """
    if options.alpha == "keep":
        return "keep"
    if loaded.image_shape[2] != 4:
        return None
    if options.alpha is not None:
        return options.alpha
    white = np.iinfo(loaded.images.dtype).max
    blocks = (block[start : start + 1024] for block in loaded.blocks() for start in range(0, len(block), 1024))
    if all((block[..., 3] == white).all() for block in blocks):
        return "drop"
    problem = words("expected opaque images, got RGBA in {}, which {alpha=keep} would keep", loaded.name)
    raise ChoicesNeeded(problem, {"alpha": "white"}, len(loaded.images))


def _is_mapped(images: np.ndarray | ImagesOnDemand) -> bool:
    if isinstance(images, ImagesOnDemand):
        return True
    return mapped_file(images) is not None


def similar_data(path: Path) -> str | None:
    """The data set, or the folder or file of images beside `path`, whose name is nearly this one; None if none is."""
    named = nearest_name(str(path).lower(), DATASET_NAMES)
    near = nearest_path(path, lambda entry: entry.is_dir() or entry.suffix.lower() in DATA_SUFFIXES)
    return named or (str(near) if near else None)


def _checked_path(path: Path) -> Path:
    if not path.exists():
        problem = words("expected {data} to be one of {} or an existing path, got {!r}", ", ".join(DATASET_NAMES), path)
        near = similar_data(path)
        raise InputError(problem, f"did you mean {near}?" if near else "check the spelling")
    if not path.is_dir() and path.suffix.lower() not in DATA_SUFFIXES:
        raise LongInputError(advice_for(path))
    return path
