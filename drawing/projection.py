"""From an image back to a latent vector: the closest image that a generator can make.

Gradient descent on the latent vector, as in Zhu et al. 2016, "Generative visual manipulation on the natural image
manifold": tries many random vectors and improves the best of them.
"""

import keras
import numpy as np
import tensorflow as tf

from models.sampling import BATCH_SIZE, latents_from_seeds, with_classes
from progress import ProgressBar, progress_bar

CANDIDATES = 512  # random latents tried for each class
STARTS = 4  # the number of them to improve, for each image
STEPS = 250
RATE = 0.05  # of Adam, falling to nothing along a cosine


def project(
    generator: keras.Sequential, scaled_images: np.ndarray, classes: list[int | None], class_count: int, seed: int = 0
) -> np.ndarray:
    """Finds generator inputs whose images are close to the given ones.

    Args:
        generator: float32 (n, latent_dim + class_count) -> float32 (n, height, width, channels).
        scaled_images: float32 (n, height, width, channels), scaled like the generator's images.
        classes: the classes to try, [None] without classes.
        seed: the first of the seeds whose latents are tried.

    Returns:
        Inputs of the generator, float32 (n, latent_dim + class_count), with the smallest mean squared error found.
    """
    latent_dim = generator.input_shape[-1] - class_count
    latents = latents_from_seeds(range(seed, seed + CANDIDATES), latent_dim)
    codes = [None if label is None else np.full(CANDIDATES, label) for label in classes]
    candidates = np.concatenate([with_classes(latents, labels, class_count) for labels in codes])
    distances = np.concatenate(
        [
            _distances(np.asarray(generator(candidates[start : start + BATCH_SIZE], training=False)), scaled_images)
            for start in range(0, len(candidates), BATCH_SIZE)
        ],
        axis=1,
    )
    descent, found = _Descent(generator, latent_dim), []
    with progress_bar("projecting", len(scaled_images) * STEPS, "steps") as bar:
        for image, distances_to_image in zip(scaled_images, distances, strict=True):
            starts = candidates[np.argsort(distances_to_image, kind="stable")[:STARTS]]
            found.append(descent.closest(image, starts, bar))
    return np.stack(found)


class _Descent:
    """A few inputs of the generator, which Adam moves toward one image after another."""

    def __init__(self, generator: keras.Sequential, latent_dim: int) -> None:
        input_length = generator.input_shape[-1]
        self.generator = generator
        self.inputs = keras.Variable(np.zeros((STARTS, input_length), np.float32))
        self.moves = tf.constant([1.0] * latent_dim + [0.0] * (input_length - latent_dim))  # the class stays fixed
        self.optimizer = keras.optimizers.Adam(RATE)
        self.optimizer.build([self.inputs])
        self.step = tf.function(self._step)

    def closest(self, image: np.ndarray, starts: np.ndarray, bar: ProgressBar) -> np.ndarray:
        """float32 (input_length,): the best of all inputs on the paths from `starts`."""
        self.inputs.assign(starts)
        for variable in self.optimizer.variables:
            if variable is not self.optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        best, best_error = None, np.inf
        for step in range(STEPS + 1):
            before = self.inputs.numpy()
            rate = RATE * 0.5 * (1.0 + np.cos(np.pi * step / STEPS))
            errors = self.step(tf.constant(image[np.newaxis]), tf.constant(rate, tf.float32)).numpy()
            if errors.min() < best_error:
                best, best_error = before[errors.argmin()].copy(), errors.min()
            bar.advance(1 if step else 0, "projecting")
        return best

    def _step(self, target: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Moves the inputs once; returns the mean squared error of each before, float32 (STARTS,)."""
        with tf.GradientTape() as tape:
            images = self.generator(self.inputs.value, training=False)
            errors = tf.reduce_mean(tf.square(images - target), axis=(1, 2, 3))
            total = tf.reduce_sum(errors)
        slopes = tape.gradient(total, self.inputs.value)
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply([slopes * self.moves], [self.inputs])
        return errors


def _distances(drawn: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean squared differences, float32 (targets, drawn)."""
    return np.stack([np.square(drawn - target).reshape(len(drawn), -1).mean(axis=1) for target in targets])
