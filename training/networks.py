"""The two networks and their optimizers as one unit that can be trained, saved and restored."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from config import TrainingConfig
from models import ImageLayout, build_discriminator, build_generator
from models.sampling import BATCH_SIZE, LARGEST_SEED, latents_from_seeds, with_classes
from training.distribution import ONE_DEVICE, Replicas
from training.precision import dtype_policy

STATISTICS_BATCHES = 16


@dataclass(frozen=True)
class Networks:
    """Both networks, both optimizers, and the generator with averaged weights, in float32, to sample from."""

    generator: keras.Sequential
    discriminator: keras.Sequential
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer
    averaged_generator: keras.Sequential
    class_shares: np.ndarray  # float64 (classes,), how often each is trained on; (0,) if not conditional
    replicas: Replicas = ONE_DEVICE  # the devices that train them
    plain_discriminator: keras.Sequential | None = None  # if the discriminator is distributed over replicas

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all weights, batch statistics and moments, named "generator/0" and so on."""
        return {
            f"{name}/{index}": np.array(variable.numpy())
            for name, variables in self._variables().items()
            for index, variable in enumerate(variables)
        }

    def state_bytes(self) -> int:
        """The size of `state()`, without making the copies."""
        variables = [variable for group in self._variables().values() for variable in group]
        return sum(math.prod(variable.shape) * np.dtype(variable.dtype).itemsize for variable in variables)

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Restores a state, bit for bit. Raises ValueError if it belongs to other networks."""
        for name, variables in self._variables().items():
            for index, variable in enumerate(variables):
                value = state.get(f"{name}/{index}")
                if value is None or value.shape != tuple(variable.shape):
                    stored = "nothing" if value is None else f"shape {value.shape}"
                    raise ValueError(
                        f"expected shape {tuple(variable.shape)} for {name}/{index} in the checkpoint, got {stored}; "
                        "it belongs to another run"
                    )
                variable.assign(value)

    def update_batch_statistics(self) -> None:
        """Computes the averaged generator's own batch statistics; needed before it generates anything.

        The live generator's statistics belong to other weights, and averaged statistics lag behind (Izmailov et al.
        2018 do the same for averaged classifiers). They are the mean over `STATISTICS_BATCHES` batches of fixed
        latents, so that equal weights generate equal images. Each batch contains the classes in the proportions of
        training, as closely as its size allows.
        """
        generator = self.averaged_generator
        normalizations = [layer for layer in generator.layers if isinstance(layer, keras.layers.BatchNormalization)]
        if not normalizations:
            return
        momenta = [layer.momentum for layer in normalizations]
        count = STATISTICS_BATCHES * BATCH_SIZE
        class_count = len(self.class_shares)
        labels = np.searchsorted(self.class_shares.cumsum()[:-1], (np.arange(count) + 0.5) / count, side="right")
        latents = latents_from_seeds(range(LARGEST_SEED - count, LARGEST_SEED), generator.input_shape[-1] - class_count)
        inputs = with_classes(latents, labels, class_count)
        for number in range(STATISTICS_BATCHES):
            for layer in normalizations:
                layer.momentum = number / (number + 1)  # the moving average becomes the mean so far
            generator(inputs[number::STATISTICS_BATCHES], training=True)
        for layer, momentum in zip(normalizations, momenta, strict=True):
            layer.momentum = momentum

    def discriminator_to_store(self) -> keras.Sequential:
        """The discriminator in stock Keras layers, unlike the layers of replicas."""
        if self.plain_discriminator is None:
            return self.discriminator
        self.plain_discriminator.set_weights(self.discriminator.get_weights())
        return self.plain_discriminator

    def _variables(self) -> dict[str, list]:
        return {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
            "averaged_generator": self.averaged_generator.trainable_variables,
        }


def build_networks(
    config: TrainingConfig,
    image_shape: tuple[int, int, int],
    output_activation: str,
    class_count: int = 0,
    replicas: Replicas = ONE_DEVICE,
    labels: np.ndarray | None = None,
) -> Networks:
    """Builds everything a run trains; config.seed determines the initial weights.

    class_count: the number of classes of the images, used if config.conditional is set.
    labels: int64 (n,), the images' labels, because classes may have different sizes.
    replicas: the devices that train. Samples are generated on one, so the averaged generator is not distributed.

    Raises WorkerLost if another worker has ended.
    """
    keras.utils.set_random_seed(config.seed)
    dtype = dtype_policy(config.precision)
    classes = class_count if config.conditional else 0
    counts = np.bincount(np.arange(classes) if labels is None else labels, minlength=classes)[:classes]
    class_shares = counts / max(1, counts.sum())
    layout = ImageLayout.of(image_shape, config.preset, config.filters, config.smooth)
    shape = (layout, config.latent_dim, config.preset, output_activation)
    generator = build_generator(*shape, dtype, classes)
    discriminator = build_discriminator(layout, config.preset, dtype, classes, config.spectral_normalization)
    averaged_generator = build_generator(*shape, "float32", classes)
    averaged_generator.set_weights(generator.get_weights())
    plain_discriminator = None if replicas.is_one_device else discriminator
    with replicas.watched():
        generator, discriminator = replicas.copy_network(generator), replicas.copy_network(discriminator)
        with replicas.scope():
            optimizers = _adam(config, generator), _adam(config, discriminator)
    return Networks(
        generator, discriminator, *optimizers, averaged_generator, class_shares, replicas, plain_discriminator
    )


def _adam(config: TrainingConfig, network: keras.Sequential) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_1=config.beta_1)
    optimizer.build(network.trainable_variables)
    return optimizer
