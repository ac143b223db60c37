"""Where generate.py writes, checked before anything is drawn; and the writing."""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from datasets import ImageSet
from drawing.request import Request
from files import write_array
from imaging import check_format, image_grid, save_animation, save_image
from neighbours import nearest_images
from preprocessing import PixelScaler
from sampling import generate_images
from training.run import RunFolder

MOST_GRID_IMAGES = 10_000
SECONDS_PER_FRAME = 0.1
SMALLEST_FRAME = 128  # pixels; smaller images are shown larger in an animation, each pixel as a square


def choose_output(arguments: argparse.Namespace, run: RunFolder, request: Request | None) -> Path:
    """The path to write to, checked before anything is loaded."""
    default = "projection.png" if arguments.project else "nearest.png" if arguments.nearest else "samples.png"
    output = arguments.output or run.path / ("walk.gif" if arguments.walk else default)
    kind = output_kind(output)
    if arguments.nearest or arguments.project:
        if kind != "grid":
            raise ValueError(f"expected --output to be an image file, got {str(output)!r}; end it in .png")
    elif (kind == "animation") != (arguments.walk is not None and kind != "grid"):
        what = "a .gif or an image file with --walk" if arguments.walk else "--walk with a .gif"
        raise ValueError(f"expected {what}, got {str(output)!r}; choose another ending")
    if kind == "grid":
        check_format(output, np.zeros((1, 1, run.image_shape[2]), run.image_dtype))
        if request is not None:
            check_grid(request)
    elif arguments.rows or arguments.columns:
        raise ValueError(f"expected --rows and --columns with an image file, got --output {output}; leave them out")
    check_place(output, kind, "--output")
    if arguments.save_latents:
        if arguments.save_latents.suffix.lower() != ".npy":
            raise ValueError(f"expected --save-latents to end in .npy, got {str(arguments.save_latents)!r}; rename it")
        check_place(arguments.save_latents, "array", "--save-latents")
    return output


def check_grid(request: Request) -> None:
    count = len(request.inputs)
    if request.rows * request.columns < count:
        raise ValueError(
            f"expected a grid of at least {count} cells, got {request.rows}x{request.columns}; pass more --rows or "
            "--columns"
        )
    if count > MOST_GRID_IMAGES:
        raise ValueError(
            f"expected at most {MOST_GRID_IMAGES} images in a grid, got {count}; pass --output samples.npy"
        )


def check_place(output: Path, kind: str, option: str) -> None:
    if kind != "folder" and output.is_dir():
        raise ValueError(f"expected {option} to be a file, got the folder {str(output)!r}; choose another name")
    if kind == "folder" and output.exists() and not output.is_dir():
        raise ValueError(f"expected {option} to be a folder, got the file {str(output)!r}; end it in .png for a grid")
    if kind != "folder" and not output.parent.is_dir():
        raise ValueError(f"expected an existing folder for {option}, got {str(output.parent)!r}; make it first")


def output_kind(output: Path) -> str:
    suffix = output.suffix.lower()
    if suffix in (".npy", ".npz"):
        return "array"
    if suffix == ".gif":
        return "animation"
    return "folder" if not suffix or output.is_dir() else "grid"


# Writing


def write_images(
    output: Path, batches: Iterator[np.ndarray], request: Request, run: RunFolder, scaler: PixelScaler
) -> None:
    match output_kind(output):
        case "grid":
            save_image(output, image_grid(np.concatenate(list(batches)), request.rows, request.columns))
        case "animation":
            frames = np.concatenate(list(batches))
            scale = -(-SMALLEST_FRAME // min(frames.shape[1:3]))
            frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
            save_animation(output, frames, SECONDS_PER_FRAME, maximum=scaler.maximum_)
        case "array":
            write_array(output, batches, (len(request.inputs), *run.image_shape), run.image_dtype)
        case "folder":
            write_files(output, batches, request.names)


def write_files(folder: Path, batches: Iterator[np.ndarray], names: list[str]) -> None:
    """One exact PNG an image; each appears whole, and files of the same name are replaced."""
    for parent in {(folder / name).parent for name in names}:
        parent.mkdir(parents=True, exist_ok=True)
    remaining = iter(names)
    with ThreadPoolExecutor() as threads:
        for images in batches:
            paths = [folder / f"{next(remaining)}.png" for _ in images]
            list(threads.map(save_image, paths, images))


def write_nearest(output: Path, drawn: np.ndarray, images: ImageSet, count: int) -> None:
    """A row for each image: itself, a gap, and the `count` images nearest to it; their distances are printed."""
    indices, distances = nearest_images(drawn, images.images, count)
    found = np.stack([images.images[row] for row in indices])
    write_pairs(output, drawn, found.reshape(-1, *images.image_shape))
    for row in distances:
        print("nearest training images at", " ".join(f"{distance:.1f}" for distance in row), "levels")


def write_projections(
    output: Path,
    targets: np.ndarray,
    generator,
    scaler: PixelScaler,
    run: RunFolder,
    classes: list[int | None],
    arguments: argparse.Namespace,
) -> None:
    """A row for each image: itself, a gap, and what the generator makes of it; the errors are printed."""
    from projection import project

    inputs = project(generator, scaler.transform(targets), classes, run.class_count, arguments.seed)
    drawn = generate_images(generator, scaler, inputs)
    write_pairs(output, targets, drawn)
    if arguments.save_latents:
        latents = inputs[:, : run.config.latent_dim]
        write_array(arguments.save_latents, [latents], latents.shape, "float32")
    for index, (target, image) in enumerate(zip(targets.astype(np.float64), drawn, strict=True)):
        label = inputs[index, run.config.latent_dim :].argmax() if run.class_count else None
        kind = "" if label is None else f", class {run.class_names[label]}"
        print(f"image {index}: root-mean-square error {np.sqrt(np.mean((target - image) ** 2)):.1f} levels{kind}")


def write_pairs(output: Path, left: np.ndarray, right: np.ndarray) -> None:
    """Each image of `left`, a gap, and its share of `right` beside it."""
    columns = [image_grid(left, len(left), 1), image_grid(right, len(left), len(right) // len(left))]
    gap = np.full((len(columns[0]), 8, left.shape[-1]), np.iinfo(left.dtype).max, left.dtype)
    save_image(output, np.concatenate([columns[0], gap, columns[1]], axis=1))
