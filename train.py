"""Trains a GAN on images and writes sample grids: python train.py --help"""

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from command_line import (
    BAD_INPUT,
    CACHE_HELP,
    DONE,
    FAILED,
    INTERRUPTED,
    ArgumentParser,
    import_tensorflow,
    one_line,
    one_line_errors,
    positive_integer,
    run_command,
)
from config import CHANGED_BY_RESUMING, DIVIDING_SCALINGS, IMAGES, RECIPE, REGULARIZERS, RUN, TrainingConfig
from errors import InputError, LongInputError, Parameter, words
from files import reason_of
from image_datasets import (
    KERAS_DATASETS,
    ChoicesNeeded,
    ImageSet,
    LevelsSeen,
    ReadingOptions,
    load_images,
)
from models import ImageLayout
from options import Choice, add_options, converter, option_name, options_of
from preprocessing import PixelScaler
from progress import time_in_words
from runs import RUNS_FOLDER, RunFolder, RunIsBusy, check_new, check_outside
from streams import print_result

PROGRAM = "train.py"
DEFAULT_IMAGES, IMAGES_A_LINE = 200_000, 5_000  # shown in a run without --epochs, and from one line to the next
MOST_EPOCHS = 1_000_000  # of a run that its minutes end
DISTRIBUTE = Choice(("mirrored", "multi-worker"))
EXAMPLES = """examples:
  python train.py                                       built-in digits, ten minutes on two CPU cores
  python train.py --data cifar10 --epochs 30            downloaded once by Keras
  python train.py --data photos/ --image-size 64        your own images, cropped and resized
  python train.py --data photos/ --image-size 48x80     height x width
  python train.py --data photos/ --image-size 64 --minutes 30 --start-from runs/00000-cifar10
  python train.py --run-dir runs/mine --resume          continue where it stopped
  python train.py --run-dir runs/mine --resume --epochs 60
More options, which messages name where they are needed: docs/options.md
"""


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    choices = explicit_choices(arguments)
    with one_line_errors(parser):
        worker, workers = find_workers(arguments.distribute)
        run, config = find_run(arguments, choices, worker == 0)
        check_steps_per_execution(arguments.steps_per_execution, config)
        scaler = PixelScaler(config.scaling, maximum=config.maximum)
        if run is not None and is_finished(run, config) and run.has_networks():  # lost ones are written again
            print_result(f"{run.path} is finished; continue with more --epochs or --minutes")
            return DONE
        levels = LevelsSeen(scaler.partial_fit)
        images = load_data(config, levels if run is None else None)
        if run is None:
            config = choose_length(config, choices, len(images.images))
        import_tensorflow()  # as late as this, so that mistakes are answered at once
        if run is None:
            scaler.check_trainable()
        else:
            scaler = load_scaler(run, images)
        replicas = open_devices(arguments.distribute, worker, workers, config)
        config = choose_precision(config, replicas)
        networks = build(config, images, scaler, replicas)
        config = begin(config, run, networks)
        if arguments.dry_run:
            summarize(images, levels, config)
            return describe(config, images, scaler, networks)
        training = open_training(run, arguments, config, images, scaler, networks)
    if replicas.is_chief:
        summarize(images, levels, config)
        print_result(training.run.path)
    return train_and_report(training, arguments.tensorboard, arguments.steps_per_execution)


