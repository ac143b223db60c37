"""Writes images that a trained generator draws: python generate.py --help"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from command_line import (
    DONE,
    ArgumentParser,
    import_tensorflow,
    name_list,
    one_line_errors,
    positive_integer,
    run_command,
    seed_list,
    seed_number,
)
from datasets import load_arrays
from files import write_array
from imaging import check_format, image_grid, load_image, save_animation, save_image
from neighbours import nearest_images
from preprocessing import PixelScaler, validate_images
from progress import track
from sampling import BATCH_SIZE, generate_batches, generate_images, latents_from_seeds, walk_latents, with_classes
from training.run import RunFolder

PROGRAM = "generate.py"
GRID_ROWS, GRID_COLUMNS = 8, 8
MOST_GRID_IMAGES = 10_000
NEAREST_ROWS = 8
WALK_STEPS = 8
SECONDS_PER_FRAME = 0.1
SMALLEST_FRAME = 128  # pixels; smaller images are shown larger in an animation, each pixel as a square
EXAMPLES = """examples:
  python generate.py runs/mine                                            a grid of seeds 0 to 63, runs/mine/samples.png
  python generate.py runs/mine --rows 4 --columns 8 --seed 7 --output grid.png
  python generate.py runs/mine --seeds 0-7,12 --output faces/             faces/seed0000.png …: a seed is an image
  python generate.py runs/mine --count 10000 --output samples.npy         or .npz, or a folder of PNG files
  python generate.py runs/mine --latents z.npy --output grid.png          your own vectors, float32 (n, latent_dim)
  python generate.py runs/mine --class cat,dog                            a row of each, of a conditional run
  python generate.py runs/mine --walk 0,5,9 --output walk.gif             from seed 0 to 5 to 9 and back; or walk.png
  python generate.py runs/mine --nearest 5                                beside each image its nearest training images
  python generate.py runs/mine --project face.png --save-latents z.npy    the closest image it can make

