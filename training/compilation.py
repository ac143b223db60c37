"""What makes the train step faster on this device, by short measurements: bfloat16, XLA, many steps in one call."""

import dataclasses
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from config import TrainingConfig
from image_datasets import ImageSet
from preprocessing import PixelScaler
from training.distribution import Replicas
from training.losses import gan_loss
from training.networks import build_networks
from training.precision import faster_precision, precision_of
from training.step import Batch, build_train_step

LEAST_GAIN = 1.1  # below this it is not worth the time it takes to compile
TURNS, STEPS = 5, 12  # of which every penalty interval in use has its share
AT_ONCE = 8  # steps in one call, or the next multiple of the penalty interval


def choose_precision(config: TrainingConfig, replicas: Replicas) -> TrainingConfig:
    """Where "auto" was asked for, the faster one; of many workers, that of the one which gains least."""
    if config.precision != "auto":
        return config
    gain = float(replicas.gather(faster_precision()[1]).min())
    precision = precision_of(gain)
    print(f"precision: {precision} (bfloat16 is {gain:.1f} times as fast as float32 here)", file=sys.stderr)
    return dataclasses.replace(config, precision=precision)


def choose_compiler(
    config: TrainingConfig, images: ImageSet, scaler: PixelScaler, replicas: Replicas
) -> TrainingConfig:
    """Where "auto" was asked for: XLA on a single GPU that is measured to gain by it, and nowhere else."""
    if config.xla != "auto":
        return config
    if not _is_single_gpu(replicas):
        return dataclasses.replace(config, xla="off")
    try:
        gain = gain_by_xla(config, images.image_shape, scaler.output_activation, len(images.class_names))
    except tf.errors.OpError as error:
        print(f"xla: off (it cannot compile the step here: {str(error).splitlines()[0]})", file=sys.stderr)
        return dataclasses.replace(config, xla="off")
    xla = "on" if gain >= LEAST_GAIN else "off"
    print(f"xla: {xla} (the step is {gain:.1f} times as fast with it here)", file=sys.stderr)
    return dataclasses.replace(config, xla=xla)


def choose_steps_per_execution(
    config: TrainingConfig, images: ImageSet, scaler: PixelScaler, replicas: Replicas
) -> int:
    """Several on a single GPU that is measured to gain by it, and one everywhere else."""
    if not _is_single_gpu(replicas):
        return 1
    several = config.whole_intervals(AT_ONCE)
    how = (images.image_shape, scaler.output_activation, len(images.class_names))
    gain = gain_by_steps_per_execution(config, several, *how)
    chosen = several if gain >= LEAST_GAIN else 1
    print(f"steps per execution: {chosen} ({several} are {gain:.1f} times as fast as one here)", file=sys.stderr)
    return chosen


def gain_by_xla(
    config: TrainingConfig, image_shape: tuple[int, int, int], output_activation: str, class_count: int = 0
) -> float:
    """How many times as fast the steps of a run are when XLA compiles them; TensorFlow compiles them otherwise.

    Both ways train networks of their own, which are thrown away, in turn on the same random pixels. The best times are
    compared, as by `training.precision.faster_precision`. Raises tf.errors.OpError where XLA cannot compile them.
    """
    networks = (image_shape, output_activation, class_count)
    return _gain(*(_turn(dataclasses.replace(config, xla=xla), *networks, STEPS, 1) for xla in ("off", "on")))


def gain_by_steps_per_execution(
    config: TrainingConfig,
    steps_per_execution: int,
    image_shape: tuple[int, int, int],
    output_activation: str,
    class_count: int = 0,
) -> float:
    """How many times as fast the steps of a run are when so many are taken in one call; measured as XLA's gain is."""
    steps = 2 * steps_per_execution
    networks = (image_shape, output_activation, class_count)
    return _gain(*(_turn(config, *networks, steps, at_once) for at_once in (1, steps_per_execution)))


def _is_single_gpu(replicas: Replicas) -> bool:
    return replicas.is_one_device and bool(tf.config.list_physical_devices("GPU"))


def _turn(
    config: TrainingConfig,
    image_shape: tuple[int, int, int],
    output_activation: str,
    class_count: int,
    steps: int,
    at_once: int,
) -> Callable[[], float]:
    """A function that takes so many steps, at_once in one call, waits for each call, and returns the seconds."""
    numbers = np.random.default_rng(0)
    images, others = numbers.uniform(-1, 1, (2, config.batch_size, *image_shape)).astype(np.float32)
    labels = np.zeros(config.batch_size, np.int64)
    batch = Batch(*map(tf.constant, (images, labels, others)))
    networks = build_networks(config, image_shape, output_activation, class_count)
    train_step = build_train_step(networks, gan_loss(config.loss), config, steps * (TURNS + 1))

    def turn() -> float:
        start = time.perf_counter()
        for number in range(0, steps, at_once):
            found = train_step.together([batch] * at_once, number)
            float(found[-1]["generator_loss"])  # waits until it is done
        return time.perf_counter() - start

    return turn


def _gain(one: Callable[[], float], other: Callable[[], float]) -> float:
    for turn in (one, other):
        turn()  # compiled and warmed up
    pairs = [(one(), other()) for _ in range(TURNS)]
    return float(np.divide(*np.min(pairs, axis=0)))
