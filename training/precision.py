"""Which arithmetic is faster on this machine, found by a short measurement."""

import statistics
import time
from collections.abc import Callable

import tensorflow as tf

LEAST_GAIN = 1.15  # below this bfloat16 is not worth its 8 bits of precision


def faster_precision(repeats: int = 7) -> tuple[str, float]:
    """Times a convolution of the size that training spends its time in, forward and back, in turn in both types.

    Returns ("bfloat16" or "float32", how many times faster bfloat16 is: the median of the paired ratios).
    """
    in_float32, in_bfloat16 = _convolution(tf.float32), _convolution(tf.bfloat16)
    ratios = []
    for _ in range(repeats):
        seconds = _seconds(in_float32)
        ratios.append(seconds / _seconds(in_bfloat16))
    ratio = statistics.median(ratios)
    return ("bfloat16" if ratio >= LEAST_GAIN else "float32"), ratio


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy of a precision: variables stay float32 under both."""
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
