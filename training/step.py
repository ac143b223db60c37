"""The game: one training step, compiled. The generator draws, the discriminator learns, the generator learns.

Read `TrainStep._play` first: it is one step as a paper would write it. Below it each player has a method, and so has
the penalty. Beside each term stands what it is there for, and who found it.
"""

import math
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from config import TrainingConfig
from training.augmentation import augment
from training.losses import gan_loss
from training.networks import Networks
from training.regularizers import gradient_norm_penalty, zero_centered_penalty

DROPOUT_KEYS = 2**31  # above all seeds, so that no layer draws the numbers of the latents
DRAWS_PER_STEP = 8  # more than a layer needs in one step, so that no step draws the numbers of the next
FINAL_RATE, FINAL_PENALTY = 0.25, 0.1  # what the cosine schedule leaves at the end (Huang et al. 2024)

Readings = dict[str, tf.Tensor]


class Batch(NamedTuple):
    """Scaled real images, float32 (batch, height, width, channels), and their classes, int64 (batch,), if they count.

    second_images: other real ones of the same classes, for a loss whose generator's side needs them.
    """

    images: np.ndarray | tf.Tensor
    labels: np.ndarray | tf.Tensor | None = None
    second_images: np.ndarray | tf.Tensor | None = None


class Seeds(NamedTuple):
    """int32 (2,) each: every pass of the discriminator augments its images by random numbers of its own."""

    real: tf.Tensor
    generated: tf.Tensor
    penalty: tf.Tensor
    generator: tf.Tensor
    second: tf.Tensor


