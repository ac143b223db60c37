"""Whether XLA makes the train step faster on this device, found by a short measurement."""

import dataclasses
import time

import numpy as np
import tensorflow as tf

from config import TrainingConfig
from training.losses import gan_loss
from training.networks import build_networks
from training.step import Batch, TrainStep, build_train_step

LEAST_GAIN = 1.1  # below this it is not worth the time it takes to compile
TURNS, STEPS = 5, 12  # of which every penalty interval in use has its share


def gain_by_xla(
    config: TrainingConfig, image_shape: tuple[int, int, int], output_activation: str, class_count: int = 0
) -> float:
    """How many times as fast the steps of a run are when XLA compiles them; TensorFlow compiles them otherwise.

    Both ways train networks of their own, which are thrown away, in turn on the same random pixels. The best times are
    compared, as by `training.precision.faster_precision`. Raises tf.errors.OpError where XLA cannot compile them.
    """
    numbers = np.random.default_rng(0)
    images, others = numbers.uniform(-1, 1, (2, config.batch_size, *image_shape)).astype(np.float32)
    labels = np.zeros(config.batch_size, np.int64)
    batch = Batch(*map(tf.constant, (images, labels, others, labels)))

    def step_of(xla: str) -> TrainStep:
        networks = build_networks(config, image_shape, output_activation, class_count)
        total_steps = STEPS * (TURNS + 1)
        return build_train_step(networks, gan_loss(config.loss), dataclasses.replace(config, xla=xla), total_steps)

    def seconds(step: TrainStep) -> float:
        start = time.perf_counter()
        for number in range(STEPS):
            found = step(batch, number)
            float(found["generator_loss"])  # waits until it is done
        return time.perf_counter() - start

    steps = step_of("off"), step_of("on")
    for step in steps:
        seconds(step)  # compiled and warmed up
    pairs = [[seconds(step) for step in steps] for _ in range(TURNS)]
    without, with_it = np.min(pairs, axis=0)
    return float(without / with_it)
