"""Discriminators: images -> logits, each a keras.Sequential that reads like a diagram."""

import keras
from keras import layers

from models.layout import ImageLayout

KERNEL = (5, 5)


def build_discriminator(
    image_shape: tuple[int, int, int], preset: str = "dcgan", dtype: str = "float32"
) -> keras.Sequential:
    """Builds the discriminator of a preset for images of `image_shape`.

    Args:
        image_shape: (height, width, channels) of the images, sides divisible by 4 from 16 to 256, 1 or 3 channels.
        preset: "tutorial" (the printed layers, nothing between them; logits instead of the printed sigmoid, which the
            loss applies) or "dcgan" (leaky ReLU and dropout between the same layers, weights from N(0, 0.02)).
        dtype: Keras dtype policy of the layers, "float32" or "mixed_bfloat16"; variables and logits are float32.

    Returns:
        float32 (batch, height, width, channels) -> float32 (batch, 1), above 0 where the image looks real.

    Raises:
        ValueError: for a shape that cannot be built (the message names the nearest that can) or an unknown preset.
    """
    layout = ImageLayout.of(image_shape)
    match preset:
        case "tutorial":
            return _tutorial_discriminator(layout, dtype)
        case "dcgan":
            return _dcgan_discriminator(layout, dtype)
    raise ValueError(f"expected preset tutorial or dcgan, got {preset!r}")


def _tutorial_discriminator(layout: ImageLayout, dtype: str) -> keras.Sequential:
    network = keras.Sequential(name="discriminator")
    network.add(keras.Input((layout.height, layout.width, layout.channels), name="images"))  # (batch, 32, 32, 3)
    for filters in layout.filters:
        network.add(layers.Conv2D(filters, KERNEL, strides=2, padding="same", dtype=dtype))  # (batch, 16, 16, 64), …
    network.add(layers.Flatten(dtype=dtype))  # (batch, 8 · 8 · 128)
    network.add(layers.Dense(1, dtype="float32", name="logits"))
    return network


def _dcgan_discriminator(layout: ImageLayout, dtype: str) -> keras.Sequential:
    def weights() -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(stddev=0.02)

    network = keras.Sequential(name="discriminator")
    network.add(keras.Input((layout.height, layout.width, layout.channels), name="images"))  # (batch, 32, 32, 3)
    for filters in layout.filters:  # (batch, 16, 16, 64), (batch, 8, 8, 128)
        network.add(
            layers.Conv2D(filters, KERNEL, strides=2, padding="same", kernel_initializer=weights(), dtype=dtype)
        )
        network.add(layers.LeakyReLU(0.2, dtype=dtype))
        network.add(layers.Dropout(0.1, dtype=dtype))
    network.add(layers.Flatten(dtype=dtype))  # (batch, 8 · 8 · 128)
    network.add(layers.Dense(1, kernel_initializer=weights(), dtype="float32", name="logits"))
    return network
