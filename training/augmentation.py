"""Differentiable augmentation: real and generated images are changed alike before the discriminator sees them.

With few images a discriminator learns them by heart; changed at random they are never the same twice (Zhao et al. 2020,
"Differentiable augmentation for data-efficient GAN training"). The generator must not learn to draw the changes. While
enough images stay as they are it does not (Karras et al. 2020, "Training generative adversarial networks with limited
data": a chance of change below 0.8), so each augmentation touches an image with the chance `CHANCE`. Mirroring has a
chance of one half, which makes left and right equal on purpose.
"""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

CHANCE = 0.7  # of each augmentation but mirror, for each image
MIRROR_CHANCE = 0.5
BRIGHTNESS = 0.25  # of the value range, up or down
TRANSLATION = 1 / 8  # of a side, either way
CUTOUT = 1 / 2  # of a side


Draw = Callable[..., tf.Tensor]  # of (sampler, shape, seed), and the axis of the images where it is not the first


def draw_whole(sampler: Callable, shape: tuple, seed: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Numbers for images that are a batch of their own."""
    return sampler(shape, seed)


def augment(
    images: tf.Tensor, augmentations: tuple[str, ...], span: float, seed: tf.Tensor, draw: Draw = draw_whole
) -> tf.Tensor:
    """Changes each image at random, by every augmentation for itself, in their order.

    Args:
        images: float32 (batch, height, width, channels).
        augmentations: of "color" (brightness, saturation, contrast; an opacity stays), "translation" (whole pixels,
            the edge repeated), "cutout" (a square of the image's mean color and opacity) and "mirror" (left and right
            exchanged).
        span: width of the value range of the images, 2 for [-1, 1].
        seed: int32 (2,), from which all draws follow.
        draw: where the images are a part of a batch, what gives their part of its numbers.

    Returns:
        Images of the same shape; slopes flow through all of them. Raises ValueError for an unknown name.
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
    """Adds a gray, and moves every pixel towards or away from its own gray and the image's mean. Opacity stays."""
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
    """Covers a square around a random point, cut at the border, with the image's mean color."""
    inside = tf.ones((tf.shape(images)[0], 1, 1, 1), tf.bool)
    for axis, side in ((1, images.shape[1]), (2, images.shape[2])):
        length = round(side * CUTOUT)
        sampler = partial(tf.random.stateless_uniform, minval=0, maxval=side, dtype=tf.int32)
        middles = draw(sampler, (tf.shape(images)[0], 1), seed + tf.constant([0, axis]))
        distances = tf.range(side)[tf.newaxis] - middles  # (batch, side)
        covered = (distances >= -(length // 2)) & (distances < length - length // 2)
        inside &= tf.reshape(covered, (-1, side, 1, 1) if axis == 1 else (-1, 1, side, 1))
    return tf.where(inside, tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)
