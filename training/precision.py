"""Chooses the faster arithmetic on this machine by a short measurement."""

import dataclasses
import sys
import time
from collections.abc import Callable
from statistics import median

import tensorflow as tf

from config import TrainingConfig
from training.distribution import Replicas

LEAST_GAIN = 1.15  # below this, bfloat16 is not worth its 8 bits of precision


def faster_precision(repeats: int = 15) -> tuple[str, float]:
    """Times two layers of the default discriminator, forward and backward, alternating between both types.

    Returns ("bfloat16" or "float32", how many times faster bfloat16 is): the median of the pairs, which other work on
    the machine changes least, since two equal commands should choose the same precision.
    """
    in_float32, in_bfloat16 = _two_layers(tf.float32), _two_layers(tf.bfloat16)
    ratio = median(_seconds(in_float32) / _seconds(in_bfloat16) for _ in range(repeats))
    return precision_of(ratio), ratio


def choose_precision(config: TrainingConfig, replicas: Replicas) -> TrainingConfig:
    """Replaces "auto" by the faster precision here; several workers take that of the one that gains least."""
    if config.precision != "auto":
        return config
    gain = float(replicas.gather(faster_precision()[1]).min())
    precision = precision_of(gain)
    print(f"precision: {precision} (bfloat16 is {gain:.1f} times as fast as float32 here)", file=sys.stderr)
    return dataclasses.replace(config, precision=precision)


def precision_of(gain: float) -> str:
    """The precision for a machine where bfloat16 is `gain` times as fast as float32."""
    return "bfloat16" if gain >= LEAST_GAIN else "float32"


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy for a precision; variables are float32 under both."""
    return {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]


def _two_layers(dtype: tf.DType) -> Callable[[], tf.Tensor]:
    """Convolutions with and without a stride, each activated: a single one gains less than a whole step."""
    images = tf.random.stateless_normal((64, 16, 16, 32), seed=(0, 0))
    kernels = [tf.random.stateless_normal(shape, seed=(0, 1)) for shape in ((3, 3, 32, 64), (4, 4, 64, 64))]

    @tf.function
    def forward_and_back() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernels)
            activations = tf.cast(images, dtype)
            for kernel, strides in zip(kernels, (1, 2), strict=True):
                activations = tf.nn.conv2d(activations, tf.cast(kernel, dtype), strides, padding="SAME")
                activations = tf.nn.leaky_relu(activations)
            score = tf.reduce_sum(tf.cast(activations, tf.float32) ** 2)
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(score, kernels)])

    forward_and_back()  # traced and warmed up
    return forward_and_back


def _seconds(function: Callable[[], tf.Tensor]) -> float:
    start = time.perf_counter()
    function().numpy()
    return time.perf_counter() - start
