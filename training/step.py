"""One training step, compiled: generate, train the discriminator, train the generator."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from config import TrainingConfig
from training.augmentation import augment
from training.distribution import ONE_DEVICE, Replicas
from training.losses import GanLoss
from training.networks import Networks
from training.regularizers import gradient_norm_penalty, zero_centred_penalty

DROPOUT_KEYS = 2**31  # above all seeds, so that no layer draws the numbers of the latents
DRAWS_PER_STEP = 8  # more than a layer needs in one step, so that no step draws the numbers of the next
FINAL_RATE, FINAL_PENALTY = 0.25, 0.1  # what the cosine schedule leaves at the end (Huang et al. 2024)


class Batch(NamedTuple):
    """Scaled real images, float32 (batch, height, width, channels), and their classes, int64 (batch,), if they count.

    second_images: other real ones of the same classes, for a loss whose generator's side needs them.
    """

    images: np.ndarray | tf.Tensor
    labels: np.ndarray | tf.Tensor | None = None
    second_images: np.ndarray | tf.Tensor | None = None


TrainStep = Callable[[Batch, int], dict[str, tf.Tensor]]


def build_train_step(
    networks: Networks,
    loss: GanLoss,
    config: TrainingConfig,
    total_steps: int | None = None,
    value_span: float = 2.0,
    replicas: Replicas = ONE_DEVICE,
) -> TrainStep:
    """Builds the compiled step.

    All randomness of a step follows from (config.seed, step): latents and augmentation by stateless random numbers,
    dropout by seeding its generators anew. Two runs that reach a step with the same weights therefore go on alike.

    Args:
        config: seed, averaging, penalties, augmentation and schedule of the run.
        total_steps: of the whole run; the cosine schedule ends there.
        value_span: width of the range of the scaled pixels, 2 for [-1, 1]; augmentation needs it.
        replicas: the devices that share each batch, for which the networks were built.

    Returns:
        A function of a `Batch`, of many workers each one's own share, and the number of the step, from 0 on. It updates
        both networks and returns the scalars generator_loss, discriminator_loss, real_score and generated_score (the
        means of the logits), and real_logits and generated_logits, (batch, 1), as the discriminator saw them before its
        update: those of the whole batch. Its attribute `together` takes the steps of a list of batches in one call,
        from the number of the first on, and returns a list; more than one have to begin at a multiple of
        config.penalty_interval.
    """
    if config.schedule == "cosine" and total_steps is None:
        raise ValueError("expected total_steps with the cosine schedule, got none; pass epochs times steps an epoch")
    generator, discriminator = networks.generator, networks.discriminator
    class_count = generator.input_shape[-1] - config.latent_dim
    penalties = config.r1 > 0 or config.r2 > 0 or config.gradient_penalty > 0
    # A dropout layer draws from its state and counts it up, once for each pass of a step.
    dropout_states = [
        layer.seed_generator.state
        for network in (generator, discriminator)
        for layer in network.layers
        if getattr(layer, "seed_generator", None) is not None
    ]

    def judge(images: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """What the discriminator says: (batch, 1) logits, of each image's class if there are classes."""
        if config.augmentation:
            images = augment(images, config.augmentation, value_span, seed, replicas.draw)
        logits = discriminator(images, training=True)  # (batch, 1 or class_count)
        return tf.gather(logits, labels[:, tf.newaxis], axis=1, batch_dims=1) if class_count else logits

    def one_step(batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalise: bool) -> dict[str, tf.Tensor]:
        for number, state in enumerate(dropout_states):
            key = tf.constant(DROPOUT_KEYS + config.seed + number, tf.uint32)
            state.assign(tf.stack([key, tf.cast(step, tf.uint32) * DRAWS_PER_STEP]))
        batch_size = tf.shape(batch.images)[0]
        part = tf.constant(1.0 / replicas.count)  # of a mean over the whole batch; optimizers add the parts up
        seed = tf.stack([config.seed, step])
        seeds = tf.unstack(tf.random.split(seed, 5))
        inputs = replicas.draw(tf.random.stateless_normal, (batch_size, config.latent_dim), seed)
        if class_count:
            inputs = tf.concat([inputs, tf.one_hot(batch.labels, class_count)], axis=1)

        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch([variable.value for variable in generator.trainable_variables])
            generated_images = generator(inputs, training=True)

            with tf.GradientTape() as discriminator_tape:
                fixed_images = tf.stop_gradient(generated_images)

                def judge_real(images: tf.Tensor) -> tf.Tensor:
                    return judge(images, batch.labels, seeds[0])

                def judge_generated(images: tf.Tensor) -> tf.Tensor:
                    return judge(images, batch.labels, seeds[1])

                penalty = 0.0
                if penalise and config.r1 > 0:
                    real_logits, slope = zero_centred_penalty(judge_real, batch.images)
                    penalty += 0.5 * config.r1 * slope
                else:
                    real_logits = judge_real(batch.images)
                if penalise and config.r2 > 0:
                    generated_logits, slope = zero_centred_penalty(judge_generated, fixed_images)
                    penalty += 0.5 * config.r2 * slope
                else:
                    generated_logits = judge_generated(fixed_images)
                if penalise and config.gradient_penalty > 0:
                    shares = replicas.draw(tf.random.stateless_uniform, (batch_size, 1, 1, 1), seeds[2])
                    penalty += config.gradient_penalty * gradient_norm_penalty(
                        judge_real, batch.images, fixed_images, shares
                    )
                discriminator_loss = loss.discriminator(real_logits, generated_logits)
                # A penalty that comes every nth step only weighs n times as much (Karras et al. 2020).
                penalised_loss = discriminator_loss + penalty_scale * config.penalty_interval * penalty
            gradients = discriminator_tape.gradient(penalised_loss, discriminator.trainable_variables, part)
            networks.discriminator_optimizer.apply(gradients, discriminator.trainable_variables)

            # The images of the first line are used again, judged by the discriminator as it is now.
            logits = judge(generated_images, batch.labels, seeds[3])
            if loss.pairs:
                generator_loss = loss.generator(judge(batch.second_images, batch.labels, seeds[4]), logits)
            else:
                generator_loss = loss.generator(logits)
        gradients = generator_tape.gradient(generator_loss, generator.trainable_variables, part)
        networks.generator_optimizer.apply(gradients, generator.trainable_variables)
        return {
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
            "real_score": tf.reduce_mean(real_logits),
            "generated_score": tf.reduce_mean(generated_logits),
            "real_logits": real_logits,
            "generated_logits": generated_logits,
        }

    def whole_step(batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalise: bool) -> dict[str, tf.Tensor]:
        found = replicas.run(partial(one_step, penalise=penalise), batch, step, penalty_scale)
        _average(networks, config.averaging, step)
        return found

    compiled = partial(tf.function, autograph=False, jit_compile=config.xla == "on" and replicas.is_one_device)

    # Two graphs, with and without penalties: cheaper than a condition within one.
    @compiled
    def plain_step(batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor) -> dict[str, tf.Tensor]:
        return whole_step(batch, step, penalty_scale, penalise=False)

    @compiled
    def penalised_step(batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor) -> dict[str, tf.Tensor]:
        return whole_step(batch, step, penalty_scale, penalise=True)

    def graph_of(step: int) -> tf.types.experimental.PolymorphicFunction:
        return penalised_step if penalties and step % config.penalty_interval == 0 else plain_step

    def pace(step: int) -> tuple[float, float]:
        """The learning rate and what penalties are multiplied by."""
        if config.schedule == "constant":
            return config.learning_rate, 1.0
        share = step / total_steps
        return config.learning_rate * cosine(1.0, FINAL_RATE, share), cosine(1.0, FINAL_PENALTY, share)

    def set_rate(rate: float | tf.Tensor) -> None:
        if config.schedule != "constant":
            networks.generator_optimizer.learning_rate.assign(rate)
            networks.discriminator_optimizer.learning_rate.assign(rate)

    def train_step(batch: Batch, step: int) -> dict[str, tf.Tensor]:
        rate, penalty_scale = pace(step)
        set_rate(rate)
        graph = graph_of(step)
        return graph(replicas.spread(batch), tf.constant(step, tf.int32), tf.constant(penalty_scale, tf.float32))

    @tf.function(autograph=False)
    def steps_together(batches: tuple[Batch, ...], first: tf.Tensor, paces: tf.Tensor) -> list[dict[str, tf.Tensor]]:
        found = []
        for number, batch in enumerate(batches):
            set_rate(paces[number, 0])
            found.append(graph_of(number)(batch, first + number, paces[number, 1]))
        return found

    def train_steps(batches: list[Batch], first: int) -> list[dict[str, tf.Tensor]]:
        if len(batches) == 1:
            return [train_step(batches[0], first)]
        if penalties and first % config.penalty_interval:
            raise ValueError(
                f"expected many steps to begin at a multiple of {config.penalty_interval}, where penalties are due, "
                f"got step {first}; take them one by one until then"
            )
        paces = [pace(first + number) for number in range(len(batches))]
        spread = tuple(replicas.spread(batch) for batch in batches)
        return steps_together(spread, tf.constant(first, tf.int32), tf.constant(paces, tf.float32))

    train_step.together = train_steps
    train_step.graphs = (plain_step, penalised_step, steps_together)
    return train_step


def cosine(first: float, last: float, share: float) -> float:
    """From `first` at share 0 to `last` at share 1, along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def _average(networks: Networks, averaging: float, step: tf.Tensor) -> None:
    """Moves the averaged generator towards the live one: an exponential average with ramp-up (Karras et al. 2020).

    Its half-life is a share of the steps so far, so that it forgets its start at the pace at which training moves on.
    """
    keep = 0.5 ** (1.0 / tf.maximum(averaging * tf.cast(step, tf.float32), 1e-6))
    live, averaged = networks.generator.trainable_variables, networks.averaged_generator.trainable_variables
    for variable, average in zip(live, averaged, strict=True):
        average.assign(variable + (average - variable) * keep)
