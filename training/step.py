"""One training step, compiled: the generator makes images, the discriminator learns, the generator learns.

Read `TrainStep._play` first: it is one step as a paper would write it. Below it, each network has a method, and so has
the penalty. Comments say what each term is for, and who introduced it.
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

DROPOUT_KEYS = 2**31  # above all seeds, so that dropout never shares random numbers with the latents
DRAWS_PER_STEP = 8  # more than a layer needs per step, so that steps never share random numbers
FINAL_RATE, FINAL_PENALTY = 0.25, 0.1  # what the cosine schedule leaves at the end (Huang et al. 2024)

Readings = dict[str, tf.Tensor]


class Batch(NamedTuple):
    """Scaled real images, float32 (batch, height, width, channels), and their classes, int64 (batch,), if conditional.

    second_images: other real images of the same classes, for a loss that compares generated images with real ones.
    """

    images: np.ndarray | tf.Tensor
    labels: np.ndarray | tf.Tensor | None = None
    second_images: np.ndarray | tf.Tensor | None = None


class Seeds(NamedTuple):
    """int32 (2,) each: every pass of the discriminator augments its images with its own random numbers."""

    real: tf.Tensor
    generated: tf.Tensor
    penalty: tf.Tensor
    generator: tf.Tensor
    second: tf.Tensor


class TrainStep:
    """The step of a run: `train_step(batch, step)` updates both networks, and the averaged generator follows.

    All randomness in a step depends on (config.seed, step): latents and augmentation use stateless random numbers, and
    dropout's generators are seeded again. Two runs that reach a step with the same weights therefore stay identical.

    Args:
        networks: the networks to train, on the devices that they were built for.
        config: seed, loss, averaging, penalties, augmentation and schedule of the run.
        total_steps: the steps of the whole run; the cosine schedule ends there.
        value_span: width of the range of the scaled pixels, 2 for [-1, 1]; augmentation needs it.

    Attributes:
        compiled_step, compiled_steps: one step and many, each as a graph of TensorFlow.

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
        self.class_count = networks.generator.input_shape[-1] - config.latent_dim
        self.dropout_states = [
            layer.seed_generator.state
            for network in (networks.generator, networks.discriminator)
            for layer in network.layers
            if getattr(layer, "seed_generator", None) is not None
        ]
        xla = config.xla == "on" and self.replicas.is_one_device
        self.compiled_step = tf.function(self._step, autograph=False, jit_compile=xla)
        self.compiled_steps = tf.function(self._steps, autograph=False)

    def __call__(self, batch: Batch, step: int, share_done: float | None = None) -> Readings:
        """Takes one step. Each of several workers passes its own share of the batch; steps count from 0.

        share_done: the share of a timed run that is over, for the cosine schedule; None: it follows the steps.

        Returns the scalars generator_loss, discriminator_loss, real_score and generated_score (the means of the
        logits), and real_logits and generated_logits, (batch, 1), of the whole batch, from the discriminator as it was
        before its update.
        """
        learning_rate, penalty_scale = self._pace(step, share_done)
        self._set_learning_rate(learning_rate)
        numbers = tf.constant(step, tf.int32), tf.constant(penalty_scale, tf.float32)
        return self.compiled_step(self.replicas.spread(batch), *numbers, self._penalty_is_due(step))

    def execute(self, batches: list[Batch], first_step: int, share_done: float | None = None) -> list[Readings]:
        """Takes one step for each batch, from first_step on, in one call; same bits as separate calls.

        Raises ValueError for several steps that do not start at a multiple of config.penalty_interval.
        """
        if len(batches) == 1:
            return [self(batches[0], first_step, share_done)]
        if self._has_penalty and first_step % self.config.penalty_interval:
            raise ValueError(
                f"expected many steps to start at a multiple of {self.config.penalty_interval}, where penalties are "
                f"due, got step {first_step}; take them one by one until then"
            )
        paces = [self._pace(first_step + index, share_done) for index in range(len(batches))]
        shares = tuple(map(self.replicas.spread, batches))
        return self.compiled_steps(shares, tf.constant(first_step, tf.int32), tf.constant(paces, tf.float32))

    # The game

    def _play(self, batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalize: bool) -> Readings:
        """One step on one device: the discriminator is updated, then the generator (Goodfellow et al. 2014, k = 1)."""
        generator = self.networks.generator
        seed = tf.stack([self.config.seed, step])
        # `split` draws the seeds of the passes from `seed`, and so are the latents drawn: some share their random bits.
        # That does no harm, since each seed is scrambled again where it is used, and runs need it to keep their bits.
        seeds = Seeds(*tf.unstack(tf.random.split(seed, len(Seeds._fields))))
        self._seed_dropout(step)
        # Both updates use the same generated images, which saves a pass. The tape watches only the generator's weights,
        # so it does not record the discriminator's update in between.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # A tape watches TensorFlow's variables; `value` takes them out of those of Keras.
            tape.watch([variable.value for variable in generator.trainable_variables])
            generated_images = self._generate(batch, seed)
            # The discriminator's loss must not send gradients to the generator: the two have opposite aims.
            fixed_images = tf.stop_gradient(generated_images)
            readings = self._train_discriminator(batch, fixed_images, seeds, penalty_scale, penalize)
            generator_loss = self._generator_loss(batch, generated_images, seeds)
        self._descend(tape, generator_loss, generator, self.networks.generator_optimizer)
        return {"generator_loss": generator_loss, **readings}

    def _generate(self, batch: Batch, seed: tf.Tensor) -> tf.Tensor:
        """Images float32 (batch, height, width, channels) from normal latents, with the classes of the real images."""
        shape = (tf.shape(batch.images)[0], self.config.latent_dim)
        # Normal latents favor no direction, so there is a path between any two seeds (White 2016).
        inputs = self.replicas.draw(tf.random.stateless_normal, shape, seed)  # (batch, latent_dim)
        if self.class_count:  # the class is an input (Mirza, Osindero 2014), as frequent as among the real images
            inputs = tf.concat([inputs, tf.one_hot(batch.labels, self.class_count)], axis=1)
        return self.networks.generator(inputs, training=True)

    def _train_discriminator(
        self, batch: Batch, generated_images: tf.Tensor, seeds: Seeds, penalty_scale: tf.Tensor, penalize: bool
    ) -> Readings:
        """The discriminator's update: real logits up, generated logits down, gradients limited by the penalties."""
        discriminator, interval = self.networks.discriminator, self.config.penalty_interval
        with tf.GradientTape() as tape:
            real_logits, generated_logits, penalty = self._logits_and_penalty(batch, generated_images, seeds, penalize)
            loss = self.loss.discriminator(real_logits, generated_logits)
            # A penalty costs a second backward pass. Applied every nth step, it weighs n times as much, so its mean
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
        """Logits of real and generated images, (batch, 1) each, and the sum of the penalties in use, a scalar."""
        real = partial(self._logits, labels=batch.labels, seed=seeds.real)
        generated = partial(self._logits, labels=batch.labels, seed=seeds.generated)
        r1, r2, gradient_penalty = self._penalty_weights if penalize else (0.0, 0.0, 0.0)
        real_slope = generated_slope = 0.0
        # R1: a flat discriminator at the data. Without it, the two networks can circle around the solution forever
        # (Mescheder et al. 2018). The loss uses the same logits, so they are computed once.
        if r1:
            real_logits, real_slope = zero_centered_penalty(real, batch.images)
        else:
            real_logits = real(batch.images)
        # R2: the same penalty at generated images, which a loss on pairs needs in addition (Huang et al. 2024).
        if r2:
            generated_logits, generated_slope = zero_centered_penalty(generated, generated_images)
        else:
            generated_logits = generated(generated_images)
        penalty = 0.5 * r1 * real_slope + 0.5 * r2 * generated_slope
        # WGAN-GP: gradients of norm 1 in between, for an estimate of a Wasserstein distance (Gulrajani et al. 2017).
        if gradient_penalty:
            shape = (tf.shape(batch.images)[0], 1, 1, 1)
            shares = self.replicas.draw(tf.random.stateless_uniform, shape, seeds.penalty)
            penalty += gradient_penalty * gradient_norm_penalty(real, batch.images, generated_images, shares)
        return real_logits, generated_logits, penalty

    def _generator_loss(self, batch: Batch, generated_images: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """The generator's loss: its images should look real to the discriminator, which has just been updated."""
        generated_logits = self._logits(generated_images, batch.labels, seeds.generator)
        if not self.loss.pairs:
            return self.loss.generator(generated_logits)
        # More real than real images, and other ones than the discriminator was just trained on.
        real_logits = self._logits(batch.second_images, batch.labels, seeds.second)
        return self.loss.generator(real_logits, generated_logits)

    def _logits(self, images: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """The discriminator's logits: float32 (batch, 1), above 0 for an image that looks real."""
        if self.config.augmentation:
            # Augment in every pass, also in the generator's, or the changes leak into generated images (Zhao et al.
            # 2020; Karras et al. 2020, "Training generative adversarial networks with limited data").
            images = augment(images, self.config.augmentation, self.value_span, seed, self.replicas.draw)
        logits = self.networks.discriminator(images, training=True)  # (batch, 1), or a logit for each class
        if self.class_count:  # take the logit of the image's own class (Mescheder et al. 2018)
            logits = tf.gather(logits, labels[:, tf.newaxis], axis=1, batch_dims=1)
        return logits

    def _descend(
        self, tape: tf.GradientTape, loss: tf.Tensor, network: keras.Sequential, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Moves the weights of this network alone against the gradient of its loss."""
        # Optimizers sum the gradients of all devices, so each device gives its share of the mean over the whole batch.
        share = tf.constant(1.0 / self.replicas.count)
        gradients = tape.gradient(loss, network.trainable_variables, share)
        # No weight moves before the loss is known. The gradient of a Wasserstein loss does not need the logits, and
        # TensorFlow's graph optimizer drops the order between reading a weight and moving it: once in several hundred
        # steps, logits were of a weight already moved (docs/reliability.md).
        with tf.control_dependencies([loss]):
            optimizer.apply(gradients, network.trainable_variables)

    def _average_generator(self, step: tf.Tensor) -> None:
        """Moves the averaged generator toward the live one: an exponential moving average with ramp-up.

        The two networks do not settle but move around an equilibrium, and the average is closer to it (Yazici et al.
        2019). Its half-life is a fraction of the steps so far, so that early weights are forgotten early (Karras et al.
        2020, "Analyzing and improving the image quality of StyleGAN").
        """
        keep = 0.5 ** (1.0 / tf.maximum(self.config.averaging * tf.cast(step, tf.float32), 1e-6))
        live, averaged = self.networks.generator.trainable_variables, self.networks.averaged_generator
        for variable, average in zip(live, averaged.trainable_variables, strict=True):
            average.assign(variable + (average - variable) * keep)

    # How steps are taken

    def _step(self, batch: Batch, step: tf.Tensor, penalty_scale: tf.Tensor, penalize: bool) -> Readings:
        """One step on all devices. Steps with and without penalty have separate graphs: cheaper than a condition."""
        readings = self.replicas.run(partial(self._play, penalize=penalize), batch, step, penalty_scale)
        self._average_generator(step)
        return readings

    def _steps(self, batches: tuple[Batch, ...], first_step: tf.Tensor, paces: tf.Tensor) -> list[Readings]:
        """Many steps on all devices; paces float32 (steps, 2): the learning rate and the factor of the penalties."""
        readings = []
        for index, batch in enumerate(batches):
            learning_rate, penalty_scale = tf.unstack(paces[index])
            self._set_learning_rate(learning_rate)
            # The index serves as the step: `execute` refuses a first step at which no penalty is due.
            penalize = self._penalty_is_due(index)
            readings.append(self.compiled_step(batch, first_step + index, penalty_scale, penalize))
        return readings

    def _seed_dropout(self, step: tf.Tensor) -> None:
        """Sets the state of dropout layers for a step; a layer then advances it with each pass."""
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

    def _pace(self, step: int, share_done: float | None) -> tuple[float, float]:
        """The learning rate of a step, and the factor of its penalties."""
        if self.config.schedule == "constant":
            return self.config.learning_rate, 1.0
        share = step / self.total_steps if share_done is None else share_done
        return self.config.learning_rate * cosine(1.0, FINAL_RATE, share), cosine(1.0, FINAL_PENALTY, share)

    def _set_learning_rate(self, learning_rate: float | tf.Tensor) -> None:
        if self.config.schedule != "constant":
            self.networks.generator_optimizer.learning_rate.assign(learning_rate)
            self.networks.discriminator_optimizer.learning_rate.assign(learning_rate)


def cosine(first: float, last: float, share: float) -> float:
    """From `first` at share 0 to `last` at share 1, along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
