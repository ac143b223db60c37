"""Everything from latents to pixels as one TensorFlow function, for the converters."""

import numpy as np
import tensorflow as tf

from exporting.trained import TrainedGenerator


class PixelGraph(tf.Module):
    """latents float32 (n, latent_dim) -> images, integer levels; a conditional run also takes label, int32 (n,).

    Args:
        generator: the generator to export.
        raw: leave out the conversion to pixels; images are then scaled float32.
        channels_first: images (n, channels, height, width) instead of (n, height, width, channels).
        arithmetic: the type in which scaled values become levels. float64 rounds as generate.py does; for a runtime
            without it, float32, which can differ if a value is halfway between two levels.
        weights: the type in which the weights are stored; float16 ones are widened when used.
    """

    def __init__(
        self,
        generator: TrainedGenerator,
        raw: bool = False,
        channels_first: bool = False,
        arithmetic: tf.DType = tf.float64,
        weights: tf.DType = tf.float32,
    ) -> None:
        super().__init__(name="pixelwright")
        self.generator, self.raw, self.channels_first = generator, raw, channels_first
        self.arithmetic = arithmetic
        self.stored = [tf.Variable(tf.cast(weight.value, weights)) for weight in self._variables()]
        signature = [tf.TensorSpec((None, generator.latent_dim), tf.float32, name="latents")]
        if generator.class_names:
            signature.append(tf.TensorSpec((None,), tf.int32, name="label"))
        self.draw = tf.function(self._draw, input_signature=signature)

    def _variables(self) -> list:
        network = self.generator.network
        return [*network.trainable_variables, *network.non_trainable_variables]

    def _draw(self, latents: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        inputs = latents
        if label is not None:
            inputs = tf.concat([latents, tf.one_hot(label, len(self.generator.class_names))], axis=1)
        images = self._scaled(inputs) if self.raw else self._levels(self._scaled(inputs))
        return {"images": tf.transpose(images, (0, 3, 1, 2)) if self.channels_first else images}

    def _scaled(self, inputs: tf.Tensor) -> tf.Tensor:
        weights = [tf.cast(weight, tf.float32) for weight in self.stored]
        trainable = len(self.generator.network.trainable_variables)
        images, _ = self.generator.network.stateless_call(weights[:trainable], weights[trainable:], inputs)
        return images

    def _levels(self, scaled: tf.Tensor) -> tf.Tensor:
        """Rounds half to even, then clips; never truncates."""
        factor, offset = (tf.constant(part, self.arithmetic) for part in (self.generator.factor, self.generator.offset))
        values = tf.cast(scaled, self.arithmetic)
        if self.generator.factor.ndim == 2:
            shape = self.generator.image_shape
            values = tf.reshape(values, (-1, int(np.prod(shape)))) @ factor + offset
            values = tf.reshape(values, (-1, *shape))
        else:
            values = values * factor + offset
        return tf.cast(tf.clip_by_value(tf.round(values), 0, self.generator.white), self.generator.image_dtype)
