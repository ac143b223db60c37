"""Where generate.py writes, checked before anything is generated; and the writing itself."""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from drawing.fonts import drawable_names, legend
from drawing.neighbors import nearest_images
from drawing.request import Request
from drawing.sheets import PADDING, Panel, draw_sheet, preview_scale
from errors import InputError, counted, words
from files import check_place, write_array
from image_datasets import ImageSet
from imaging import (
    ANIMATION_SUFFIXES,
    EXACT_SUFFIXES,
    MAX_PIXELS,
    check_format,
    save_animation,
    save_image,
    save_images,
    to_display,
)
from preprocessing import PixelScaler
from runs import RunFolder

FILES_TOGETHER = 256  # files flushed to disk at once
MOST_GRID_IMAGES = 10_000
SECONDS_PER_FRAME = 0.1
SMALLEST_FRAME = 128  # pixels; smaller images are enlarged in an animation


def choose_output(arguments: argparse.Namespace, run: RunFolder, request: Request | None) -> Path:
    """The path to write to, checked before any network is loaded."""
    default = "projection.png" if arguments.project else "nearest.png" if arguments.nearest else "samples.png"
    output = arguments.output or run.path / ("walk.gif" if arguments.walk else default)
    kind = output_kind(output, arguments.walk is not None)
    if arguments.nearest or arguments.project:
        if kind != "grid":
            raise InputError(words("expected {output} to be an image file, got {!r}", output), "end it in .png")
    elif (kind == "animation") != (arguments.walk is not None and kind != "grid"):
        what = (
            "expected a .gif, .webp, .apng or an image file with {walk}"
            if arguments.walk
            else "expected {walk} with a .gif"
        )
        raise InputError((*words(what), f", got {str(output)!r}"), "choose another ending")
    if kind == "grid":
        check_format(output, np.zeros((1, 1, min(run.image_shape[2], 3)), run.image_dtype))  # RGBA on checkers
        if request is not None:
            check_grid(request, run, arguments.scale)
    elif arguments.rows or arguments.columns:
        raise InputError(words("expected {rows} and {columns} with an image file, got {}", output), "leave them out")
    if arguments.scale and kind not in ("grid", "animation"):
        raise InputError(
            words("expected {scale} with an image file or a .gif, got {}, which keeps the exact images", output),
            "leave it out",
        )
    check_place(output, "output", "folder" if kind == "folder" else "file")
    run.check_output(output, "output")
    if arguments.save_latents:
        if arguments.save_latents.suffix.lower() != ".npy":
            raise InputError(
                words("expected {save_latents} to end in .npy, got {!r}", arguments.save_latents), "rename it"
            )
        check_place(arguments.save_latents, "save_latents")
        run.check_output(arguments.save_latents, "save_latents")
    return output


def check_grid(request: Request, run: RunFolder, scale: int | None) -> None:
    count = len(request.inputs)
    if request.rows * request.columns < count:
        raise InputError(
            f"expected a grid of at least {count} cells, got {request.rows}x{request.columns}",
            words("pass more {rows} or {columns}"),
        )
    if count > MOST_GRID_IMAGES:
        raise InputError(
            f"expected at most {MOST_GRID_IMAGES} images in a grid, got {count}", words("pass {output=samples.npy}")
        )
    height, width = (length + PADDING for length in run.image_shape[:2])
    pixels = request.rows * height * request.columns * width * (scale or 1) ** 2
    if pixels > MAX_PIXELS:
        raise InputError(
            f"expected a picture of at most {MAX_PIXELS:,} pixels, got {pixels:,}",
            words("pass fewer {rows} and {columns}"),
            words("a smaller {scale}"),
        )


def output_kind(output: Path, walk: bool) -> str:
    """The kind of output by its ending; a .webp is an animation for a walk, otherwise a picture."""
    suffix = output.suffix.lower()
    if suffix in (".npy", ".npz"):
        return "array"
    if suffix in ANIMATION_SUFFIXES and (walk or suffix != ".webp"):
        return "animation"
    if not suffix or output.is_dir():
        return "folder"
    endings = (*EXACT_SUFFIXES, *ANIMATION_SUFFIXES)
    if walk and suffix not in endings:
        raise InputError(f"{output}: expected a name ending in {', '.join(dict.fromkeys(endings))}, got {suffix!r}")
    return "grid"


# Writing


