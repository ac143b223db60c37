"""Losses: pure functions, logits -> scalar. A discriminator's logit is above 0 where an image looks real."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class GanLoss:
    """The two sides of one game; each takes float32 (batch, 1) logits and returns a float32 scalar."""

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # (real_logits, generated_logits)
    generator: Callable[[tf.Tensor], tf.Tensor]  # (generated_logits)


def non_saturating_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(−real) + mean softplus(generated): binary cross-entropy on logits (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(generated_logits))


def non_saturating_generator_loss(generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(−generated): maximise log D(G(z)), not minimise log(1 − D(G(z))) (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-generated_logits))


def hinge_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean max(0, 1 − real) + mean max(0, 1 + generated) (Lim, Ye 2017; Miyato et al. 2018)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + generated_logits))


def hinge_generator_loss(generated_logits: tf.Tensor) -> tf.Tensor:
    """−mean generated (Lim, Ye 2017; Miyato et al. 2018)."""
    return -tf.reduce_mean(generated_logits)


def gan_loss(name: str) -> GanLoss:
    """The loss of a name: "non_saturating" or "hinge". Raises ValueError for another one."""
    match name:
        case "non_saturating":
            return GanLoss(non_saturating_discriminator_loss, non_saturating_generator_loss)
        case "hinge":
            return GanLoss(hinge_discriminator_loss, hinge_generator_loss)
    raise ValueError(f"expected loss non_saturating or hinge, got {name!r}")