def build_parser() -> ArgumentParser:
    """The options of a run, which are the fields of TrainingConfig, and those of this start of it."""
    parser = ArgumentParser(
        prog=PROGRAM, description="Trains a GAN on images and writes sample grids.", epilog=EXAMPLES
    )
    for title in (IMAGES, RECIPE, REGULARIZERS):
        add_options(parser.add_argument_group(title), TrainingConfig, title)
    run = parser.add_argument_group(RUN)
    run.add_argument(
        "--run-dir", type=Path, metavar="FOLDER", help="folder to write to (default: the next free runs/00000-NAME)"
    )
    run.add_argument("--resume", action="store_true", help="continue the run in --run-dir exactly where it stopped")
    add_options(run, TrainingConfig, RUN)
    run.add_argument(
        "--tensorboard", action="store_true", help="also write event files for TensorBoard; --resume continues them"
    )
    run.add_argument(
        "--distribute",
        type=converter(DISTRIBUTE),
        metavar=DISTRIBUTE.metavar,
        help="train on all GPUs of this machine, or on the workers in TF_CONFIG, each started with the same command; "
        "see docs/distributed.md (default: one device)",
    )
    run.add_argument(
        "--steps-per-execution",
        type=positive_integer,
        metavar="N",
        default=1,
        help="steps that TensorFlow takes per call, a multiple of --penalty-interval; does not change the weights "
        "(default 1)",
    )
    run.add_argument("--cache", type=Path, metavar="FOLDER", help=CACHE_HELP)
    run.add_argument(
        "--dry-run", action="store_true", help="load and build everything, print what would be done, write nothing"
    )
    return parser


def explicit_choices(arguments: argparse.Namespace) -> dict:
    """The options that were given, by the names of their config fields."""
    given = vars(arguments)
    return {name: given[name] for name in options_of(TrainingConfig) if given[name] is not None}


def find_workers(distribute: str | None) -> tuple[int, int]:
    """Which worker this process is, 0 being the chief, and how many there are, by TF_CONFIG for those of many."""
    if distribute != "multi-worker":
        return 0, 1
    try:
        document = json.loads(os.environ.get("TF_CONFIG", ""))
        cluster, kind, index = document["cluster"], document["task"]["type"], int(document["task"]["index"])
        tasks = [(kind, number) for kind in ("chief", "worker") for number in range(len(cluster.get(kind, ())))]
        return tasks.index((kind, index)), len(tasks)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            'expected TF_CONFIG such as {"cluster": {"worker": ["one:2222", "two:2222"]}, "task": {"type": "worker", '
            f'"index": 0}}}} with --distribute multi-worker, got {os.environ.get("TF_CONFIG") or "none"}; set it at '
            "each worker"
        ) from None


def find_run(arguments: argparse.Namespace, choices: dict, is_chief: bool) -> tuple[RunFolder | None, TrainingConfig]:
    """The run to go on with, or None for a new one; and its config. The chief may have begun it before the others."""
    if arguments.distribute and choices.get("xla") == "on":
        raise ValueError("expected --distribute or --xla on, got both; XLA compiles the step of a single device only")
    if not arguments.resume:
        if arguments.run_dir is not None and is_chief:
            check_new(arguments.run_dir)
        config = TrainingConfig.of(**choices)
        check_outside(arguments.run_dir, config.data)
        return None, config
    if arguments.run_dir is None:
        raise ValueError("expected --run-dir with --resume, got none; name the run to continue")
    run = RunFolder.open(arguments.run_dir)
    run.check_settings_known()
    run.check_own_folders()
    contradictions = run.config.contradictions(choices)
    if contradictions:
        raise InputError(
            (f"expected the settings of {run.path} with --resume, got ", *contradictions),
            "leave them out",
            "start a new run",
        )
    if "data" not in choices:
        run.check_data_is_there()
    changed = {name: value for name, value in choices.items() if name in CHANGED_BY_RESUMING}
    return run, dataclasses.replace(run.config, **changed)


def is_finished(run: RunFolder, config: TrainingConfig) -> bool:
    """Whether nothing of the run is left to do: its report, which is written last, is newer than its checkpoint."""
    checkpoint, report = run.latest_checkpoint(), run.path / "report.html"
    networks = [run.path / f"{name}.keras" for name in ("generator", "discriminator")]
    if checkpoint is None or not all(path.exists() for path in (report, *networks)):
        return False
    if report.stat().st_mtime < checkpoint.stat().st_mtime:
        return False
    state = run.load_checkpoint()
    steps, minutes = int(state["progress/step"]), float(state["progress/seconds"][0]) / 60
    if config.minutes is not None and minutes >= config.minutes:
        return True
    return steps == config.epochs * run.steps_per_epoch  # fewer epochs than are done are a mistake, which is told later


