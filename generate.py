"""Writes images from a trained generator: python generate.py --help"""

import argparse
from pathlib import Path

from command_line import (
    BEST_HELP,
    DONE,
    ArgumentParser,
    import_tensorflow,
    one_line_errors,
    positive_integer,
    run_command,
    seed_list,
    seed_number,
)
from drawing.directions import latent_directions
from drawing.output import choose_output, write_images, write_nearest, write_projections
from drawing.request import (
    DIRECTION_STEPS,
    WALK_STEPS,
    check_together,
    choose_classes,
    choose_images,
    load_targets,
    moved_along,
)
from image_datasets import KERAS_DATASETS, ImageSet
from models.sampling import BATCH_SIZE, generate_batches, generate_images
from progress import track
from runs import RunFolder

PROGRAM = "generate.py"
EXAMPLES = """examples:
  python generate.py runs/mine                                            a grid of seeds 0 to 63, runs/mine/samples.png
  python generate.py runs/mine --rows 4 --columns 8 --seed 7 --output grid.png
  python generate.py runs/mine --seeds 0-7,12 --output faces/             faces/seed0000.png …: a seed is an image
  python generate.py runs/mine --count 10000 --output samples.npy         or .npz, or a folder of PNG files
  python generate.py runs/mine --latents z.npy --output grid.png          your own vectors, float32 (n, latent_dim)
  python generate.py runs/mine --class cat,dog                            one row per class, from a conditional run
  python generate.py runs/mine --walk 0,5,9 --output walk.gif             from seed 0 to 5 to 9 and back; or walk.png
  python generate.py runs/mine --seeds 0-7 --direction 1 --steps 9        each along the direction of most change
  python generate.py runs/mine --nearest 5                                each image beside its nearest training images
  python generate.py runs/mine --project face.png --save-latents z.npy    the closest image it can generate

--output decides what is written: a grid for an image file (.png, .tif, …), one array for .npy and .npz, one exact
file per image for a folder. 16-bit runs give 16-bit files.
"""


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    with one_line_errors(parser):
        run = RunFolder.open(arguments.run_dir)
        check_together(arguments)
        classes = choose_classes(arguments, run)
        targets = load_targets(arguments.project, run) if arguments.project else None
        request = None if arguments.project else choose_images(arguments, run, classes)
        output = choose_output(arguments, run, request)
        scaler = run.load_scaler()
        training_images = load_training_images(arguments, run) if arguments.nearest else None
        import_tensorflow()  # only now, so that mistakes in the command are reported at once
        generator = run.load_generator(arguments.best)
        if targets is not None:
            from drawing.projection import project

            inputs = project(generator, scaler.transform(targets), classes, run.class_count, arguments.seed)
            write_projections(output, targets, inputs, generate_images(generator, scaler, inputs), run, arguments)
        elif training_images is not None:
            drawn = generate_images(generator, scaler, request.inputs)
            write_nearest(output, drawn, request, training_images, arguments.nearest, arguments.scale)
        else:
            if arguments.direction:
                directions = latent_directions(generator, run.config.latent_dim)
                request = moved_along(request, directions[arguments.direction - 1])
            batches = track(
                generate_batches(generator, scaler, request.inputs),
                "generating",
                -(-len(request.inputs) // BATCH_SIZE),
                "batches",
            )
            write_images(output, batches, request, run, scaler, arguments.scale)
    print(output)
    return DONE


def load_training_images(arguments: argparse.Namespace, run: RunFolder) -> ImageSet:
    if (arguments.data or run.config.data) in KERAS_DATASETS:
        import_tensorflow()
    return run.load_training_images(arguments.data)


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(prog=PROGRAM, description="Writes images from a trained generator.", epilog=EXAMPLES)
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run folder from train.py")
    which = parser.add_argument_group("which images (default: a grid of 64, starting at --seed)")
    add_which(which.add_mutually_exclusive_group())
    add_how(parser.add_argument_group("how"))
    add_where(parser.add_argument_group("where"))
    return parser


def add_which(which: argparse._ActionsContainer) -> None:
    which.add_argument("--count", type=positive_integer, metavar="N", help="N images, starting at --seed")
    which.add_argument("--seeds", type=seed_list, metavar="LIST", help="these seeds, such as 0-7,12")
    which.add_argument(
        "--latents",
        type=Path,
        metavar="FILE",
        help="these latent vectors: .npy, float32 (n, latent_dim), or .json, a list of lists",
    )
    which.add_argument(
        "--walk",
        type=seeds_or_latents,
        metavar="SEEDS|FILE",
        help="from each of these seeds or latent vectors to the next: a round trip as a .gif, .webp or .apng, one row "
        "per leg as an image file; only a .gif loses colors",
    )
    which.add_argument(
        "--project",
        type=Path,
        metavar="IMAGE",
        help="the closest image it can generate to this image file, or to each image in an .npy (n, height, width, "
        "channels); prints each root-mean-square error in levels",
    )


def add_how(how: argparse._ActionsContainer) -> None:
    how.add_argument("--seed", type=seed_number, default=0, metavar="N", help="the first seed (default 0)")
    how.add_argument(
        "--class",
        dest="classes",
        metavar="LIST",
        help="classes of a conditional run, such as cat,dog; one grid row per class (default: all)",
    )
    how.add_argument(
        "--direction",
        type=positive_integer,
        metavar="N",
        help="move each image along the direction that changes images most (1), second most (2), …; one row each, the "
        "image itself in the middle",
    )
    how.add_argument(
        "--truncation",
        type=truncation,
        default=1.0,
        metavar="PSI",
        help="scale the latent vectors by this share: below 1, images become more typical and more alike (default 1)",
    )
    how.add_argument(
        "--steps",
        type=positive_integer,
        metavar="N",
        help=f"steps from seed to seed with --walk (default {WALK_STEPS}; .gif 30), or along --direction (default "
        f"{DIRECTION_STEPS})",
    )
    how.add_argument(
        "--nearest",
        type=positive_integer,
        metavar="N",
        help="show each image beside its N nearest training images, to reveal copies",
    )
    how.add_argument("--data", metavar="NAME|PATH", help="with --nearest: the training images, if they have moved")
    how.add_argument("--best", action="store_true", help=BEST_HELP)


def add_where(where: argparse._ActionsContainer) -> None:
    where.add_argument("--rows", type=positive_integer, metavar="N", help="rows of the grid (default: 8, or as needed)")
    where.add_argument(
        "--columns", type=positive_integer, metavar="N", help="columns of the grid (default: 8, or as needed)"
    )
    where.add_argument(
        "--scale",
        type=positive_integer,
        metavar="N",
        help="enlarge a grid or animation by this whole factor; 1 keeps its pixels (default: to suit a screen)",
    )
    where.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="image file, .npy, .npz, .gif or folder (default in RUN: samples.png, or walk.gif, nearest.png, "
        "projection.png)",
    )
    where.add_argument(
        "--save-latents",
        type=Path,
        metavar="FILE",
        help="with --project: write the latent vectors it found, an .npy for --latents",
    )


def seeds_or_latents(text: str) -> list[int] | Path:
    return Path(text) if text.lower().endswith((".npy", ".json")) else seed_list(text)


def truncation(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and at most 1, got {text!r}")
    return value


if __name__ == "__main__":
    run_command(main)
