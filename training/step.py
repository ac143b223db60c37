"""One training step, compiled: generate, train the discriminator, train the generator."""

from collections.abc import Callable

import keras
import tensorflow as tf

from training.losses import GanLoss

TrainStep = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


def build_train_step(
    generator: keras.Sequential,
    discriminator: keras.Sequential,
    generator_optimizer: keras.optimizers.Optimizer,
    discriminator_optimizer: keras.optimizers.Optimizer,
    loss: GanLoss,
    seed: int,
) -> TrainStep:
    """Builds the compiled step.

    All randomness of a step follows from (seed, step): latents by stateless random numbers, dropout by seeding its
    generators anew. Two runs that reach the same step with the same weights therefore go on alike.

    Returns:
        A function of scaled real images, float32 (batch, height, width, channels), and the step, an int32 scalar, that
        updates both networks and returns the scalars generator_loss and discriminator_loss.
    """
    latent_dim = generator.input_shape[-1]
    dropout_states = [
        layer.seed_generator.state
        for network in (generator, discriminator)
        for layer in network.layers
        if getattr(layer, "seed_generator", None) is not None
    ]

    @tf.function
    def train_step(real_images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        for number, state in enumerate(dropout_states):
            state.assign(tf.stack([tf.constant(seed + number, tf.uint32), tf.cast(step, tf.uint32)]))
        latents = tf.random.stateless_normal((tf.shape(real_images)[0], latent_dim), seed=[seed, step])

        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch([variable.value for variable in generator.trainable_variables])
            generated_images = generator(latents, training=True)

            with tf.GradientTape() as discriminator_tape:
                real_logits = discriminator(real_images, training=True)
                generated_logits = discriminator(tf.stop_gradient(generated_images), training=True)
                discriminator_loss = loss.discriminator(real_logits, generated_logits)
            discriminator_gradients = discriminator_tape.gradient(discriminator_loss, discriminator.trainable_variables)
            discriminator_optimizer.apply(discriminator_gradients, discriminator.trainable_variables)

            # The images of the first line are used again, judged by the discriminator as it is now.
            generator_loss = loss.generator(discriminator(generated_images, training=True))
        generator_gradients = generator_tape.gradient(generator_loss, generator.trainable_variables)
        generator_optimizer.apply(generator_gradients, generator.trainable_variables)
        return {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}

    return train_step