def choose_length(config: TrainingConfig, choices: dict, count: int) -> TrainingConfig:
    """The epochs of a new run where none were asked for: as many as show `DEFAULT_IMAGES`, or the minutes will end it.

    Such a run writes after every `IMAGES_A_LINE`, which may be many epochs of few images.
    """
    if "epochs" in choices:
        return config
    epochs = MOST_EPOCHS if config.minutes else max(1, round(DEFAULT_IMAGES / count))
    save_every = choices.get("save_every", max(1, round(IMAGES_A_LINE / count)))
    return dataclasses.replace(config, epochs=epochs, save_every=save_every)


def check_steps_per_execution(asked: int, config: TrainingConfig) -> None:
    """Raises ValueError for a number whose steps would have their penalties in other places each time."""
    if asked > 1 and asked % config.penalty_interval:
        raise ValueError(
            f"expected --steps-per-execution divisible by {config.penalty_interval}, the steps from one penalty to the "
            f"next, got {asked}; pass {config.whole_intervals(asked)}"
        )


def load_data(config: TrainingConfig, visit: Callable | None) -> ImageSet:
    """The images of the run; `visit` is called with all of them on the way, so that they need not be read once more."""
    if config.image_size is not None:
        ImageLayout.of((*config.image_size, config.channels or 3))  # before long loading
    if config.data in KERAS_DATASETS:
        import_tensorflow()
    try:
        images = load_images(config.data, ReadingOptions.of(config), ImageLayout.of, visit)
    except ChoicesNeeded as error:
        if error.image_count < 2:
            raise LongInputError(error.problem, "add images; two are the least") from error
        choices = dict(error.choices)
        if error.image_count < config.batch_size:
            choices["batch_size"] = error.image_count
        raise LongInputError(error.problem, command_with(choices)) from error
    ImageLayout.of(images.image_shape)
    if len(images.images) < 2:
        raise InputError(f"expected at least two images in {images.name}, got one", "add some")
    if config.conditional:
        check_classes(images)
    if config.batch_size > len(images.images):
        raise InputError(
            (
                "expected ",
                Parameter("batch_size"),
                f" of at most {len(images.images)}, the images there are, got {config.batch_size}",
            ),
            ("pass ", Parameter("batch_size", len(images.images))),
        )
    return images


def check_classes(images: ImageSet) -> None:
    """Raises InputError unless there are at least two classes, and images of each."""
    conditional = Parameter("conditional", True)
    if images.report.other_level is not None:
        raise LongInputError(
            ("expected classes with ", conditional, f", got {images.report.doubt}"),
            command_with({"class_level": images.report.other_level}),
        )
    if len(images.class_names) < 2:
        raise InputError(
            (
                "expected images of at least two classes with ",
                conditional,
                f", got {len(images.class_names)} in {images.name}",
            ),
            "put the images of each class into a sub-folder of its own",
            ("name the classes by ", Parameter("labels")),
        )
    empty = images.classes_without_images()
    if empty:
        raise InputError(
            ("expected images of each class with ", conditional, f", got none of {', '.join(empty)}"),
            "remove the folder or add images to it",
            ("take more by ", Parameter("image_count")),
        )


def command_with(choices: dict[str, object]) -> str:
    """The advice to run this command again with more options."""
    options = [Parameter(name, value).as_option(option_name(name)) for name, value in choices.items()]
    return " ".join(["run: python", PROGRAM, shlex.join(sys.argv[1:]), *options])


