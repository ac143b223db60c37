"""Trains a GAN on images and writes sample grids: python train.py --help"""

import argparse
import contextlib
import dataclasses
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

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
from config import IMAGES, RECIPE, REGULARIZERS, RUN, TrainingConfig
from drawing.fonts import legend
from errors import InputError, LongInputError, Parameter, words
from files import reason_of
from image_datasets import ChoicesNeeded, ImageSet, LevelsSeen
from options import Choice, add_options, converter, option_name, options_of
from preprocessing import PixelScaler
from runs import RUNS_FOLDER, RunFolder, RunIsBusy, check_new, check_outside
from streams import print_result
from training.images import load_real_images, reading_summary
from training.workers import find_workers

PROGRAM = "train.py"
DISTRIBUTE = Choice(("mirrored", "multi-worker"))
EXAMPLES = """examples:
  python train.py                                       built-in digits, five to seven minutes on two cores
  python train.py --data cifar10 --epochs 30            downloaded once by Keras
  python train.py --data photos/ --image-size 64        your own images, cropped and resized
  python train.py --data photos/ --image-size 48x80     height x width
  python train.py --data photos/ --image-size 64 --minutes 30 --start-from runs/00000-cifar10
  python train.py --run-dir runs/mine --resume          continue where it stopped
  python train.py --run-dir runs/mine --resume --epochs 60
More options, which error messages name when they are needed: docs/options.md
"""


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    choices = explicit_choices(arguments)
    with one_line_errors(parser):
        worker, workers = find_workers(arguments.distribute)
        run, config = find_run(arguments, choices, worker == 0)
        check_start(arguments, config)
        scaler = PixelScaler(config.scaling, maximum=config.maximum)
        if run is not None and run.is_finished(config):
            print_result(f"{run.path} is finished; {run.how_to_go_on()}")
            return DONE
        levels = LevelsSeen(scaler)
        images = load_data(config, levels if run is None else None)
        if run is None:
            scaler.check_trainable()
            config = config.lasting(choices, len(images.images))
        else:
            run.check_same_images(images)
            scaler = run.load_scaler()
        import_tensorflow()  # only now, so that mistakes in the command are reported at once
        from training.distribution import open_replicas
        from training.dry_run import describe

        replicas = open_replicas(arguments.distribute, worker, workers, config.batch_size)
        config, networks = build(config, run, images, scaler, replicas)
        if arguments.dry_run:
            summarize(images, levels, config)
            print(describe(config, images, scaler, networks))
            return DONE
        training = open_training(run, arguments, config, images, scaler, networks)
    if replicas.is_chief:
        summarize(images, levels, config)
        print_result(training.run.path)
    return train_and_report(training, arguments.tensorboard, arguments.steps_per_execution)


def build_parser() -> ArgumentParser:
    """The options of a run, which are the fields of TrainingConfig, and those of this command alone."""
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
        help="steps per call of TensorFlow, a multiple of --penalty-interval (default 1)",
    )
    run.add_argument("--cache", type=Path, metavar="FOLDER", help=CACHE_HELP)
    run.add_argument(
        "--dry-run", action="store_true", help="load and build everything, print what would be done, write nothing"
    )
    return parser


def explicit_choices(arguments: argparse.Namespace) -> dict:
    """The options that were given, by the names of their fields in the config."""
    given = vars(arguments)
    return {name: given[name] for name in options_of(TrainingConfig) if given[name] is not None}


def find_run(arguments: argparse.Namespace, choices: dict, is_chief: bool) -> tuple[RunFolder | None, TrainingConfig]:
    """The run to resume, or None for a new one; and its config. The chief may have created it before other workers."""
    if not arguments.resume:
        if arguments.run_dir is not None and is_chief:
            check_new(arguments.run_dir)
        config = TrainingConfig.of(**choices, **inherited(choices))
        check_outside(arguments.run_dir, config.data)
        return None, config
    if arguments.run_dir is None:
        raise ValueError("expected --run-dir with --resume, got none; name the run to continue")
    run = RunFolder.open(arguments.run_dir)
    return run, run.config_to_resume(choices)


