"""Writes images that a trained generator draws: python generate.py --help"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from command_line import (
    DONE,
    ArgumentParser,
    import_tensorflow,
    one_line_errors,
    positive_integer,
    run_command,
    seed_list,
    seed_number,
)
from datasets import load_arrays
from files import atomic_path
from imaging import check_format, image_grid, save_image
from progress import track
from sampling import BATCH_SIZE, generate_batches, latents_from_seeds
from training.run import RunFolder

PROGRAM = "generate.py"
GRID_ROWS, GRID_COLUMNS = 8, 8
MOST_GRID_IMAGES = 10_000
EXAMPLES = """examples:
  python generate.py runs/mine                                            a grid of seeds 0 to 63, runs/mine/samples.png
  python generate.py runs/mine --rows 4 --columns 8 --seed 7 --output grid.png
  python generate.py runs/mine --seeds 0-7,12 --output faces/             faces/seed0000.png …: a seed is an image
  python generate.py runs/mine --count 10000 --output samples.npy         or .npz, or a folder of PNG files
  python generate.py runs/mine --latents z.npy --output grid.png          your own vectors, float32 (n, latent_dim)

--output decides what is written: a grid for an image file (.png, .tif, …), one array for .npy and .npz, one exact
file an image for a folder. 16-bit runs give 16-bit files.
"""


def main() -> int:
    arguments = parse_arguments()
    with one_line_errors(PROGRAM):
        run = RunFolder.open(arguments.run_dir)
        latents, names = choose_latents(arguments, run)
        output = choose_output(arguments, run, len(latents))
        scaler = run.load_scaler()
        import_tensorflow()  # as late as this, so that mistakes are answered at once
        generator = run.load_generator()
    batches = track(
        generate_batches(generator, scaler, latents), "generating", -(-len(latents) // BATCH_SIZE), "batches"
    )
    with one_line_errors(PROGRAM):
        write_images(output, batches, names, run, arguments)
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
    where = parser.add_argument_group("how and where")
    where.add_argument("--seed", type=seed_number, default=0, metavar="N", help="the first seed (default 0)")
    where.add_argument("--rows", type=positive_integer, metavar="N", help="of the grid (default: 8, or what is needed)")
    where.add_argument(
        "--columns", type=positive_integer, metavar="N", help="of the grid (default: 8, or what is needed)"
    )
    where.add_argument(
        "--output", type=Path, metavar="PATH", help="image file, .npy, .npz, or folder (default RUN/samples.png)"
    )
    return parser.parse_args()


def choose_latents(arguments: argparse.Namespace, run: RunFolder) -> tuple[np.ndarray, list[str]]:
    """The latent vectors, and a name for each image that is written as a file of its own."""
    if arguments.seed and (arguments.seeds or arguments.latents):
        raise ValueError("expected --seed or --seeds or --latents, got two of them; leave --seed out")
    if arguments.latents is not None:
        latents = load_latents(arguments.latents, run.config.latent_dim)
        return latents, [f"latent{index:04d}" for index in range(len(latents))]
    seeds = arguments.seeds
    if seeds is None:
        count = arguments.count or (arguments.rows or GRID_ROWS) * (arguments.columns or GRID_COLUMNS)
        seeds = range(arguments.seed, arguments.seed + count)
    return latents_from_seeds(seeds, run.config.latent_dim), [f"seed{seed:04d}" for seed in seeds]


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


def choose_output(arguments: argparse.Namespace, run: RunFolder, count: int) -> Path:
    """The path to write to, checked before anything is loaded."""
    output = arguments.output or run.path / "samples.png"
    kind = output_kind(output)
    if kind == "grid":
        check_format(output, np.zeros((1, 1, run.image_shape[2]), run.image_dtype))
        rows, columns = grid_shape(arguments, count)
        if rows * columns < count:
            raise ValueError(
                f"expected a grid of at least {count} cells, got {rows}x{columns}; pass more --rows or --columns"
            )
        if count > MOST_GRID_IMAGES:
            raise ValueError(
                f"expected at most {MOST_GRID_IMAGES} images in a grid, got {count}; pass --output samples.npy"
            )
    elif arguments.rows or arguments.columns:
        raise ValueError(f"expected --rows and --columns with an image file, got --output {output}; leave them out")
    if kind != "folder" and output.is_dir():
        raise ValueError(f"expected --output to be a file, got the folder {str(output)!r}; choose another name")
    if kind == "folder" and output.exists() and not output.is_dir():
        raise ValueError(f"expected --output to be a folder, got the file {str(output)!r}; end it in .png for a grid")
    if kind != "folder" and not output.parent.is_dir():
        raise ValueError(f"expected an existing folder for --output, got {str(output.parent)!r}; make it first")
    return output


def output_kind(output: Path) -> str:
    suffix = output.suffix.lower()
    if suffix in (".npy", ".npz"):
        return "array"
    return "folder" if not suffix or output.is_dir() else "grid"


def grid_shape(arguments: argparse.Namespace, count: int) -> tuple[int, int]:
    rows, columns = arguments.rows, arguments.columns
    if columns is None:
        columns = min(count, GRID_COLUMNS) if rows is None else -(-count // rows)
    return rows or -(-count // columns), columns


def write_images(
    output: Path, batches: Iterator[np.ndarray], names: list[str], run: RunFolder, arguments: argparse.Namespace
) -> None:
    match output_kind(output):
        case "grid":
            save_image(output, image_grid(np.concatenate(list(batches)), *grid_shape(arguments, len(names))))
        case "array":
            write_array(output, batches, (len(names), *run.image_shape), run.image_dtype)
        case "folder":
            write_files(output, batches, names)


def write_array(output: Path, batches: Iterator[np.ndarray], shape: tuple[int, ...], dtype: str) -> None:
    """Writes one array batch by batch, so that memory does not grow with the count."""
    with atomic_path(output) as partial:
        if output.suffix.lower() == ".npy":
            array = np.lib.format.open_memmap(partial, "w+", dtype, shape)
            fill(array, batches)
            array.flush()
        else:
            array = np.empty(shape, dtype)
            fill(array, batches)
            np.savez(partial, images=array)


def fill(array: np.ndarray, batches: Iterator[np.ndarray]) -> None:
    start = 0
    for images in batches:
        array[start : start + len(images)] = images
        start += len(images)


def write_files(folder: Path, batches: Iterator[np.ndarray], names: list[str]) -> None:
    """One exact PNG an image; each appears whole, and files of the same name are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    remaining = iter(names)
    with ThreadPoolExecutor() as threads:
        for images in batches:
            paths = [folder / f"{next(remaining)}.png" for _ in images]
            list(threads.map(save_image, paths, images))


if __name__ == "__main__":
    run_command(main)