def summarize(images: ImageSet, levels: LevelsSeen, config: TrainingConfig) -> None:
    """Says on standard error what was read, what was left out, and whether the levels fill their type."""
    lines = images.summary(levels.lowest, levels.highest)
    white = np.iinfo(images.images.dtype).max
    scaled_by_white = config.maximum is None and config.scaling in DIVIDING_SCALINGS
    if levels.highest is not None and levels.highest <= white / 2 and scaled_by_white:
        lines.append(f"the levels reach {levels.highest} of {white}; --maximum data scales them to the whole range")
    for line in lines:
        print(one_line(line, LongInputError.longest), file=sys.stderr)


def load_scaler(run: RunFolder, images: ImageSet) -> PixelScaler:
    """The scaling of an earlier run, which goes on with the same images only."""
    run.check_same_images(images)
    return run.load_scaler()


def open_devices(distribute: str | None, worker: int, workers: int, config: TrainingConfig):
    from training.distribution import open_replicas

    return open_replicas(distribute, worker, workers, config.batch_size)


def choose_precision(config: TrainingConfig, replicas) -> TrainingConfig:
    """Where "auto" was asked for, the faster precision here; of many workers, that of the one which gains least."""
    if config.precision != "auto":
        return config
    from training.precision import faster_precision, precision_of

    gain = float(replicas.gather(faster_precision()[1]).min())
    precision = precision_of(gain)
    print(f"precision: {precision} (bfloat16 is {gain:.1f} times as fast as float32 here)", file=sys.stderr)
    return dataclasses.replace(config, precision=precision)


def build(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, replicas):
    from training.networks import build_networks

    with replicas.watched():
        return build_networks(
            config, images.image_shape, scaler.output_activation, len(images.class_names), replicas, images.labels
        )


def choose_yardstick(config: TrainingConfig, images: ImageSet, cache: Path | None):
    """What --evaluate-every measures with, or None. Before the run begins, so that it fails before it is there."""
    if config.evaluate_every is None:
        return None
    from evaluation.cache import Cache
    from evaluation.yardstick import open_yardstick

    yardstick = open_yardstick(config, images, Cache.open(cache))
    print(f"distances by the {yardstick.extractor.description}", file=sys.stderr)
    return yardstick


def begin(config: TrainingConfig, run: RunFolder | None, networks) -> TrainingConfig:
    """Takes over the networks of --start-from, for a run that has no checkpoint yet; the config then names them."""
    if config.start_from is None or (run is not None and run.latest_checkpoint() is not None):
        return config
    from training.start import begin_from

    source = RunFolder.open(config.start_from)
    line, sha256 = begin_from(source, networks, config.latent_dim, config.start_sha256)
    print(line, file=sys.stderr)
    return dataclasses.replace(config, start_sha256=sha256)


def describe(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, networks) -> int:
    """Says what would be done."""
    height, width, channels = images.image_shape
    steps, replicas = len(images.images) // config.batch_size, networks.replicas
    print(f"images         {len(images.images)} of {height}x{width}x{channels} {images.images.dtype}, {images.name}")
    print(f"classes        {', '.join(images.class_names) or 'none'}")
    print(f"scaling        {config.scaling}, to {scaler.output_range[0]:g} … {scaler.output_range[1]:g}")
    print(f"generator      {networks.generator.count_params():,} parameters, ends in {scaler.output_activation}")
    print(f"discriminator  {networks.discriminator.count_params():,} parameters")
    print(f"recipe         preset {config.preset}, loss {config.loss}, {config.precision}, on {find_device()}")
    if not replicas.is_one_device:
        print(f"replicas       {replicas.count}, {config.batch_size // replicas.count} images a step each")
    length = f"{config.minutes:g} minutes of epochs" if config.minutes else f"{config.epochs} epochs"
    checkpoint = sum(values.nbytes for values in networks.state().values()) / 1e6
    if replicas.is_one_device:
        seconds = measure_step(config, images, scaler, networks)
        whole = 60 * config.minutes if config.minutes else config.epochs * steps * seconds
        first = min(whole, config.save_every * steps * seconds)
        print(f"time           {time_in_words(whole)} at {config.batch_size / seconds:.3g} images/s, measured just now")
        print(f"first picture  after {time_in_words(first)}")
        print(f"memory         {most_memory()}")
    print(f"disk           {checkpoint:.0f} MB for a checkpoint; the last two are kept")
    print(f"work           {length} of {steps} steps of {config.batch_size} images; nothing was written")
    return DONE


