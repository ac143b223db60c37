"""Differentiable augmentation: changes real and generated images in the same ways before the discriminator sees them.

With few images, a discriminator memorizes them; changed at random, they are never the same twice (Zhao et al. 2020,
"Differentiable augmentation for data-efficient GAN training"). The changes must not leak into generated images. They do
not as long as enough images stay unchanged (Karras et al. 2020, "Training generative adversarial networks with limited
data": a probability of change below 0.8), so each augmentation changes an image with probability `CHANCE`. Mirroring
has probability one half, which makes left and right equally likely on purpose.
"""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

CHANCE = 0.7  # probability of each augmentation but mirror, for each image
MIRROR_CHANCE = 0.5
BRIGHTNESS = 0.25  # share of the value range, up or down
TRANSLATION = 1 / 8  # share of a side, in either direction
CUTOUT = 1 / 2  # share of a side


Draw = Callable[..., tf.Tensor]  # (sampler, shape, seed), and the axis of the images if it is not the first


def draw_whole(sampler: Callable, shape: tuple, seed: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Random numbers for images that are a whole batch."""
    return sampler(shape, seed)


def augment(
    images: tf.Tensor, augmentations: tuple[str, ...], span: float, seed: tf.Tensor, draw: Draw = draw_whole
) -> tf.Tensor:
    """Applies the augmentations in order, each to random images independently of the others.

    Args:
        images: float32 (batch, height, width, channels).
        augmentations: any of "color" (brightness, saturation, contrast; opacity does not change), "translation" (by
            whole pixels, repeating the edge), "cutout" (a square in the image's mean color and opacity) and "mirror"
            (left and right exchanged).
        span: width of the value range of the images, 2 for [-1, 1].
        seed: int32 (2,); determines all random numbers.
        draw: for images that are part of a larger batch, draws their part of its random numbers.

    Returns:
        Images of the same shape; gradients flow through every augmentation. Raises ValueError for an unknown name.
    """
    for index, name in enumerate(augmentations):
        seeds = tf.random.split(seed + tf.constant([0, index]), 2)
        match name:
            case "color":
                changed = _color(images, span, seeds[0], draw)
            case "translation":
                changed = _translation(images, seeds[0], draw)
            case "cutout":
                changed = _cutout(images, seeds[0], draw)
            case "mirror":
                changed = images[:, :, ::-1]
            case _:
                raise ValueError(f"expected augmentations of color, translation, cutout and mirror, got {name!r}")
        chosen = draw(tf.random.stateless_uniform, (tf.shape(images)[0], 1, 1, 1), seeds[1])
        chosen = chosen < (MIRROR_CHANCE if name == "mirror" else CHANCE)
        images = tf.where(chosen, changed, images)
    return images


def _color(images: tf.Tensor, span: float, seed: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Changes brightness, saturation (distance from a pixel's gray) and contrast (from the mean), not opacity."""
    draws = draw(tf.random.stateless_uniform, (3, tf.shape(images)[0], 1, 1, 1), seed, axis=1)
    opacity = images[..., 3:]  # of RGBA
    images = images[..., :3]
    images = images + (draws[0] * 2.0 - 1.0) * BRIGHTNESS * span
    gray = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = gray + (images - gray) * (draws[1] * 2.0)  # saturation 0 to 2
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * (draws[2] + 0.5)  # contrast 0.5 to 1.5
    return images if opacity.shape[-1] == 0 else tf.concat([images, opacity], axis=-1)


def _translation(images: tf.Tensor, seed: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Moves each image by whole pixels along both sides."""
    for axis, side in ((1, images.shape[1]), (2, images.shape[2])):
        most = max(1, round(side * TRANSLATION))
        sampler = partial(tf.random.stateless_uniform, minval=-most, maxval=most + 1, dtype=tf.int32)
        moves = draw(sampler, (tf.shape(images)[0], 1), seed + tf.constant([0, axis]))
        places = tf.clip_by_value(tf.range(side)[tf.newaxis] + moves, 0, side - 1)  # (batch, side)
        images = tf.gather(images, places, axis=axis, batch_dims=1) if axis == 1 else _gather_columns(images, places)
    return images


def _gather_columns(images: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    turned = tf.transpose(images, (0, 2, 1, 3))
    return tf.transpose(tf.gather(turned, places, axis=1, batch_dims=1), (0, 2, 1, 3))


def _cutout(images: tf.Tensor, seed: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Covers a square around a random point, clipped at the border, with the image's mean color."""
    inside = tf.ones((tf.shape(images)[0], 1, 1, 1), tf.bool)
    for axis, side in ((1, images.shape[1]), (2, images.shape[2])):
        length = round(side * CUTOUT)
        sampler = partial(tf.random.stateless_uniform, minval=0, maxval=side, dtype=tf.int32)
        middles = draw(sampler, (tf.shape(images)[0], 1), seed + tf.constant([0, axis]))
        distances = tf.range(side)[tf.newaxis] - middles  # (batch, side)
        covered = (distances >= -(length // 2)) & (distances < length - length // 2)
        inside &= tf.reshape(covered, (-1, side, 1, 1) if axis == 1 else (-1, 1, side, 1))
    return tf.where(inside, tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)
