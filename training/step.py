"""One training step, compiled: generate, train the discriminator, train the generator."""

from collections.abc import Callable

import tensorflow as tf

from training.losses import GanLoss
from training.networks import Networks

DROPOUT_KEYS = 2**31  # above all seeds, so that no layer draws the numbers of the latents
DRAWS_PER_STEP = 4  # more than a layer needs in one step, so that no step draws the numbers of the next

TrainStep = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


def build_train_step(networks: Networks, loss: GanLoss, seed: int, averaging: float = 0.0) -> TrainStep:
    """Builds the compiled step.

    averaging: the half-life of the averaged generator, as a share of the steps so far, so that it forgets its start at
    the pace at which training moves on; 0 for no averaging.

    All randomness of a step follows from (seed, step): latents by stateless random numbers, dropout by seeding its
    generators anew. Two runs that reach the same step with the same weights therefore go on alike.

    Returns:
        A function of scaled real images, float32 (batch, height, width, channels), and the step, an int32 scalar, that
        updates both networks and returns the scalars generator_loss and discriminator_loss.
    """
    generator, discriminator = networks.generator, networks.discriminator
    latent_dim = generator.input_shape[-1]
    # A dropout layer draws from its state and counts it up, once for each of the three passes of a step.
    dropout_states = [
        layer.seed_generator.state
        for network in (generator, discriminator)
        for layer in network.layers
        if getattr(layer, "seed_generator", None) is not None
    ]

    @tf.function
    def train_step(real_images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        for number, state in enumerate(dropout_states):
            key = tf.constant(DROPOUT_KEYS + seed + number, tf.uint32)
            state.assign(tf.stack([key, tf.cast(step, tf.uint32) * DRAWS_PER_STEP]))
        latents = tf.random.stateless_normal((tf.shape(real_images)[0], latent_dim), seed=[seed, step])

        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch([variable.value for variable in generator.trainable_variables])
            generated_images = generator(latents, training=True)

            with tf.GradientTape() as discriminator_tape:
                real_logits = discriminator(real_images, training=True)
                generated_logits = discriminator(tf.stop_gradient(generated_images), training=True)
                discriminator_loss = loss.discriminator(real_logits, generated_logits)
            discriminator_gradients = discriminator_tape.gradient(discriminator_loss, discriminator.trainable_variables)
            networks.discriminator_optimizer.apply(discriminator_gradients, discriminator.trainable_variables)

            # The images of the first line are used again, judged by the discriminator as it is now.
            generator_loss = loss.generator(discriminator(generated_images, training=True))
        generator_gradients = generator_tape.gradient(generator_loss, generator.trainable_variables)
        networks.generator_optimizer.apply(generator_gradients, generator.trainable_variables)
        _average(networks, averaging, step)
        return {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}

    return train_step


def _average(networks: Networks, averaging: float, step: tf.Tensor) -> None:
    """Moves the averaged generator towards the live one: an exponential average with ramp-up (Karras et al. 2020)."""
    keep = 0.5 ** (1.0 / tf.maximum(averaging * tf.cast(step, tf.float32), 1e-6))
    live, averaged = networks.generator.trainable_variables, networks.averaged_generator.trainable_variables
    for variable, average in zip(live, averaged, strict=True):
        average.assign(variable + (average - variable) * keep)
