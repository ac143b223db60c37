"""What generate.py should generate: turns its options into inputs of the generator."""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from drawing.fonts import drawable_names
from errors import InputError, words
from files import plain_names, read_json
from image_datasets import ReadingOptions, load_arrays, load_image_array
from image_datasets.channels_and_sizes import in_form
from imaging import ANIMATION_SUFFIXES, MAX_PIXELS, load_image
from models.sampling import latents_from_seeds, walk_latents, with_classes
from preprocessing import validate_images
from runs import RunFolder

MOST_IMAGES = 1_000_000  # their latents take 400 MB
GRID_ROWS, GRID_COLUMNS = 8, 8
FEW_ROWS = 8  # the default for --nearest and --direction
WALK_STEPS = 8
DIRECTION_STEPS = 9
DIRECTION_REACH = 3.0  # standard deviations of a latent value, in either direction


@dataclass(frozen=True)
class Request:
    """What to generate: float32 inputs of the generator, a name for each image, and the shape of their grid.

    row_names: the class of each row of the grid; empty if rows are not classes.
    """

    inputs: np.ndarray
    names: list[str]
    rows: int
    columns: int
    row_names: tuple[str, ...] = ()
    walk: bool = False


def check_together(arguments: argparse.Namespace) -> None:
    """Raises ValueError for options that exclude each other."""
    if arguments.seed and (arguments.seeds or arguments.latents or arguments.walk):
        raise InputError(
            words("expected {seed} or {seeds}, {latents} or {walk}, got two of them"), words("leave {seed} out")
        )
    if arguments.steps and not (arguments.walk or arguments.direction):
        raise InputError(words("expected {walk} or {direction} with {steps}, got neither"), "leave it out")
    if arguments.direction and (arguments.walk or arguments.project or arguments.nearest or arguments.count):
        raise InputError(
            words("expected {direction} without {walk}, {project}, {nearest}, {count}, got both"), "leave one out"
        )
    if arguments.direction and arguments.steps == 1:
        raise InputError(words("expected at least two {steps} along a {direction}, got 1"), "pass more")
    if arguments.save_latents and not arguments.project:
        raise InputError(words("expected {project} with {save_latents}, got none"), "leave it out")
    if arguments.data and not arguments.nearest:
        raise InputError(words("expected {nearest} with {data}, got none"), "leave it out")
    if arguments.nearest and (arguments.walk or arguments.project):
        raise InputError(words("expected {nearest} without {walk} and {project}, got both"), "leave one out")
    sets_shape = arguments.walk or arguments.project or arguments.nearest or arguments.direction
    if (arguments.rows or arguments.columns) and sets_shape:
        raise InputError(
            words("expected no {rows} and {columns} with {walk}, {direction}, {project} or {nearest}, which set them"),
            "leave them out",
        )
    if isinstance(arguments.walk, list) and len(arguments.walk) < 2:
        raise InputError(words("expected at least two seeds with {walk}, got {}", len(arguments.walk)), "add some")
    if arguments.project and arguments.truncation != 1:
        raise InputError(words("expected no {truncation} with {project}, which finds the latents"), "leave it out")


def choose_classes(arguments: argparse.Namespace, run: RunFolder) -> list[int | None]:
    """The classes to generate, [None] for a run that is not conditional."""
    if not run.class_count:
        if arguments.classes is not None:
            raise InputError(
                words("expected a conditional run with {classes}, got {}, which is not", run.path),
                "train a conditional one",
            )
        return [None]
    chosen = split_names(arguments.classes or "", run.class_names)
    unknown = [name for name in chosen if name not in run.class_names]
    if unknown:
        raise InputError(
            words("expected {classes} of {}, got {}", ", ".join(run.class_names), ", ".join(unknown)),
            "choose from these",
        )
    if arguments.classes is None:
        if arguments.walk:
            raise InputError(words("expected {classes} with {walk} of a conditional run, got none"), "name one class")
        return list(range(run.class_count))
    return [run.class_names.index(name) for name in dict.fromkeys(chosen)]


def split_names(text: str, known: tuple[str, ...]) -> list[str]:
    """A comma-separated list -> its names. Known names may contain commas; the longest match counts.

    >>> split_names("cats, small,dogs", ("cats, small", "dogs", "cats"))
    ['cats, small', 'dogs']
    """
    parts, names = text.split(",") if text else [], []
    while parts:
        lengths = range(len(parts), 0, -1)
        length = next((length for length in lengths if ",".join(parts[:length]).strip() in known), 1)
        names.append(",".join(parts[:length]).strip())
        del parts[:length]
    return names


