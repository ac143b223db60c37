"""Latent vectors and their images: a seed is an image, alone or in any batch."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from preprocessing import PixelScaler

BATCH_SIZE = 64  # always this many at once, so that one image and thousands use the same arithmetic
LARGEST_SEED = 2**32 - 1


def latents_from_seeds(seeds: Iterable[int], latent_dim: int) -> np.ndarray:
    """One standard normal vector per seed, float32 (n, latent_dim).

    NumPy's RandomState draws them; its numbers will never change, so a seed is the same vector in any version. Raises
    ValueError for seeds outside 0 to 4294967295.

    >>> together, alone = latents_from_seeds([6, 7], 100), latents_from_seeds([7], 100)
    >>> together.shape, bool((together[1] == alone[0]).all())
    ((2, 100), True)
    """
    seeds = [int(seed) for seed in seeds]
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"expected seeds from 0 to {LARGEST_SEED}, got {seed}; choose another")
    vectors = np.empty((len(seeds), latent_dim), np.float32)
    numbers = np.random.RandomState()
    for vector, seed in zip(vectors, seeds, strict=True):
        numbers.seed(seed)  # like RandomState(seed), which reads system entropy first and takes 15 times as long
        vector[:] = numbers.standard_normal(latent_dim)
    return vectors


def walk_latents(latents: np.ndarray, steps: int) -> np.ndarray:
    """Legs between neighbors: float32 (n, latent_dim) -> (n - 1, steps + 1, latent_dim), including both ends of a leg.

    Follows great circles, while the length changes evenly from one end's to the other's. A straight line between two
    normal vectors would pass points far shorter than any the generator has seen (White 2016, "Sampling generative
    networks"). Raises ValueError for fewer than two latents or steps below 1.
    """
    if len(latents) < 2 or steps < 1:
        raise ValueError(f"expected at least two latents and one step, got {len(latents)} and {steps}; add some")
    shares = np.linspace(0.0, 1.0, steps + 1)[:, np.newaxis]
    return np.stack([_leg(*ends, shares) for ends in pairwise(latents)]).astype(np.float32)


def _leg(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    lengths = [np.linalg.norm(vector.astype(np.float64)) for vector in (start, end)]
    if min(lengths) == 0:
        return start + shares * (end - start)
    directions = [vector / length for vector, length in zip((start, end), lengths, strict=True)]
    angle = np.arccos(np.clip(directions[0] @ directions[1], -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # equal directions, or opposite ones, where every path is as good
        return start + shares * (end - start)
    parts = np.sin((1.0 - shares) * angle) * directions[0] + np.sin(shares * angle) * directions[1]
    points = parts / np.sin(angle) * (lengths[0] + shares * (lengths[1] - lengths[0]))
    points[0], points[-1] = start, end  # exactly, so that here, too, a seed is an image
    return points


def with_classes(latents: np.ndarray, labels: np.ndarray | None, class_count: int) -> np.ndarray:
    """The input of a generator: float32 (n, latent_dim) and int (n,) -> float32 (n, latent_dim + class_count).

    The class follows the latent vector as a one-hot code. Without classes (class_count 0), returns the latents
    unchanged. Raises ValueError for labels that are missing or outside 0 to class_count - 1.

    >>> with_classes(np.zeros((2, 1), np.float32), np.array([0, 2]), class_count=3).tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    if class_count == 0:
        return latents
    labels = np.asarray([] if labels is None else labels, np.int64)
    if labels.shape != (len(latents),) or not ((labels >= 0) & (labels < class_count)).all():
        raise ValueError(
            f"expected {len(latents)} labels from 0 to {class_count - 1}, got {labels.tolist()[:10]}; pass one for each"
        )
    return np.concatenate([latents, np.eye(class_count, dtype=np.float32)[labels]], axis=1)


def generate_batches(generator: "keras.Sequential", scaler: "PixelScaler", inputs: np.ndarray) -> Iterator[np.ndarray]:
    """float32 (n, latent_dim), or what `with_classes` returns -> batches of at most 64 images, in order.

    Images have the integer type of the training images. The last batch is padded for the network and cut again, so that
    every image is computed in a batch of the same size.
    """
    for start in range(0, len(inputs), BATCH_SIZE):
        part = inputs[start : start + BATCH_SIZE]
        filled = np.concatenate([part, np.zeros((BATCH_SIZE - len(part), part.shape[1]), np.float32)])
        yield scaler.inverse_transform(generator.predict_on_batch(filled))[: len(part)]  # compiled, and compiled once


def generate_images(generator: "keras.Sequential", scaler: "PixelScaler", inputs: np.ndarray) -> np.ndarray:
    """Like `generate_batches`, all images at once: uint8 or uint16 (n, height, width, channels)."""
    return np.concatenate(list(generate_batches(generator, scaler, inputs)))
