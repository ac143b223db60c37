"""The two networks, derived from the shape of the images."""

from models.layout import ImageLayout

__all__ = ["ImageLayout", "build_discriminator", "build_generator"]


def __getattr__(name: str):
    # Keras and TensorFlow are imported only when a network is built, so that checking a shape is fast.
    if name == "build_generator":
        from models.generator import build_generator

        return build_generator
    if name == "build_discriminator":
        from models.discriminator import build_discriminator

        return build_discriminator
    raise AttributeError(f"module 'models' has no attribute {name!r}")
