"""Discriminators: images -> logits, each a keras.Sequential that reads like a diagram."""

import keras
from keras import layers

from errors import InputError, words
from models.layout import ImageLayout, layout_of

KERNEL = (5, 5)
SLOPE = 0.2  # leaky ReLU's slope below 0


def build_discriminator(
    image_shape: tuple[int, int, int] | ImageLayout,
    preset: str = "r1gan",
    dtype: str = "float32",
    class_count: int = 0,
    spectral_normalization: bool = False,
) -> keras.Sequential:
    """Builds the discriminator of a preset for images of `image_shape`.

    Args:
        image_shape: (height, width, channels) of the images, sides divisible by 4 from 16 to 256, 1, 3 or 4 channels;
            or a layout other than the preset's own.
        preset: one of those below; each has a function that names the source of its network.
        dtype: Keras dtype policy of the layers, "float32" or "mixed_bfloat16"; variables and logits are float32.
        class_count: 0 for one logit per image; otherwise one logit per class, where only that of the image's own class
            counts (Mescheder, Geiger, Nowozin 2018).
        spectral_normalization: hold the largest singular value of every kernel at 1 (Miyato et al. 2018).

    Returns:
        float32 (batch, height, width, channels) -> float32 (batch, 1 or class_count), above 0 where the image looks
        real.

    Raises:
        ValueError: for a shape that is not supported (the message names the nearest that is) or an unknown preset.
    """
    layout, logits = layout_of(image_shape, preset), max(1, class_count)
    match preset:
        case "tutorial":
            network = _tutorial_discriminator(layout, dtype, logits)
        case "dcgan":
            network = _dcgan_discriminator(layout, dtype, logits)
        case "r1gan":
            network = _r1gan_discriminator(layout, dtype, logits)
        case _:  # the names are in config.PRESETS, a floor above this one
            raise InputError(
                words("expected a {preset} with a discriminator, got {!r}", preset), "choose one of config.PRESETS"
            )
    return _spectrally_normalized(network) if spectral_normalization else network


def _spectrally_normalized(network: keras.Sequential) -> keras.Sequential:
    """The same network with each kernel layer wrapped. The wrappers assign to the kernels, so they are float32."""
    wrapped = [
        layers.SpectralNormalization(layer, dtype="float32") if hasattr(layer, "kernel") else layer
        for layer in network.layers
    ]
    return keras.Sequential([keras.Input(network.input_shape[1:], name="images"), *wrapped], name=network.name)


def _tutorial_discriminator(layout: ImageLayout, dtype: str, logits: int) -> keras.Sequential:
    """The layers as text D prints them, nothing between; logits in place of its sigmoid, which a loss applies."""
    stack = [keras.Input((layout.height, layout.width, layout.channels), name="images")]  # (batch, 32, 32, 3)
    for filters in layout.filters:
        stack += [layers.Conv2D(filters, KERNEL, strides=2, padding="same", dtype=dtype)]  # (batch, 16, 16, 64), …
    stack += [layers.Flatten(dtype=dtype)]  # (batch, 8 · 8 · 128)
    stack += [layers.Dense(logits, dtype="float32", name="logits")]
    return keras.Sequential(stack, name="discriminator")


def _dcgan_discriminator(layout: ImageLayout, dtype: str, logits: int) -> keras.Sequential:
    """Radford, Metz, Chintala 2015: leaky ReLU and dropout between the same layers, weights from N(0, 0.02)."""

    def weights() -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(stddev=0.02)

    stack = [keras.Input((layout.height, layout.width, layout.channels), name="images")]  # (batch, 32, 32, 3)
    for filters in layout.filters:  # (batch, 16, 16, 64), (batch, 8, 8, 128)
        stack += [layers.Conv2D(filters, KERNEL, 2, "same", kernel_initializer=weights(), dtype=dtype)]
        stack += [layers.LeakyReLU(SLOPE, dtype=dtype), layers.Dropout(0.1, dtype=dtype)]
    stack += [layers.Flatten(dtype=dtype)]  # (batch, 8 · 8 · 128)
    stack += [layers.Dense(logits, kernel_initializer=weights(), dtype="float32", name="logits")]
    return keras.Sequential(stack, name="discriminator")


def _r1gan_discriminator(layout: ImageLayout, dtype: str, logits: int) -> keras.Sequential:
    """The convolutional network of Miyato et al. 2018 at half its width, without its last convolution."""

    def weights(slope: float) -> keras.initializers.Initializer:
        # He et al. 2015, for a leaky ReLU: signals keep their size through twelve layers without normalization. From
        # N(0, 0.02), as in DCGAN, they would fade to a thousandth, and the discriminator would see nothing.
        return keras.initializers.VarianceScaling(2.0 / (1.0 + slope**2), "fan_in", "untruncated_normal")

    def convolution(filters: int, kernel: int, strides: int) -> list[layers.Layer]:
        convolve = layers.Conv2D(filters, kernel, strides, "same", kernel_initializer=weights(SLOPE), dtype=dtype)
        return [convolve, layers.LeakyReLU(SLOPE, dtype=dtype)]

    stack = [keras.Input((layout.height, layout.width, layout.channels), name="images")]  # (batch, 32, 32, 3)
    for filters in layout.filters:  # (batch, 16, 16, 32), (batch, 8, 8, 64), (batch, 4, 4, 128)
        stack += [*convolution(filters, kernel=3, strides=1), *convolution(filters, kernel=4, strides=2)]
    stack += [layers.Flatten(dtype=dtype)]  # (batch, 4 · 4 · 128)
    stack += [layers.Dense(logits, kernel_initializer=weights(slope=1.0), dtype="float32", name="logits")]
    return keras.Sequential(stack, name="discriminator")
