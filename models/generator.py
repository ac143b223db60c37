"""Generators: latents -> images, each a keras.Sequential that reads like a diagram."""

import keras
from keras import layers

from errors import InputError, words
from models.layout import ImageLayout, layout_of

KERNEL = (5, 5)


def build_generator(
    image_shape: tuple[int, int, int] | ImageLayout,
    latent_dim: int = 100,
    preset: str = "r1gan",
    output_activation: str = "tanh",
    dtype: str = "float32",
    class_count: int = 0,
) -> keras.Sequential:
    """Builds the generator of a preset for images of `image_shape`.

    Args:
        image_shape: (height, width, channels) of the images, sides divisible by 4 from 16 to 256, 1, 3 or 4 channels;
            or a layout other than the preset's own.
        latent_dim: length of a latent vector.
        preset: one of those below; each has a function that names the source of its network.
        output_activation: the last activation, which depends on the range of the scaled pixels: "tanh", "sigmoid" or
            "linear".
        dtype: Keras dtype policy of the layers, "float32" or "mixed_bfloat16"; variables and the last activation are
            float32 under both.
        class_count: the number of classes of a conditional generator, 0 without; the one-hot code of the class follows
            the latent vector.

    Returns:
        float32 (batch, latent_dim + class_count) -> float32 (batch, height, width, channels).

    Raises:
        ValueError: for a shape that is not supported (the message names the nearest that is) or an unknown preset.
    """
    layout = layout_of(image_shape, preset)
    input_length = latent_dim + class_count
    match preset:
        case "tutorial":
            return _tutorial_generator(layout, input_length, output_activation, dtype)
        case "dcgan":
            return _dcgan_generator(layout, input_length, output_activation, dtype)
        case "r1gan":
            return _r1gan_generator(layout, input_length, output_activation, dtype)
    # The names are in config.PRESETS, a floor above this one.
    raise InputError(words("expected a {preset} with a generator, got {!r}", preset), "choose one of config.PRESETS")


def _tutorial_generator(layout: ImageLayout, input_length: int, output_activation: str, dtype: str) -> keras.Sequential:
    """The layers as text D prints them, with nothing between them."""
    height, width = layout.base_grid  # shapes in the comments are those of 32×32×3 images
    first, *rest = reversed(layout.filters)
    stack = [keras.Input((input_length,), name="latents")]
    stack += [layers.Dense(height * width * layout.base_filters, dtype=dtype)]
    stack += [layers.Reshape((height, width, layout.base_filters), dtype=dtype)]  # (batch, 8, 8, 256)
    stack += [layers.Conv2DTranspose(first, KERNEL, padding="same", dtype=dtype)]  # (batch, 8, 8, 128)
    for filters in rest:  # (batch, 16, 16, 64)
        stack += [layers.Conv2DTranspose(filters, KERNEL, strides=2, padding="same", dtype=dtype)]
    stack += [layers.Conv2DTranspose(layout.channels, KERNEL, strides=2, padding="same", dtype=dtype)]
    stack += [layers.Activation(output_activation, dtype="float32", name="images")]  # (batch, 32, 32, 3)
    return keras.Sequential(stack, name="generator")


def _weights() -> keras.initializers.Initializer:
    """N(0, 0.02), as in Radford, Metz, Chintala 2015; each layer draws its own."""
    return keras.initializers.RandomNormal(stddev=0.02)


def _normalize_and_activate(dtype: str) -> list[layers.Layer]:
    """Batch normalization would subtract a bias again, so the layers before it have none."""
    return [layers.BatchNormalization(momentum=0.9, dtype=dtype), layers.ReLU(dtype=dtype)]


def _dcgan_generator(layout: ImageLayout, input_length: int, output_activation: str, dtype: str) -> keras.Sequential:
    """Radford, Metz, Chintala 2015: batch normalization and ReLU between the same layers, weights from N(0, 0.02)."""
    height, width = layout.base_grid  # shapes in the comments are those of 32×32×3 images
    first, *rest = reversed(layout.filters)

    def connected(units: int) -> layers.Layer:
        return layers.Dense(units, use_bias=False, kernel_initializer=_weights(), dtype=dtype)

    def transposed(filters: int, strides: int, use_bias: bool = False) -> layers.Layer:
        return layers.Conv2DTranspose(
            filters, KERNEL, strides, "same", use_bias=use_bias, kernel_initializer=_weights(), dtype=dtype
        )

    stack = [keras.Input((input_length,), name="latents")]
    stack += [connected(height * width * layout.base_filters), *_normalize_and_activate(dtype)]
    stack += [layers.Reshape((height, width, layout.base_filters), dtype=dtype)]  # (batch, 8, 8, 256)
    stack += [transposed(first, strides=1), *_normalize_and_activate(dtype)]  # (batch, 8, 8, 128)
    for filters in rest:  # (batch, 16, 16, 64)
        stack += [transposed(filters, strides=2), *_normalize_and_activate(dtype)]
    stack += [transposed(layout.channels, strides=2, use_bias=True)]  # (batch, 32, 32, 3)
    stack += [layers.Activation(output_activation, dtype="float32", name="images")]
    return keras.Sequential(stack, name="generator")


def _r1gan_generator(layout: ImageLayout, input_length: int, output_activation: str, dtype: str) -> keras.Sequential:
    """The convolutional network of Miyato et al. 2018 at half its width, from a 4×4 grid with 4×4 kernels.

    Its first layer is like a layer of the mapping network of Karras et al. 2019: it can decide what kind of image to
    generate before anything has a position.
    """
    height, width = layout.base_grid  # shapes in the comments are those of 32×32×3 images

    def connected(units: int) -> list[layers.Layer]:
        dense = layers.Dense(units, use_bias=False, kernel_initializer=_weights(), dtype=dtype)
        return [dense, *_normalize_and_activate(dtype)]

    def doubled(level: int) -> list[layers.Layer]:
        # 4×4 with a stride of 2: every pixel is reached by equally many weights (Odena et al. 2016).
        size, padding, mean = 4, "same", []
        if layout.is_smooth(level):
            # Those weights still differ between odd and even pixels, which is seen as a checkerboard next to the image.
            # The mean of 2×2 neighbors after a 3×3 kernel makes their sums equal: what is flat stays flat. Karras et
            # al. 2020 filter after the doubling, too.
            size, padding, mean = 3, "valid", [layers.AveragePooling2D(2, 1, dtype=dtype)]  # (batch, 16, 16, 64), …
        doubling = layers.Conv2DTranspose(
            layout.filters[level], size, 2, padding, use_bias=False, kernel_initializer=_weights(), dtype=dtype
        )
        return [doubling, *mean, *_normalize_and_activate(dtype)]

    stack = [keras.Input((input_length,), name="latents")]
    stack += connected(layout.base_filters)  # (batch, 256)
    stack += connected(height * width * layout.base_filters)
    stack += [layers.Reshape((height, width, layout.base_filters), dtype=dtype)]  # (batch, 4, 4, 256)
    for level in reversed(range(layout.doublings)):  # (batch, 8, 8, 128), (batch, 16, 16, 64), (batch, 32, 32, 32)
        stack += doubled(level)
    # Without a stride it is a convolution by a kernel that is turned around. Runs have its weights in this form.
    stack += [layers.Conv2DTranspose(layout.channels, 3, padding="same", kernel_initializer=_weights(), dtype=dtype)]
    stack += [layers.Activation(output_activation, dtype="float32", name="images")]  # (batch, 32, 32, 3)
    return keras.Sequential(stack, name="generator")