def write_images(
    output: Path,
    batches: Iterator[np.ndarray],
    request: Request,
    run: RunFolder,
    scaler: PixelScaler,
    scale: int | None = None,
) -> None:
    """Writes the kind of output that `output` names. scale: for a picture or an animation; None: suits a screen."""
    match output_kind(output, request.walk):
        case "grid":
            panel = Panel(np.concatenate(list(batches)), request.columns, request.rows)
            scale = scale or preview_scale(run.image_shape, request.columns)
            save_image(output, draw_sheet([panel], scale, request.row_names))
            if request.row_names:
                _print_legend(run)
        case "animation":
            frames = np.concatenate(list(batches))
            scale = scale or -(-SMALLEST_FRAME // min(frames.shape[1:3]))
            save_animation(output, to_display(frames, scaler.maximum_), SECONDS_PER_FRAME, scale=scale)
        case "array":
            labels = {}
            if run.class_count:  # so that the result can serve as training data
                codes = request.inputs[:, run.config.latent_dim :]
                labels = {"labels": codes.argmax(axis=1), "class_names": np.array(run.class_names)}
            write_array(output, batches, (len(request.inputs), *run.image_shape), run.image_dtype, labels)
        case "folder":
            write_files(output, batches, request.names)


def write_files(folder: Path, batches: Iterator[np.ndarray], names: list[str]) -> None:
    """Writes one exact PNG per image; each appears whole, and files with the same name are replaced."""
    for parent in {(folder / name).parent for name in names}:
        parent.mkdir(parents=True, exist_ok=True)
    remaining = iter(names)
    # One thread writes while the next images are generated; more would only wait for each other for such small files.
    with ThreadPoolExecutor(max_workers=1) as writer:
        writing = None
        for images in _together(batches):
            paths = [folder / f"{next(remaining)}.png" for _ in images]
            if writing is not None:
                writing.result()
            writing = writer.submit(save_images, paths, images)
        if writing is not None:
            writing.result()
    written = {folder / f"{name}.png" for name in names}
    older = sum(path not in written for path in folder.rglob("*.png"))
    if older:
        print(f"still in {folder}: {counted(older, 'other .png file')} from before", file=sys.stderr)


def _together(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same images in larger batches, of at least `FILES_TOGETHER`, to wait for the disk less often."""
    gathered, count = [], 0
    for images in batches:
        gathered.append(images)
        count += len(images)
        if count >= FILES_TOGETHER:
            yield np.concatenate(gathered)
            gathered, count = [], 0
    if gathered:
        yield np.concatenate(gathered)


def write_nearest(
    output: Path, drawn: np.ndarray, request: Request, images: ImageSet, count: int, scale: int | None
) -> None:
    """Writes a row for each image: the image, and its `count` nearest training images with their distances."""
    indices, distances = nearest_images(drawn, images, count)
    nearest = np.concatenate([images.take(row) for row in indices])
    captions = [f"{distance:.1f}" for distance in distances.flat]
    right = Panel(nearest, count, title="nearest training images", captions=captions)
    panels = [Panel(drawn, 1, title="generated"), right]
    save_image(output, draw_sheet(panels, scale or preview_scale(images.image_shape, 1 + count), request.names))
    for row in distances:
        print("nearest training images at", " ".join(f"{distance:.1f}" for distance in row), "levels")


def write_projections(
    output: Path,
    targets: np.ndarray,
    inputs: np.ndarray,
    drawn: np.ndarray,
    run: RunFolder,
    arguments: argparse.Namespace,
) -> None:
    """Writes a row for each image: the image, and the closest one that the generator can make, with its error.

    inputs: what `project` found for `targets`; drawn: the images that the generator makes from them.
    """
    if arguments.save_latents:
        latents = inputs[:, : run.config.latent_dim]
        write_array(arguments.save_latents, [latents], latents.shape, "float32")
    errors = np.sqrt(np.mean((targets.astype(np.float64) - drawn) ** 2, axis=(1, 2, 3)))
    labels = inputs[:, run.config.latent_dim :].argmax(axis=1) if run.class_count else [None] * len(inputs)
    names, shown = run.class_names, drawable_names(run.class_names)
    captions = [
        f"{error:.1f}" if label is None else f"{error:.1f}, {shown[label]}"
        for error, label in zip(errors, labels, strict=True)
    ]
    title = "closest generated: error, class" if run.class_count else "closest generated: error"
    panels = [Panel(targets, 1, title="target"), Panel(drawn, 1, title=title, captions=captions)]
    save_image(output, draw_sheet(panels, arguments.scale or preview_scale(run.image_shape, 2)))
    for index, (error, label) in enumerate(zip(errors, labels, strict=True)):
        of_class = "" if label is None else f", class {names[label]}"
        print(f"image {index}: root-mean-square error {error:.1f} levels{of_class}")
    if run.class_count:
        _print_legend(run)


def _print_legend(run: RunFolder) -> None:
    line = legend(run.class_names)
    if line:
        print(line, file=sys.stderr)
