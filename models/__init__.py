"""The two networks, derived from the shape of the images."""

from models.discriminator import build_discriminator
from models.generator import build_generator
from models.layout import ImageLayout

__all__ = ["ImageLayout", "build_discriminator", "build_generator"]