def choose_images(arguments: argparse.Namespace, run: RunFolder, classes: list[int | None]) -> Request:
    """Seeds, latents or a walk, for each of the classes in turn."""
    latent_dim = run.config.latent_dim
    conditional = classes != [None]
    if arguments.walk:
        return choose_walk(arguments, run, classes)
    if arguments.latents is not None:
        latents = load_latents(arguments.latents, latent_dim)
        names = [f"latent{index:04d}" for index in range(len(latents))]
    else:
        seeds = arguments.seeds
        if seeds is None:
            seeds = range(arguments.seed, arguments.seed + default_count(arguments, classes))
        seeds = list(dict.fromkeys(seeds))  # without repetitions
        latents, names = latents_from_seeds(seeds, latent_dim), [f"seed{seed:04d}" for seed in seeds]
    latents = latents * np.float32(arguments.truncation)
    if arguments.direction:
        return spread_along_direction(arguments, run, classes, latents, names)
    if not conditional:
        return Request(latents, names, *grid_shape(arguments, len(latents)))
    if arguments.count is None:  # every class of every latent vector, one row per class
        labels = np.repeat(classes, len(latents))
        latents, names = np.tile(latents, (len(classes), 1)), names * len(classes)
        if arguments.rows is None and arguments.columns is None:
            shape = (len(classes), len(latents) // len(classes))
        else:
            shape = grid_shape(arguments, len(latents))
    else:  # this many images in all, the classes in turn
        labels, shape = np.resize(classes, len(latents)), grid_shape(arguments, len(latents))
    folders = plain_names(run.class_names)  # they come from a file and become folders
    names = [f"{folders[label]}/{name}" for label, name in zip(labels, names, strict=True)]
    one_class_a_row = shape[0] == len(classes) and np.array_equal(labels, np.repeat(classes, shape[1]))
    shown = drawable_names(run.class_names)
    row_names = tuple(shown[label] for label in classes) if one_class_a_row else ()
    return Request(with_classes(latents, labels, run.class_count), names, *shape, row_names)


def default_count(arguments: argparse.Namespace, classes: list[int | None]) -> int:
    """How many seeds, if they are not listed: as many as a grid needs, or a row per class, or --count."""
    if arguments.count:
        if arguments.count > MOST_IMAGES:
            raise InputError(
                words("expected {count} of at most {}, got {}", MOST_IMAGES, arguments.count),
                words("generate them in parts, with {seed} for the start of each"),
            )
        return arguments.count
    if arguments.nearest or arguments.direction:
        return max(1, FEW_ROWS // len(classes))
    if classes != [None]:
        return arguments.columns or GRID_COLUMNS
    count = (arguments.rows or GRID_ROWS) * (arguments.columns or GRID_COLUMNS)
    if count > MOST_IMAGES:
        raise InputError(
            words("expected a grid of at most {} cells, got {}", MOST_IMAGES, count),
            words("pass fewer {rows} or {columns}"),
        )
    return count


def spread_along_direction(
    arguments: argparse.Namespace, run: RunFolder, classes: list[int | None], latents: np.ndarray, names: list[str]
) -> Request:
    """A row for each class of each latent vector, all its inputs equal; `moved_along` moves them apart."""
    if arguments.direction > run.config.latent_dim:
        raise InputError(
            words("expected a {direction} from 1 to {}, got {}", run.config.latent_dim, arguments.direction),
            "choose a smaller one",
        )
    steps, rows = arguments.steps or DIRECTION_STEPS, len(classes) * len(latents)
    check_steps(rows, steps)
    labels = np.repeat(classes, len(latents) * steps)
    inputs = np.tile(latents.repeat(steps, axis=0), (len(classes), 1))
    names = [f"{name}-step{step:02d}" for name in names for step in range(steps)] * len(classes)
    if classes == [None]:
        return Request(inputs, names, rows, steps)
    folders = plain_names(run.class_names)
    names = [f"{folders[label]}/{name}" for label, name in zip(labels, names, strict=True)]
    shown = drawable_names(run.class_names)
    row_names = tuple(shown[label] for label in labels[::steps])
    return Request(with_classes(inputs, labels, run.class_count), names, rows, steps, row_names)


def check_steps(rows: int, steps: int) -> None:
    """Raises InputError if rows of `steps` images would be too many in all."""
    if rows * steps > MOST_IMAGES:
        problem = f"expected at most {MOST_IMAGES} images in all, got {rows} rows of {steps}"
        raise InputError(problem, words("pass fewer {steps}"))


def moved_along(request: Request, direction: np.ndarray) -> Request:
    """Moves the inputs of each row along a unit vector, float32 (latent_dim,), evenly from one side to the other."""
    amounts = np.linspace(-DIRECTION_REACH, DIRECTION_REACH, request.columns).astype(np.float32)
    inputs = request.inputs.copy()
    inputs[:, : len(direction)] += np.tile(amounts, request.rows)[:, np.newaxis] * direction
    return replace(request, inputs=inputs)


def choose_walk(arguments: argparse.Namespace, run: RunFolder, classes: list[int | None]) -> Request:
    if len(classes) > 1:
        raise InputError(words("expected one {classes} with {walk}, got {}", len(classes)), "name one")
    animated = (arguments.output or Path("walk.gif")).suffix.lower() in ANIMATION_SUFFIXES
    if isinstance(arguments.walk, Path):
        latents = load_latents(arguments.walk, run.config.latent_dim)
        if len(latents) < 2:
            raise InputError(words("expected at least two latents with {walk}, got {}", len(latents)), "add some")
    else:
        latents = latents_from_seeds(arguments.walk, run.config.latent_dim)
    latents = latents * np.float32(arguments.truncation)
    if animated:  # and back
        latents = np.concatenate([latents, latents[:1]])
    steps = arguments.steps or (30 if animated else WALK_STEPS)
    check_steps(len(latents), steps)
    legs = walk_latents(latents, steps)
    if animated:
        legs = legs[:, :-1]  # the end of a leg is the start of the next
    points = legs.reshape(-1, legs.shape[-1])
    inputs = with_classes(points, np.resize(classes, len(points)) if run.class_count else None, run.class_count)
    names = [f"step{index:04d}" for index in range(len(inputs))]
    return Request(inputs, names, *legs.shape[:2], walk=True)


def load_latents(path: Path, latent_dim: int) -> np.ndarray:
    """float32 (n, latent_dim) from an .npy, or from a .json with a list of vectors, as an exported page shows it."""
    latents = read_latents(path) if path.suffix.lower() == ".json" else load_arrays(path)
    if not isinstance(latents, np.ndarray) or latents.ndim != 2 or latents.shape[1] != latent_dim or not len(latents):
        shape = getattr(latents, "shape", "several arrays")
        raise ValueError(f"{path}: expected latents of shape (n, {latent_dim}), got {shape}; the run fixes the length")
    if latents.dtype.kind != "f":
        raise TypeError(f"{path}: expected float32 latents, got {latents.dtype}; save them with .astype(np.float32)")
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: expected finite latents, got {np.count_nonzero(~np.isfinite(latents))} that are not")
    return latents.astype(np.float32)


def read_latents(path: Path) -> np.ndarray:
    """float64 from nested JSON lists of numbers. Raises ValueError for anything else."""
    document = read_json(path)
    try:
        return np.array(document, np.float64)
    except (ValueError, TypeError):
        raise ValueError(
            f"{path}: expected lists of numbers, all of one length, got other JSON; copy them again"
        ) from None


def load_targets(path: Path, run: RunFolder) -> np.ndarray:
    """The image or images of --project, in the shape and dtype of the run's generator."""
    if path.suffix.lower() in (".npy", ".npz"):
        images, _ = load_image_array(path)
        images = images[np.newaxis] if images.ndim == 3 else images
    else:
        images = brought_to_form(path, run)[np.newaxis]
    if images.shape[1:] != run.image_shape or images.dtype != run.image_dtype:
        raise InputError(
            f"{path}: expected {run.image_dtype} of shape (n, {', '.join(map(str, run.image_shape))}), which the run "
            f"fixes, got {images.dtype} of shape {images.shape}",
            "resize or convert it",
        )
    return validate_images(images)


def brought_to_form(path: Path, run: RunFolder) -> np.ndarray:
    """Reads an image file as the run read its own: transparency, channels and size. Prints a line about a change."""
    config = run.config
    image = load_image(
        path,
        alpha=config.alpha,
        cmyk=config.cmyk,
        frame=0 if config.frames else None,
        max_pixels=config.max_pixels or MAX_PIXELS,
        value_range=config.value_range,
    )
    options, channels, was = ReadingOptions.of(config), run.image_shape[2], image.shape
    if channels == 3:  # gray among RGB becomes RGB, as in training
        options = replace(options, channels=channels)
    image = in_form(image, options)
    if image.shape != was:
        print(f"{path}: {'x'.join(map(str, was))} became {'x'.join(map(str, image.shape))}, as in training "
              f"(--fit {config.fit})", file=sys.stderr)  # fmt: skip
    return image


def grid_shape(arguments: argparse.Namespace, count: int) -> tuple[int, int]:
    rows, columns = arguments.rows, arguments.columns
    if columns is None:
        columns = min(count, GRID_COLUMNS) if rows is None else -(-count // rows)
    return rows or -(-count // columns), columns
