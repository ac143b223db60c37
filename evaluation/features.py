"""Images -> features: the last hidden layer of a network that was trained to recognize images."""

import contextlib
import hashlib
import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from errors import InputError, words
from evaluation.cache import Cache, cache_key
from evaluation.scores import Features
from image_datasets import ImageSet
from imaging import on_ground
from models.sampling import BATCH_SIZE
from preprocessing import PixelScaler
from progress import track

VERSION = 1  # increased when the same images and weights would give other features
INCEPTION_SIZE = (299, 299)

Compute = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor | None]]


@dataclass(frozen=True)
class FeatureExtractor:
    """A network that gives features, and class logits if it knows classes.

    name: "classifier" or "inception". compute: float32 (batch, height, width, channels) in [0, 1] -> float32 (batch, d)
    and float32 (batch, classes) or None. weights_digest: equal if and only if the weights are equal.
    """

    name: str
    description: str
    compute: Compute
    weights_digest: str
    class_names: tuple[str, ...] = ()
    accuracy: float | None = None  # on images held out of its training, 0 … 1

    def extract(self, batches: Iterable[np.ndarray], title: str | None, count: int) -> Features:
        """Extracts features from batches of uint8 or uint16 (batch, height, width, channels), `count` images in all.

        RGBA images are put on white, since these networks accept only gray and RGB.
        RGBA images are put on white, since these networks accept only gray and RGB.
        Levels are divided by the white of their type in float, so 16 bits stay 16 bits. title: the progress bar's;
        None for no bar, if there is another one already.
        """
        values, classes = [], []
        for images in batches if title is None else track(batches, title, -(-count // BATCH_SIZE), "batches"):
            if images.shape[-1] == 4:
                images = on_ground(images, np.iinfo(images.dtype).max)
            scaled = PixelScaler("normalize", dtype=images.dtype).transform(np.ascontiguousarray(images))
            features, logits = self.compute(tf.constant(scaled))
            values.append(np.asarray(features, np.float32))
            if logits is not None:
                classes.append(np.asarray(logits).argmax(axis=1).astype(np.int64))
        return Features(np.concatenate(values), np.concatenate(classes) if classes else None)


def real_features(
    extractor: FeatureExtractor, images: ImageSet, fingerprint: str, indices: np.ndarray, cache: Cache
) -> Features:
    """Features of images[indices], from the cache if they are in it.

    fingerprint: that of all images. The indices must depend only on their number, because the cache distinguishes
    nothing but fingerprint, network and number.
    """
    key = cache_key("features", VERSION, extractor.name, extractor.weights_digest, fingerprint, len(indices))
    with cache.locked():
        features = cache.load_features(key)
        if features is None or len(features) != len(indices):
            batches = (images.take(indices[start : start + BATCH_SIZE]) for start in range(0, len(indices), BATCH_SIZE))
            features = extractor.extract(batches, "real images", len(indices))
            cache.save_features(key, features)
    return features


def digest_of_weights(network: keras.Model) -> str:
    """SHA-256 of all weights."""
    digest = hashlib.sha256()
    for weights in network.get_weights():
        digest.update(f"{weights.dtype.name} {weights.shape}".encode())
        digest.update(np.ascontiguousarray(weights))
    return digest.hexdigest()


# InceptionV3


def open_inception() -> FeatureExtractor:
    """Keras's InceptionV3, 2,048 features after its average pooling; the weights are downloaded once.

    Raises a one-line ValueError if they are not there and cannot be downloaded.
    """
    try:
        # Keras prints the progress of the download. Standard output is for results, and only a terminal has a viewer.
        with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            network = keras.applications.InceptionV3(
                include_top=False, weights="imagenet", input_shape=(*INCEPTION_SIZE, 3), pooling="avg"
            )
    except Exception as error:  # Keras raises a bare Exception if the download fails
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"expected to download the weights of InceptionV3 (88 MB) or to find them in Keras's cache, got: {reason}",
            "connect to the network once",
            words("pass {features=efficientnet}"),
        ) from error

    @tf.function  # traced for each shape: gray and RGB take different ways
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, None]:
        return network(inception_input(images), training=False), None

    description = "InceptionV3 of Keras; not the weights of the FID in papers, so compare with numbers like this only"
    return FeatureExtractor("inception", description, compute, digest_of_weights(network))


def inception_input(images: tf.Tensor) -> tf.Tensor:
    """float32 (batch, height, width, 1 or 3) in [0, 1] -> float32 (batch, 299, 299, 3) in [-1, 1].

    Bicubic, with a kernel that widens when images shrink; without that, resizing alone changes the distance (Parmar,
    Zhang, Zhu 2022, arXiv:2104.11222).
    """
    if images.shape[-1] == 1:
        images = tf.repeat(images, 3, axis=-1)
    resized = tf.image.resize(images, INCEPTION_SIZE, method="bicubic", antialias=True)
    return tf.clip_by_value(resized, 0.0, 1.0) * 2.0 - 1.0
