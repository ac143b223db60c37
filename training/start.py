"""Starting from a trained run: new networks take over the weights that both have in common."""

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
    """Takes over the weights of --start-from, for a run that has no checkpoint yet; the config then identifies them."""
    if config.start_from is None or (run is not None and run.latest_checkpoint() is not None):
        return config
    line, sha256 = begin_from(RunFolder.open(config.start_from), networks, config.latent_dim, config.start_sha256)
    print(line, file=sys.stderr)
    return dataclasses.replace(config, start_sha256=sha256)


def begin_from(source: RunFolder, networks: Networks, latent_dim: int, sha256: str | None) -> tuple[str, str]:
    """Takes over the weights that a trained run and new networks have in common; see `take_over`.

    sha256: that of the weights from which the run originally started, to check that these are the same; None for a run
    that starts now.

    Returns a line that says how much was taken over, and the SHA-256 of the source's weights. Raises InputError if the
    source has no weights, or others than `sha256` says.
    """
    generator, discriminator = source.load_generator(), source.load_discriminator()
    digest = hashlib.sha256()
    for weights in (*generator.get_weights(), *discriminator.get_weights()):
        digest.update(np.ascontiguousarray(weights))
    if sha256 not in (None, digest.hexdigest()):
        raise InputError(
            words("expected the weights that the run started from in {start_from}, got others in {}", source.path),
            "start a new run",
        )
    same_latents = latent_dim if source.config.latent_dim == latent_dim else 0
    taken = take_over(networks, generator, discriminator, same_latents)
    return f"started from {source.path}: {taken}", digest.hexdigest()


def take_over(networks: Networks, generator: keras.Sequential, discriminator: keras.Sequential, latents: int) -> str:
    """Copies the weights of a trained pair into new networks wherever their shapes match; says how many layers match.

    Layers are paired from the small grid, where the generator starts and the discriminator ends: a 64×64 generator gets
    all doublings of a 32×32 one, and only the layers next to the image are new. Where shapes differ, the new layer
    stays as it was built, with two exceptions for different classes: the generator's first layer keeps the weights of
    the latent vector, and the discriminator's last layer gives each class the mean of the old ones.

    The averaged generator starts like the generator. Optimizers start fresh: their moments belong to other images.

    networks: the new ones. latents: length of the latent vector in both pairs, 0 if it differs.
    """
    new, old = _weighted(networks.generator), _weighted(generator)
    of_generator = _take(new, old, _with_other_classes(new[0], old[0], latents))
    networks.averaged_generator.set_weights(networks.generator.get_weights())
    new, old = _weighted(networks.discriminator)[::-1], _weighted(discriminator)[::-1]
    of_discriminator = _take(new, old, _of_all_classes(new[0], old[0]))
    some_are_new = any(taken < count for taken, count in (of_generator, of_discriminator))
    words_of_both = "generator {} of {} layers, discriminator {} of {} layers".format(*of_generator, *of_discriminator)
    return words_of_both + ("; the others are new" if some_are_new else "")


def _weighted(network: keras.Sequential) -> list[keras.layers.Layer]:
    return [layer for layer in network.layers if layer.weights]


def _take(
    new_layers: list[keras.layers.Layer], old_layers: list[keras.layers.Layer], first: list[np.ndarray]
) -> tuple[int, int]:
    """Copies weights from pair to pair of layers, smallest grid first; `first` are the weights for the first one.

    Returns how many layers were taken over, and of how many.
    """
    taken = 0
    for number, (new, old) in enumerate(zip(new_layers, old_layers, strict=False)):
        weights = old.get_weights() if number else first
        if [value.shape for value in weights] == [tuple(variable.shape) for variable in new.weights]:
            new.set_weights(weights)
            taken += 1
    return taken, len(new_layers)


def _with_other_classes(new: keras.layers.Layer, old: keras.layers.Layer, latents: int) -> list[np.ndarray]:
    """Weights of a generator's first layer: the old ones, or only the rows of the latent vector if classes differ."""
    kernel, *rest = old.get_weights()
    fresh = new.get_weights()[0]
    if not latents or kernel.shape == fresh.shape or kernel.shape[1] != fresh.shape[1]:  # the last: another width
        return [kernel, *rest]
    return [np.concatenate([kernel[:latents], fresh[latents:]]), *rest]


def _of_all_classes(new: keras.layers.Layer, old: keras.layers.Layer) -> list[np.ndarray]:
    """Weights of a discriminator's last layer: the old ones, or their mean for each class if their number differs."""
    weights, classes = old.get_weights(), new.weights[0].shape[-1]
    if weights[0].shape[-1] == classes:
        return weights
    return [np.repeat(value.mean(axis=-1, keepdims=True), classes, axis=-1) for value in weights]
