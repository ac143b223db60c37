"""Chooses the faster arithmetic on this machine by a short measurement."""

import dataclasses
import sys
import time
from collections.abc import Callable

import tensorflow as tf

from config import TrainingConfig
from training.distribution import Replicas

LEAST_GAIN = 1.15  # below this, bfloat16 is not worth its 8 bits of precision


def faster_precision(repeats: int = 10) -> tuple[str, float]:
    """Times a convolution of the size that dominates training, forward and backward, alternating between both types.

    Returns ("bfloat16" or "float32", how many times faster bfloat16 is). Compares the best times: other work on the
    machine only ever adds to a time, and two equal commands should choose the same precision.
    """
    in_float32, in_bfloat16 = _convolution(tf.float32), _convolution(tf.bfloat16)
    pairs = [(_seconds(in_float32), _seconds(in_bfloat16)) for _ in range(repeats)]
    ratio = min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)
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


def _convolution(dtype: tf.DType) -> Callable[[], tf.Tensor]:
    images = tf.random.stateless_normal((64, 16, 16, 64), seed=(0, 0))
    kernel = tf.random.stateless_normal((5, 5, 64, 128), seed=(0, 1))

    @tf.function
    def forward_and_back() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            activations = tf.nn.conv2d(tf.cast(images, dtype), tf.cast(kernel, dtype), strides=2, padding="SAME")
            score = tf.reduce_sum(tf.cast(activations, tf.float32) ** 2)
        return tf.reduce_sum(tape.gradient(score, kernel))

    forward_and_back()  # traced and warmed up
    return forward_and_back


def _seconds(function: Callable[[], tf.Tensor]) -> float:
    start = time.perf_counter()
    function().numpy()
    return time.perf_counter() - start
