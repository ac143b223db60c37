"""Penalties on the gradient of a discriminator, which keep it from overpowering the generator.

Both assume that the discriminator's logit of an image depends on that image alone, so it must not have batch
normalization. Squared gradients are summed over the pixels of an image and averaged over the batch in float32.
"""

from collections.abc import Callable

import tensorflow as tf

Discriminator = Callable[[tf.Tensor], tf.Tensor]  # images -> float32 (batch, 1) logits


def zero_centered_penalty(discriminator: Discriminator, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits of the images, and mean ‖∇ logit‖² at them: R1 on real images, R2 on generated ones.

    Mescheder, Geiger, Nowozin 2018, "Which training methods for GANs do actually converge?"; their factor of one half
    is left to the caller. The logits are returned because the gradients need them anyway.

    images: float32 (batch, height, width, channels), before any augmentation, which belongs in `discriminator`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = discriminator(images)
        total = tf.reduce_sum(logits)  # no image affects another's logit, so this gives each image's own gradient
    slopes = tf.cast(tape.gradient(total, images), tf.float32)
    return logits, tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)))


def gradient_norm_penalty(
    discriminator: Discriminator, real_images: tf.Tensor, generated_images: tf.Tensor, shares: tf.Tensor
) -> tf.Tensor:
    """mean (‖∇ logit‖ − 1)² at points between real and generated images (WGAN-GP, Gulrajani et al. 2017).

    shares: float32 (batch, 1, 1, 1) in [0, 1], the position of each point on the line from real to generated.
    """
    between = real_images + shares * (generated_images - real_images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(between)
        total = tf.reduce_sum(discriminator(between))
    slopes = tf.cast(tape.gradient(total, between), tf.float32)
    squares = tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3))
    # The square root has no gradient at 0, which is the norm if a discriminator ignores its images.
    return tf.reduce_mean(tf.square(tf.sqrt(squares + 1e-12) - 1.0))