def inherited(choices: dict) -> dict:
    """What a run that starts from another has from its config: the kind of layers, so that their weights fit."""
    if "start_from" not in choices:
        return {}
    source = RunFolder.open(choices["start_from"]).config
    same = source.preset == choices.get("preset", TrainingConfig.preset)
    return {"smooth": source.smooth} if same else {}


def check_start(arguments: argparse.Namespace, config: TrainingConfig) -> None:
    """Raises ValueError for options of this command that do not fit the run."""
    if arguments.distribute and config.xla == "on":
        raise ValueError("expected --distribute or --xla on, got both; XLA compiles the step of a single device only")
    steps = arguments.steps_per_execution
    if steps > 1 and steps % config.penalty_interval:  # penalties would be in different places in each execution
        raise ValueError(
            f"expected --steps-per-execution divisible by {config.penalty_interval}, the steps from one penalty to the "
            f"next, got {steps}; pass {config.whole_intervals(steps)}"
        )


def load_data(config: TrainingConfig, visit: Callable | None) -> ImageSet:
    """The images to train on; if options are missing, the error contains the whole command with them."""
    try:
        return load_real_images(config, visit)
    except ChoicesNeeded as error:
        raise LongInputError(error.problem, command_with(error.choices)) from error


def command_with(choices: dict[str, object]) -> str:
    """Advice to run this command again with more options."""
    options = [Parameter(name, value).as_option(option_name(name)) for name, value in choices.items()]
    return " ".join(["run: python", PROGRAM, shlex.join(sys.argv[1:]), *options])


def build(config: TrainingConfig, run: RunFolder | None, images: ImageSet, scaler: PixelScaler, replicas):
    """The config with the measured precision and the run it starts from; and the networks built from it."""
    from training.networks import build_networks
    from training.precision import choose_precision
    from training.start import begin

    config = choose_precision(config, replicas)
    classes = len(images.class_names)
    networks = build_networks(
        config, images.image_shape, scaler.output_activation, classes, replicas, labels=images.labels
    )
    return begin(config, run, networks), networks


def choose_yardstick(config: TrainingConfig, images: ImageSet, cache: Path | None):
    """The yardstick of --evaluate-every, or None. Called before the run is created: a failure then leaves nothing."""
    if config.evaluate_every is None:
        return None
    from evaluation.cache import Cache
    from evaluation.yardstick import open_yardstick

    yardstick = open_yardstick(config, images, Cache.open(cache))
    print(f"distances by the {yardstick.extractor.description}", file=sys.stderr)
    return yardstick


def open_training(
    run: RunFolder | None,
    arguments: argparse.Namespace,
    config: TrainingConfig,
    images: ImageSet,
    scaler: PixelScaler,
    networks,
):
    """The training of a new run, or of an earlier one, with its state restored.

    Only the chief writes anything. Raises ValueError if other workers have other images, settings or checkpoints.
    """
    from training.history import History, restore_history
    from training.loop import Training
    from training.recorder import Setup

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
    return Training(Setup(run, images, scaler, networks, history), yardstick)


def summarize(images: ImageSet, levels: LevelsSeen, config: TrainingConfig) -> None:
    """Prints to standard error what was read, and what is unusual about it."""
    lines = reading_summary(images, levels, config)
    if config.conditional and legend(images.class_names):
        lines.append(legend(images.class_names))
    for line in lines:
        print(one_line(line, LongInputError.longest), file=sys.stderr)


def train_and_report(training, tensorboard: bool, steps_per_execution: int) -> int:
    """Trains; the last line on standard output names the results to look at."""
    from training.distribution import WorkerLost
    from training.loop import ImagesUnreadable, TrainingDiverged, TrainingStopped

    run, is_chief = training.run, training.replicas.is_chief
    try:
        with run.locked() if is_chief else contextlib.nullcontext():
            training.train(tensorboard, steps_per_execution)
    except TrainingStopped as stopped:
        again = f"python {PROGRAM} --run-dir {shlex.quote(str(run.path))} --resume"
        print(f"{PROGRAM}: stopped, the state is saved; continue with: {again}", file=sys.stderr)
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