def measure_step(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, networks) -> float:
    """Seconds per step, by a few steps of these networks, which are not used afterwards."""
    from training.step import Batch, TrainStep

    low, high = scaler.output_range
    train_step = TrainStep(networks, config, config.epochs, high - low)
    real = scaler.transform(images.images[: config.batch_size])
    labels = images.labels[: config.batch_size] if config.conditional else None
    batch, interval = Batch(real, labels, real if train_step.loss.pairs else None), config.penalty_interval
    for step in range(2 * interval):
        if step == interval:  # before it, both graphs were compiled
            start = time.perf_counter()
        float(train_step(batch, step)["generator_loss"])
    return (time.perf_counter() - start) / interval


def most_memory() -> str:
    """The most that this process had resident so far, in words."""
    try:
        import resource
    except ImportError:  # Windows
        return "not known on this system"
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.1f} GiB at the most so far"


def find_device() -> str:
    """What TensorFlow will compute on, in words."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else f"CPU, {os.cpu_count()} cores"


def open_training(
    run: RunFolder | None,
    arguments: argparse.Namespace,
    config: TrainingConfig,
    images: ImageSet,
    scaler: PixelScaler,
    networks,
):
    """The training of a new run; or of the earlier one, its state put into the networks, from where it stopped.

    Only the chief writes anything. Raises ValueError when other workers have other images, settings or checkpoints.
    """
    from training.history import History, restore_history
    from training.loop import Training

    replicas = networks.replicas
    yardstick = choose_yardstick(config, images, arguments.cache) if replicas.is_chief else None
    history = History() if run is None else restore_history(dataclasses.replace(run, config=config), networks)
    if replicas.workers > 1:
        settings = dataclasses.replace(config, data="")
        replicas.check_alike(settings, images.fingerprint(), history.step, arguments.steps_per_execution)
    if not replicas.is_chief:
        run = RunFolder.of(arguments.run_dir or RUNS_FOLDER, config, images)
    elif run is None:
        run = RunFolder.create(arguments.run_dir, config, images, scaler)
    else:
        run = run.with_config(config)
    return Training(run, images, scaler, networks, history, yardstick)


def train_and_report(training, tensorboard: bool, steps_per_execution: int) -> int:
    """Trains; the last line on standard output says where to look."""
    from training.distribution import WorkerLost
    from training.loop import ImagesUnreadable, TrainingDiverged, TrainingStopped

    run, is_chief = training.run, training.replicas.is_chief
    try:
        with run.locked() if is_chief else contextlib.nullcontext():
            training.train(tensorboard, steps_per_execution)
    except TrainingStopped as stopped:
        print(
            f"{PROGRAM}: stopped, the state is saved; continue with: {PROGRAM} --run-dir {run.path} --resume",
            file=sys.stderr,
        )
        return INTERRUPTED if stopped.signal_number == signal.SIGINT else 128 + stopped.signal_number
    except (TrainingDiverged, WorkerLost) as failure:
        print(build_parser().error_line(failure), file=sys.stderr)
        return FAILED
    except (RunIsBusy, ImagesUnreadable) as error:
        print(build_parser().error_line(error), file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        failure = InputError(
            f"expected to write the run, got {place}{reason_of(error)}", words("then continue with {resume}")
        )
        print(build_parser().error_line(failure), file=sys.stderr)
        return BAD_INPUT
    curves = "distance.png" if training.history.best else "losses.png"
    if is_chief:
        print(f"done: look at {run.path / 'report.html'}, or {run.path / 'comparison.png'} and {run.path / curves}")
    return DONE


if __name__ == "__main__":
    run_command(main)