class TrainStep:
    """The step of a run: `train_step(batch, step)` updates both networks, and the averaged generator follows.

    All randomness of a step follows from (config.seed, step): latents and augmentation by stateless random numbers,
    dropout by seeding its generators anew. Two runs that reach a step with the same weights therefore go on alike.

    Args:
        networks: what is trained, on the devices that they were built for.
        config: seed, loss, averaging, penalties, augmentation and schedule of the run.
        total_steps: of the whole run; the cosine schedule ends there.
        value_span: width of the range of the scaled pixels, 2 for [-1, 1]; augmentation needs it.

    Attributes:
        graph, execution: the compiled functions of one step and of many.

    Raises ValueError for the cosine schedule without total_steps.
    """

    def __init__(
        self,
        networks: Networks,
        config: TrainingConfig,
        total_steps: int | None = None,
        value_span: float = 2.0,
    ) -> None:
        if config.schedule == "cosine" and total_steps is None:
            raise ValueError("expected total_steps with the cosine schedule, got none; pass the steps of the whole run")
        self.networks, self.config, self.loss = networks, config, gan_loss(config.loss)
        self.total_steps, self.value_span, self.replicas = total_steps, value_span, networks.replicas
        self.share_done: float | None = None  # of a run whose pace follows the time; None: it follows the steps
        self.class_count = networks.generator.input_shape[-1] - config.latent_dim
        self.dropout_states = [
            layer.seed_generator.state
            for network in (networks.generator, networks.discriminator)
            for layer in network.layers
            if getattr(layer, "seed_generator", None) is not None
        ]
        xla = config.xla == "on" and self.replicas.is_one_device
        self.graph = tf.function(self._step, autograph=False, jit_compile=xla)
        self.execution = tf.function(self._steps, autograph=False)

    def __call__(self, batch: Batch, step: int) -> Readings:
        """Takes one step. The batch is, of many workers, each one's own share; steps count from 0.

        Returns the scalars generator_loss, discriminator_loss, real_score and generated_score (the means of the
        logits), and real_logits and generated_logits, (batch, 1), as the discriminator saw them before its update:
        those of the whole batch.
        """
        learning_rate, penalty_scale = self._pace(step)
        self._set_learning_rate(learning_rate)
        numbers = tf.constant(step, tf.int32), tf.constant(penalty_scale, tf.float32)
        return self.graph(self.replicas.spread(batch), *numbers, self._penalty_is_due(step))

    def execute(self, batches: list[Batch], first_step: int) -> list[Readings]:
        """Takes the steps of these batches, from first_step on, in one call, to the bits of as many calls.

        Raises ValueError for several steps that do not begin at a multiple of config.penalty_interval.
        """
        if len(batches) == 1:
            return [self(batches[0], first_step)]
        if self._has_penalty and first_step % self.config.penalty_interval:
            raise ValueError(
                f"expected many steps to begin at a multiple of {self.config.penalty_interval}, where penalties are "
                f"due, got step {first_step}; take them one by one until then"
            )
        paces = [self._pace(first_step + index) for index in range(len(batches))]
        shares = tuple(map(self.replicas.spread, batches))
        return self.execution(shares, tf.constant(first_step, tf.int32), tf.constant(paces, tf.float32))

    # The game

    def _play(self, batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalize: bool) -> Readings:
        """One step on one device: the discriminator moves, then the generator (Goodfellow et al. 2014, k = 1)."""
        generator = self.networks.generator
        seed = tf.stack([self.config.seed, step])
        seeds = Seeds(*tf.unstack(tf.random.split(seed, len(Seeds._fields))))
        self._seed_dropout(step)
        # One drawing serves both players, which saves a pass. The tape watches the generator's weights alone, so what
        # the discriminator learns in between leaves no trace on it.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in generator.trainable_variables])
            generated_images = self._generate(batch, seed)
            # No slope of the discriminator's loss may reach the generator: the players want opposite things.
            fixed_images = tf.stop_gradient(generated_images)
            readings = self._train_discriminator(batch, fixed_images, seeds, penalty_scale, penalize)
            generator_loss = self._generator_loss(batch, generated_images, seeds)
        self._descend(tape, generator_loss, generator, self.networks.generator_optimizer)
        return {"generator_loss": generator_loss, **readings}

    def _generate(self, batch: Batch, seed: tf.Tensor) -> tf.Tensor:
        """Images float32 (batch, height, width, channels) of normal latents, of the classes of the real images."""
        shape = (tf.shape(batch.images)[0], self.config.latent_dim)
        # Normal latents favor no direction, so any two seeds can be walked between (White 2016).
        inputs = self.replicas.draw(tf.random.stateless_normal, shape, seed)  # (batch, latent_dim)
        if self.class_count:  # told the class (Mirza, Osindero 2014), as often as it occurs among the real ones
            inputs = tf.concat([inputs, tf.one_hot(batch.labels, self.class_count)], axis=1)
        return self.networks.generator(inputs, training=True)

    def _train_discriminator(
        self, batch: Batch, generated_images: tf.Tensor, seeds: Seeds, penalty_scale: tf.Tensor, penalize: bool
    ) -> Readings:
        """The discriminator's move: real logits up, generated logits down, and no steeper than the penalties allow."""
        discriminator, interval = self.networks.discriminator, self.config.penalty_interval
        with tf.GradientTape() as tape:
            real_logits, generated_logits, penalty = self._logits_and_penalty(batch, generated_images, seeds, penalize)
            loss = self.loss.discriminator(real_logits, generated_logits)
            # A penalty costs a second backward pass. One that comes every nth step weighs n times as much, so its mean
            # stays: lazy regularization (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN").
            penalized_loss = loss + penalty_scale * interval * penalty
        self._descend(tape, penalized_loss, discriminator, self.networks.discriminator_optimizer)
        return {
            "discriminator_loss": loss,
            "real_score": tf.reduce_mean(real_logits),
            "generated_score": tf.reduce_mean(generated_logits),
            "real_logits": real_logits,
            "generated_logits": generated_logits,
        }

    def _logits_and_penalty(
        self, batch: Batch, generated_images: tf.Tensor, seeds: Seeds, penalize: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | float]:
        """Logits of real and of generated images, (batch, 1) each, and the sum of the penalties in use, a scalar."""
        real = partial(self._logits, labels=batch.labels, seed=seeds.real)
        generated = partial(self._logits, labels=batch.labels, seed=seeds.generated)
        r1, r2, gradient_penalty = self._penalty_weights if penalize else (0.0, 0.0, 0.0)
        real_slope = generated_slope = 0.0
        # R1: flat where the data are, or the players circle for ever around what they should settle on (Mescheder et
        # al. 2018). Its logits are those of the loss, so they are computed once.
        if r1:
            real_logits, real_slope = zero_centered_penalty(real, batch.images)
        else:
            real_logits = real(batch.images)
        # R2: the same at generated images, which a loss on pairs needs beside R1 (Huang et al. 2024).
        if r2:
            generated_logits, generated_slope = zero_centered_penalty(generated, generated_images)
        else:
            generated_logits = generated(generated_images)
        penalty = 0.5 * r1 * real_slope + 0.5 * r2 * generated_slope
        # WGAN-GP: slope 1 between the two, as the estimate of a Wasserstein distance needs (Gulrajani et al. 2017).
        if gradient_penalty:
            shape = (tf.shape(batch.images)[0], 1, 1, 1)
            shares = self.replicas.draw(tf.random.stateless_uniform, shape, seeds.penalty)
            penalty += gradient_penalty * gradient_norm_penalty(real, batch.images, generated_images, shares)
        return real_logits, generated_logits, penalty

    def _generator_loss(self, batch: Batch, generated_images: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """The generator's side: its images should look real to the discriminator as it is after its move."""
        generated_logits = self._logits(generated_images, batch.labels, seeds.generator)
        if not self.loss.pairs:
            return self.loss.generator(generated_logits)
        # More real than a real image: other real ones than the discriminator was just trained on.
        real_logits = self._logits(batch.second_images, batch.labels, seeds.second)
        return self.loss.generator(real_logits, generated_logits)

    def _logits(self, images: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """What the discriminator says of images: float32 (batch, 1), above 0 where one looks real."""
        if self.config.augmentation:
            # Changed in every pass, in the generator's too, or the generator learns to draw the changes (Zhao et al.
            # 2020; Karras et al. 2020, "Training generative adversarial networks with limited data").
            images = augment(images, self.config.augmentation, self.value_span, seed, self.replicas.draw)
        logits = self.networks.discriminator(images, training=True)  # (batch, 1), or a logit for each class
        if self.class_count:  # that of the image's own class (Mescheder et al. 2018)
            logits = tf.gather(logits, labels[:, tf.newaxis], axis=1, batch_dims=1)
        return logits

    def _descend(
        self, tape: tf.GradientTape, loss: tf.Tensor, network: keras.Sequential, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Moves one network's weights, and no other's, against the slope of its loss."""
        part = tf.constant(1.0 / self.replicas.count)  # of a mean over the whole batch; optimizers add the parts up
        optimizer.apply(tape.gradient(loss, network.trainable_variables, part), network.trainable_variables)

    def _average_generator(self, step: tf.Tensor) -> None:
        """Moves the averaged generator towards the live one: an exponential average with ramp-up.

        The players do not settle but move around a balance, to which the average is closer (Yazici et al. 2019). Its
        half-life is a share of the steps so far, so that it forgets its start at the pace at which training moves on
        (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN").
        """
        keep = 0.5 ** (1.0 / tf.maximum(self.config.averaging * tf.cast(step, tf.float32), 1e-6))
        live, averaged = self.networks.generator.trainable_variables, self.networks.averaged_generator
        for variable, average in zip(live, averaged.trainable_variables, strict=True):
            average.assign(variable + (average - variable) * keep)

    # How steps are taken

    def _step(self, batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalize: bool) -> Readings:
        """One step on all devices. With and without penalty are two graphs: cheaper than a condition within one."""
        readings = self.replicas.run(partial(self._play, penalize=penalize), batch, step, penalty_scale)
        self._average_generator(step)
        return readings

    def _steps(self, batches: tuple[Batch, ...], first_step: tf.Tensor, paces: tf.Tensor) -> list[Readings]:
        readings = []
        for index, batch in enumerate(batches):
            learning_rate, penalty_scale = tf.unstack(paces[index])
            self._set_learning_rate(learning_rate)
            readings.append(self.graph(batch, first_step + index, penalty_scale, self._penalty_is_due(index)))
        return readings

    def _seed_dropout(self, step: tf.Tensor) -> None:
        """A dropout layer draws from its state and counts it up, once for each pass of a step."""
        for index, state in enumerate(self.dropout_states):
            key = tf.constant(DROPOUT_KEYS + self.config.seed + index, tf.uint32)
            state.assign(tf.stack([key, tf.cast(step, tf.uint32) * DRAWS_PER_STEP]))

    @property
    def _penalty_weights(self) -> tuple[float, float, float]:
        return self.config.r1, self.config.r2, self.config.gradient_penalty

    @property
    def _has_penalty(self) -> bool:
        return any(self._penalty_weights)

    def _penalty_is_due(self, step: int) -> bool:
        return self._has_penalty and step % self.config.penalty_interval == 0

    def _pace(self, step: int) -> tuple[float, float]:
        """The learning rate of a step, and what its penalties are multiplied by."""
        if self.config.schedule == "constant":
            return self.config.learning_rate, 1.0
        share = step / self.total_steps if self.share_done is None else self.share_done
        return self.config.learning_rate * cosine(1.0, FINAL_RATE, share), cosine(1.0, FINAL_PENALTY, share)

    def _set_learning_rate(self, learning_rate: float | tf.Tensor) -> None:
        if self.config.schedule != "constant":
            self.networks.generator_optimizer.learning_rate.assign(learning_rate)
            self.networks.discriminator_optimizer.learning_rate.assign(learning_rate)


def cosine(first: float, last: float, share: float) -> float:
    """From `first` at share 0 to `last` at share 1, along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
