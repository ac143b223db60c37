"""Latent vectors and the images they become: a seed is an image, alone or in any batch."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from preprocessing import PixelScaler

BATCH_SIZE = 64  # always this many at once, so that the same arithmetic serves one image and thousands
LARGEST_SEED = 2**32 - 1


def latents_from_seeds(seeds: Iterable[int], latent_dim: int) -> np.ndarray:
    """One standard normal vector a seed, float32 (n, latent_dim).

    Drawn by NumPy's RandomState, whose numbers are frozen for good, so a seed is the same vector on any day. Raises
    ValueError for seeds outside 0 to 4294967295.
    """
    seeds = [int(seed) for seed in seeds]
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"expected seeds from 0 to {LARGEST_SEED}, got {seed}; choose another")
    vectors = [np.random.RandomState(seed).standard_normal(latent_dim) for seed in seeds]
    return np.array(vectors, np.float32).reshape(len(seeds), latent_dim)


def generate_batches(generator: "keras.Sequential", scaler: "PixelScaler", latents: np.ndarray) -> Iterator[np.ndarray]:
    """float32 (n, latent_dim) -> batches of at most 64 images in their integer type, in order.

    The last batch is filled up and cut again, so that every image is made in a batch of one size.
    """
    for start in range(0, len(latents), BATCH_SIZE):
        part = latents[start : start + BATCH_SIZE]
        filled = np.concatenate([part, np.zeros((BATCH_SIZE - len(part), part.shape[1]), np.float32)])
        yield scaler.inverse_transform(np.asarray(generator(filled, training=False)))[: len(part)]


def generate_images(generator: "keras.Sequential", scaler: "PixelScaler", latents: np.ndarray) -> np.ndarray:
    """float32 (n, latent_dim) -> all images at once, uint8 or uint16 (n, height, width, channels)."""
    return np.concatenate(list(generate_batches(generator, scaler, latents)))