--output decides what is written: a grid for an image file (.png, .tif, …), one array for .npy and .npz, one exact
file an image for a folder. 16-bit runs give 16-bit files.
"""


@dataclass(frozen=True)
class Request:
    """What is to be drawn: float32 inputs of the generator, a name for each image, and the shape of a grid of them."""

    inputs: np.ndarray
    names: list[str]
    rows: int
    columns: int


def main() -> int:
    arguments = parse_arguments()
    with one_line_errors(PROGRAM):
        run = RunFolder.open(arguments.run_dir)
        check_together(arguments)
        classes = choose_classes(arguments, run)
        targets = load_targets(arguments.project, run) if arguments.project else None
        request = None if arguments.project else choose_images(arguments, run, classes)
        output = choose_output(arguments, run, request)
        scaler = run.load_scaler()
        import_tensorflow()  # as late as this, so that mistakes are answered at once
        generator = run.load_generator(arguments.best)
        if targets is not None:
            write_projections(output, targets, generator, scaler, run, classes, arguments)
        elif arguments.nearest:
            write_nearest(output, generate_images(generator, scaler, request.inputs), run, arguments)
        else:
            batches = track(
                generate_batches(generator, scaler, request.inputs),
                "generating",
                -(-len(request.inputs) // BATCH_SIZE),
                "batches",
            )
            write_images(output, batches, request, run, arguments)
    print(output)
    return DONE


def parse_arguments() -> argparse.Namespace:
    parser = ArgumentParser(prog=PROGRAM, description="Writes images that a trained generator draws.", epilog=EXAMPLES)
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="the run folder that train.py made")
    which = parser.add_argument_group(
        "which images (a grid of 64 from --seed on without these)"
    ).add_mutually_exclusive_group()
    which.add_argument("--count", type=positive_integer, metavar="N", help="N images, seeds --seed and the following")
    which.add_argument("--seeds", type=seed_list, metavar="LIST", help="these seeds, such as 0-7,12")
    which.add_argument(
        "--latents", type=Path, metavar="FILE", help="these latent vectors: .npy, float32 (n, latent_dim)"
    )
    which.add_argument(
        "--walk",
        type=seed_list,
        metavar="SEEDS",
        help="from one of these seeds to the next: a round trip for a .gif, a row a leg for an image file",
    )
    which.add_argument(
        "--project",
        type=Path,
        metavar="IMAGE",
        help="the closest images it can make to this one (an image file), or to those of an .npy (n, height, width, "
        "channels); prints the root-mean-square error of each in levels",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--seed", type=seed_number, default=0, metavar="N", help="the first seed (default 0)")
    how.add_argument(
        "--class",
        dest="classes",
        type=name_list,
        metavar="LIST",
        help="of a conditional run: these classes, such as cat,dog; a row each in a grid (default: all)",
    )
    how.add_argument(
        "--truncation",
        type=truncation,
        default=1.0,
        metavar="PSI",
        help="shorten the latent vectors to this share: below 1 images become more typical and more alike (default 1)",
    )
    how.add_argument(
        "--steps", type=positive_integer, metavar="N", help=f"of a leg of --walk (default {WALK_STEPS}; .gif 30)"
    )
    how.add_argument(
        "--nearest",
        type=positive_integer,
        metavar="N",
        help="show the N nearest training images beside each, so that copies would be seen",
    )
    how.add_argument(
        "--best", action="store_true", help="the weights of the best distance, which --evaluate-every keeps"
    )
    where = parser.add_argument_group("where")
    where.add_argument("--rows", type=positive_integer, metavar="N", help="of the grid (default: 8, or what is needed)")
    where.add_argument(
        "--columns", type=positive_integer, metavar="N", help="of the grid (default: 8, or what is needed)"
    )
    where.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="image file, .npy, .npz, .gif or folder (default in RUN: samples.png, or walk.gif, nearest.png, "
        "projection.png)",
    )
    where.add_argument(
        "--save-latents", type=Path, metavar="FILE", help="with --project: the vectors it found, .npy for --latents"
    )
    return parser.parse_args()


def truncation(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and at most 1, got {text!r}")
    return value


# What to draw


def check_together(arguments: argparse.Namespace) -> None:
    """Raises ValueError for options that mean nothing together."""
    if arguments.seed and (arguments.seeds or arguments.latents or arguments.walk):
        raise ValueError("expected --seed or --seeds, --latents or --walk, got two of them; leave --seed out")
    if arguments.steps and not arguments.walk:
        raise ValueError("expected --walk with --steps, got none; leave it out")
    if arguments.save_latents and not arguments.project:
        raise ValueError("expected --project with --save-latents, got none; leave it out")
    if arguments.nearest and (arguments.walk or arguments.project):
        raise ValueError("expected --nearest without --walk and --project, got both; leave one out")
    if (arguments.rows or arguments.columns) and (arguments.walk or arguments.project or arguments.nearest):
        raise ValueError("expected no --rows and --columns with --walk, --project or --nearest, which set them; leave "
                         "them out")  # fmt: skip
    if arguments.walk and len(arguments.walk) < 2:
        raise ValueError(f"expected at least two seeds with --walk, got {len(arguments.walk)}; add some")
    if arguments.project and arguments.truncation != 1:
        raise ValueError("expected no --truncation with --project, which looks for the latents; leave it out")


def choose_classes(arguments: argparse.Namespace, run: RunFolder) -> list[int | None]:
    """The classes to draw, [None] of a run that is not conditional."""
    if not run.class_count:
        if arguments.classes is not None:
            raise ValueError(
                f"expected a conditional run with --class, got {run.path}, which is none; train one with --conditional"
            )
        return [None]
    unknown = [name for name in arguments.classes or () if name not in run.class_names]
    if unknown:
        raise ValueError(
            f"expected --class of {', '.join(run.class_names)}, got {', '.join(unknown)}; choose from these"
        )
    if arguments.classes is None:
        if arguments.walk:
            raise ValueError("expected --class with --walk of a conditional run, got none; name one class")
        return list(range(run.class_count))
    return [run.class_names.index(name) for name in dict.fromkeys(arguments.classes)]


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
        latents, names = latents_from_seeds(seeds, latent_dim), [f"seed{seed:04d}" for seed in seeds]
    latents = latents * np.float32(arguments.truncation)
    if not conditional:
        return Request(latents, names, *grid_shape(arguments, len(latents)))
    if arguments.count is None:  # every class of every latent vector, a row a class
        labels = np.repeat(classes, len(latents))
        latents, names = np.tile(latents, (len(classes), 1)), names * len(classes)
        if arguments.rows is None and arguments.columns is None:
            shape = (len(classes), len(latents) // len(classes))
        else:
            shape = grid_shape(arguments, len(latents))
    else:  # so many images in all, the classes in turn
        labels, shape = np.resize(classes, len(latents)), grid_shape(arguments, len(latents))
    names = [f"{run.class_names[label]}/{name}" for label, name in zip(labels, names, strict=True)]
    return Request(with_classes(latents, labels, run.class_count), names, *shape)


def default_count(arguments: argparse.Namespace, classes: list[int | None]) -> int:
    """How many seeds, when they are not listed: those of a grid, of each class's row, or the images of --count."""
    if arguments.count:
        return arguments.count
    if arguments.nearest:
        return max(1, NEAREST_ROWS // len(classes))
    if classes != [None]:
        return arguments.columns or GRID_COLUMNS
    return (arguments.rows or GRID_ROWS) * (arguments.columns or GRID_COLUMNS)


def choose_walk(arguments: argparse.Namespace, run: RunFolder, classes: list[int | None]) -> Request:
    if len(classes) > 1:
        raise ValueError(f"expected one --class with --walk, got {len(classes)}; name one")
    animated = (arguments.output or Path("walk.gif")).suffix.lower() == ".gif"
    seeds = [*arguments.walk, arguments.walk[0]] if animated else arguments.walk
    latents = latents_from_seeds(seeds, run.config.latent_dim) * np.float32(arguments.truncation)
    legs = walk_latents(latents, arguments.steps or (30 if animated else WALK_STEPS))
    if animated:
        legs = legs[:, :-1]  # the end of a leg is the start of the next
    points = legs.reshape(-1, legs.shape[-1])
    inputs = with_classes(points, np.resize(classes, len(points)) if run.class_count else None, run.class_count)
    return Request(inputs, [f"step{index:04d}" for index in range(len(inputs))], *legs.shape[:2])


def load_latents(path: Path, latent_dim: int) -> np.ndarray:
    latents = load_arrays(path)
    if not isinstance(latents, np.ndarray) or latents.ndim != 2 or latents.shape[1] != latent_dim or not len(latents):
        shape = getattr(latents, "shape", "several arrays")
        raise ValueError(f"{path}: expected latents of shape (n, {latent_dim}), got {shape}; the run fixes the length")
    if latents.dtype.kind != "f":
        raise TypeError(f"{path}: expected float32 latents, got {latents.dtype}; save them with .astype(np.float32)")
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: expected finite latents, got {np.count_nonzero(~np.isfinite(latents))} that are not")
    return latents.astype(np.float32)


def load_targets(path: Path, run: RunFolder) -> np.ndarray:
    """The image or images of --project, of the shape and type that the run's generator draws."""
    if path.suffix.lower() in (".npy", ".npz"):
        loaded = load_arrays(path)
        images = loaded if isinstance(loaded, np.ndarray) else loaded.get("images", next(iter(loaded.values())))
        images = images[np.newaxis] if images.ndim == 3 else images
    else:
        images = load_image(path)[np.newaxis]
    try:
        return validate_images(images, shape=(None, *run.image_shape), dtype=run.image_dtype)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}; the run fixes the shape and the type") from error


