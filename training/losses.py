"""Losses: pure functions, logits -> scalar. A discriminator's logit is above 0 for an image that looks real."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from config import LOSSES
from errors import InputError, words


@dataclass(frozen=True)
class GanLoss:
    """The losses of both networks; each takes float32 (batch, 1) logits and returns a float32 scalar.

    discriminator: takes (real_logits, generated_logits). generator: takes (generated_logits), or
    (real_logits, generated_logits) if `pairs` is set, for a loss that compares generated images with real ones.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[..., tf.Tensor]
    pairs: bool = False


def non_saturating_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(−real) + mean softplus(generated): binary cross-entropy on logits (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(generated_logits))


def non_saturating_generator_loss(generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(−generated): maximizes log D(G(z)), not minimizes log(1 − D(G(z))) (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-generated_logits))


def hinge_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean max(0, 1 − real) + mean max(0, 1 + generated) (Lim, Ye 2017; Miyato et al. 2018)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + generated_logits))


def hinge_generator_loss(generated_logits: tf.Tensor) -> tf.Tensor:
    """−mean generated (Lim, Ye 2017; Miyato et al. 2018). Also the generator's loss of the Wasserstein GAN."""
    return -tf.reduce_mean(generated_logits)


def wasserstein_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean generated − mean real: the negative estimate of the Wasserstein distance (Arjovsky et al. 2017).

    Only meaningful for a discriminator with bounded gradients: see `regularizers.gradient_norm_penalty`.
    """
    return tf.reduce_mean(generated_logits) - tf.reduce_mean(real_logits)


def relativistic_discriminator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(generated − real), paired by index (Jolicoeur-Martineau 2018; R3GAN: Huang et al. 2024)."""
    return tf.reduce_mean(tf.nn.softplus(generated_logits - real_logits))


def relativistic_generator_loss(real_logits: tf.Tensor, generated_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(real − generated), paired by index (Jolicoeur-Martineau 2018; R3GAN: Huang et al. 2024)."""
    return tf.reduce_mean(tf.nn.softplus(real_logits - generated_logits))


def gan_loss(name: str) -> GanLoss:
    """The loss with this name, one of `config.LOSSES`. Raises InputError for other names."""
    match name:
        case "non_saturating":
            return GanLoss(non_saturating_discriminator_loss, non_saturating_generator_loss)
        case "hinge":
            return GanLoss(hinge_discriminator_loss, hinge_generator_loss)
        case "wasserstein":
            return GanLoss(wasserstein_discriminator_loss, hinge_generator_loss)
        case "relativistic":
            return GanLoss(relativistic_discriminator_loss, relativistic_generator_loss, pairs=True)
    raise InputError(words("expected {loss} to be {}, got {!r}", " or ".join(LOSSES), name))
