"""The images of a run: whether it can train on them, and a summary of them. Loads without TensorFlow."""

from collections.abc import Callable

import numpy as np

from command_line import import_tensorflow
from config import DIVIDING_SCALINGS, TrainingConfig
from errors import InputError, LongInputError, Parameter, words
from image_datasets import KERAS_DATASETS, ChoicesNeeded, ImageSet, LevelsSeen, ReadingOptions, load_images
from models import ImageLayout

FEW_IMAGES = 4_000  # augmentation helped with 200, 1,000 and 3,786, and did not with 5,000: docs/results.md


def load_real_images(config: TrainingConfig, visit: Callable[[np.ndarray], object] | None) -> ImageSet:
    """The images of the run; calls `visit` with all of them while reading, so that they need not be read again.

    Raises ChoicesNeeded, an error that names the missing options, or ValueError if a run cannot train on them.
    """
    if config.image_size is not None:
        ImageLayout.of((*config.image_size, config.channels or 3))  # before slow loading
    if config.data in KERAS_DATASETS:
        import_tensorflow()
    try:
        images = load_images(config.data, ReadingOptions.of(config), ImageLayout.of, visit)
    except ChoicesNeeded as error:
        if error.image_count < 2:
            raise LongInputError(error.problem, "add images; two are the least") from error
        smaller = {"batch_size": error.image_count} if error.image_count < config.batch_size else {}
        raise ChoicesNeeded(error.problem, error.choices | smaller, error.image_count) from error
    ImageLayout.of(images.image_shape)
    if len(images.images) < 2:
        raise InputError(f"expected at least two images in {images.name}, got one", "add some")
    if config.conditional:
        _check_classes(images)
    if config.batch_size > len(images.images):
        problem = "expected {batch_size} of at most {}, the images there are, got {}"
        raise InputError(
            words(problem, len(images.images), config.batch_size),
            ("pass ", Parameter("batch_size", len(images.images))),
        )
    return images


def _check_classes(images: ImageSet) -> None:
    """Raises ChoicesNeeded or InputError unless there are at least two classes, each with images."""
    if images.report.other_level is not None:
        problem = words("expected classes with {conditional}, got {}", images.report.doubt)
        raise ChoicesNeeded(problem, {"class_level": images.report.other_level}, len(images.images))
    if len(images.class_names) < 2:
        problem = "expected images of at least two classes with {conditional}, got {} in {}"
        raise InputError(
            words(problem, len(images.class_names), images.name),
            "put the images of each class into its own sub-folder",
            words("name the classes by {labels}"),
        )
    empty = images.classes_without_images()
    if empty:
        raise InputError(
            words("expected images of each class with {conditional}, got none of {}", ", ".join(empty)),
            "remove the folder or add images to it",
            words("take more by {image_count}"),
        )


def reading_summary(images: ImageSet, levels: LevelsSeen, config: TrainingConfig) -> list[str]:
    """Lines about what was read, what was left out, and whether the levels fill their type."""
    lines = images.summary(levels.lowest, levels.highest)
    white = np.iinfo(images.images.dtype).max
    scaled_by_white = config.maximum is None and config.scaling in DIVIDING_SCALINGS
    if levels.highest is not None and levels.highest <= white / 2 and scaled_by_white:
        lines.append(f"the levels reach {levels.highest} of {white}; --maximum data scales them to the whole range")
    is_new = levels.highest is not None  # None for a resumed run, whose recipe is fixed
    if is_new and len(images.images) <= FEW_IMAGES and not config.augmentation:
        lines.append(
            f"{len(images.images):,} images are few, and the discriminator can memorize them: --augmentation "
            "color,translation,cutout changes them every time"
        )
    return lines