# Where to write


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


def grid_shape(arguments: argparse.Namespace, count: int) -> tuple[int, int]:
    rows, columns = arguments.rows, arguments.columns
    if columns is None:
        columns = min(count, GRID_COLUMNS) if rows is None else -(-count // rows)
    return rows or -(-count // columns), columns


# Writing


def write_images(
    output: Path, batches: Iterator[np.ndarray], request: Request, run: RunFolder, arguments: argparse.Namespace
) -> None:
    match output_kind(output):
        case "grid":
            save_image(output, image_grid(np.concatenate(list(batches)), request.rows, request.columns))
        case "animation":
            frames = np.concatenate(list(batches))
            scale = -(-SMALLEST_FRAME // min(frames.shape[1:3]))
            save_animation(output, frames.repeat(scale, axis=1).repeat(scale, axis=2), SECONDS_PER_FRAME)
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


def write_nearest(output: Path, drawn: np.ndarray, run: RunFolder, arguments: argparse.Namespace) -> None:
    """A row for each image: itself, a gap, and the training images nearest to it; their distances are printed."""
    images = run.load_training_images()
    indices, distances = nearest_images(drawn, images.images, arguments.nearest)
    found = np.stack([images.images[row] for row in indices])
    write_pairs(output, drawn, found.reshape(-1, *run.image_shape))
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


if __name__ == "__main__":
    run_command(main)
