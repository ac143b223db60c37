"""The two networks and their optimizers as one thing that can be stepped, stored and restored."""

from dataclasses import dataclass

import keras
import numpy as np

from config import TrainingConfig
from models import build_discriminator, build_generator
from training.precision import dtype_policy


@dataclass(frozen=True)
class Networks:
    """Two networks, two optimizers, and a float32 copy of the generator to sample from."""

    generator: keras.Sequential
    discriminator: keras.Sequential
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer
    sampler: keras.Sequential

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all weights, batch statistics and moments, by "generator/0" and so on."""
        return {
            f"{name}/{index}": np.array(variable.numpy())
            for name, variables in self._variables().items()
            for index, variable in enumerate(variables)
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Puts a state back, bit for bit. Raises ValueError when it belongs to other networks."""
        for name, variables in self._variables().items():
            for index, variable in enumerate(variables):
                value = state.get(f"{name}/{index}")
                if value is None or value.shape != tuple(variable.shape):
                    found = "nothing" if value is None else f"shape {value.shape}"
                    raise ValueError(
                        f"expected shape {tuple(variable.shape)} for {name}/{index} in the checkpoint, got {found}; "
                        "it belongs to another run"
                    )
                variable.assign(value)

    def update_sampler(self) -> keras.Sequential:
        """The float32 generator, with the weights of now."""
        self.sampler.set_weights(self.generator.get_weights())
        return self.sampler

    def _variables(self) -> dict[str, list]:
        return {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }


def build_networks(config: TrainingConfig, image_shape: tuple[int, int, int], output_activation: str) -> Networks:
    """Builds everything a run trains, the initial weights following from config.seed."""
    keras.utils.set_random_seed(config.seed)
    dtype = dtype_policy(config.precision)
    generator = build_generator(image_shape, config.latent_dim, config.preset, output_activation, dtype)
    discriminator = build_discriminator(image_shape, config.preset, dtype)
    sampler = build_generator(image_shape, config.latent_dim, config.preset, output_activation, "float32")
    return Networks(generator, discriminator, _adam(config, generator), _adam(config, discriminator), sampler)


def _adam(config: TrainingConfig, network: keras.Sequential) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_1=config.beta_1)
    optimizer.build(network.trainable_variables)
    return optimizer
