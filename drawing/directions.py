"""Directions in which latent vectors change their images most."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def latent_directions(network: "keras.Sequential", latent_dim: int) -> np.ndarray:
    """Orthonormal vectors, float32 (latent_dim, latent_dim), in order of how much they change the image, most first.

    They are the singular vectors of the first fully connected layer, and need neither images nor training (Shen and
    Zhou 2021, "Closed-form factorization of latent semantics in GANs"). If batch normalization follows, its factors
    count as part of the layer. The largest entry of each vector is positive, so that signs do not depend on a library.
    Raises ValueError for a network that starts with another layer.
    """
    from keras import layers

    first, following = network.layers[:2]
    if not isinstance(first, layers.Dense):
        raise ValueError(
            f"expected a generator that starts with a Dense layer, got {type(first).__name__}; use walks instead"
        )
    kernel = first.kernel.numpy()[:latent_dim].astype(np.float64)
    if isinstance(following, layers.BatchNormalization):
        factor = 1 / np.sqrt(following.moving_variance.numpy() + following.epsilon)
        kernel = kernel * factor * (following.gamma.numpy() if following.scale else 1.0)
    wide = kernel.shape[0] <= kernel.shape[1]  # has more right singular vectors than anyone needs, and large ones
    directions = np.linalg.svd(kernel, full_matrices=not wide)[0].T
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
    return (directions * np.where(largest < 0, -1.0, 1.0)[:, np.newaxis]).astype(np.float32)
