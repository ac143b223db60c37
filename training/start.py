"""Beginning from a trained run: what its networks and new ones have in common is taken over."""

import dataclasses
import hashlib
import sys

import keras
import numpy as np

from config import TrainingConfig
from errors import InputError, words
from runs import RunFolder
from training.networks import Networks


def begin(config: TrainingConfig, run: RunFolder | None, networks: Networks) -> TrainingConfig:
    """Takes over the networks of --start-from, for a run that has no checkpoint yet; the config then names them."""
    if config.start_from is None or (run is not None and run.latest_checkpoint() is not None):
        return config
    line, sha256 = begin_from(RunFolder.open(config.start_from), networks, config.latent_dim, config.start_sha256)
    print(line, file=sys.stderr)
    return dataclasses.replace(config, start_sha256=sha256)


def begin_from(source: RunFolder, networks: Networks, latent_dim: int, sha256: str | None) -> tuple[str, str]:
    """Takes over what a trained run and new networks have in common; see `take_over`.

    sha256: of the weights that a run began from when it was made, to make sure that these are the same; None for a run
    that begins now.

    Returns a line that says how much was taken over, and the SHA-256 of the source's weights. Raises InputError where
    the source has no weights, or others than `sha256` says.
    """
    generator, discriminator = source.load_generator(), source.load_discriminator()
    digest = hashlib.sha256()
    for weights in (*generator.get_weights(), *discriminator.get_weights()):
        digest.update(np.ascontiguousarray(weights))
    if sha256 not in (None, digest.hexdigest()):
        raise InputError(
            words("expected the weights that the run began from in {start_from}, got others in {}", source.path),
            "start a new run",
        )
    same_latents = latent_dim if source.config.latent_dim == latent_dim else 0
    taken = take_over(networks, generator, discriminator, same_latents)
    return f"begun from {source.path}: {taken}", digest.hexdigest()


def take_over(networks: Networks, generator: keras.Sequential, discriminator: keras.Sequential, latents: int) -> str:
    """Puts the weights of a trained pair into new networks wherever both have the same, and says how many layers fit.

    Layers are paired from the small grid, where the generator begins and the discriminator ends: a 64×64 generator
    finds all doublings of a 32×32 one, and only what lies beside the image is new. A pair whose shapes differ stays as
    it was built, with two exceptions for other classes: the first layer of the generator keeps what it does with the
    latent vector, and the last of the discriminator gives each class the mean of the old ones.

    The averaged generator begins where the generator does. Optimizers begin anew: their moments are of other images.

    networks: new ones. latents: length of the latent vector in both pairs, 0 where it differs.
    """
    new, old = _weighted(networks.generator), _weighted(generator)
    generator_words = _take(new, old, _with_other_classes(new[0], old[0], latents))
    networks.averaged_generator.set_weights(networks.generator.get_weights())
    new, old = _weighted(networks.discriminator)[::-1], _weighted(discriminator)[::-1]
    discriminator_words = _take(new, old, _of_all_classes(new[0], old[0]))
    return f"generator {generator_words}, discriminator {discriminator_words}; the others begin anew"


def _weighted(network: keras.Sequential) -> list[keras.layers.Layer]:
    return [layer for layer in network.layers if layer.weights]


def _take(new_layers: list[keras.layers.Layer], old_layers: list[keras.layers.Layer], first: list[np.ndarray]) -> str:
    """Goes through the pairs of layers, the smallest grid first; `first` are the weights for the first of them."""
    taken = 0
    for number, (new, old) in enumerate(zip(new_layers, old_layers, strict=False)):
        weights = old.get_weights() if number else first
        if [value.shape for value in weights] == [tuple(variable.shape) for variable in new.weights]:
            new.set_weights(weights)
            taken += 1
    return f"{taken} of {len(new_layers)} layers"


def _with_other_classes(new: keras.layers.Layer, old: keras.layers.Layer, latents: int) -> list[np.ndarray]:
    """Weights of a generator's first layer: the old ones, or for other classes their rows of the latent vector."""
    kernel, *rest = old.get_weights()
    if not latents or kernel.shape == tuple(new.weights[0].shape):
        return [kernel, *rest]
    return [np.concatenate([kernel[:latents], new.get_weights()[0][latents:]]), *rest]


def _of_all_classes(new: keras.layers.Layer, old: keras.layers.Layer) -> list[np.ndarray]:
    """Weights of a discriminator's last layer: the old ones, or for another number of classes their mean for each."""
    weights, classes = old.get_weights(), new.weights[0].shape[-1]
    if weights[0].shape[-1] == classes:
        return weights
    return [np.repeat(value.mean(axis=-1, keepdims=True), classes, axis=-1) for value in weights]
