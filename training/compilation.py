"""What makes the train step faster on this device, found by short measurements: XLA, and many steps in one call."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from config import TrainingConfig
from training.losses import gan_loss
from training.networks import build_networks
from training.step import Batch, build_train_step

LEAST_GAIN = 1.1  # below this it is not worth the time it takes to compile
TURNS, STEPS = 5, 12  # of which every penalty interval in use has its share
AT_ONCE = 8  # steps in one call, or the next multiple of the penalty interval


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
    batch = Batch(*map(tf.constant, (images, labels, others, labels)))
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
