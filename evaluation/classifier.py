"""A small classifier, trained once on labeled images and cached: its last hidden layer gives features.

It needs no download and suits images other than photographs, such as digits. Only numbers from the same classifier can
be compared.
"""

import hashlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from errors import InputError, words
from evaluation.cache import Cache, cache_key
from evaluation.features import FeatureExtractor, digest_of_weights
from files import atomic_path, write_text
from image_datasets import ImageSet, epoch_order
from pixels.settings import white_level
from preprocessing import PixelScaler
from progress import track

VERSION = 1  # counts up when the network or its training changes
SEED = 0
BATCH_SIZE = 128
EPOCHS = 6
FEWEST_STEPS, MOST_STEPS = 300, 6000  # limits: few images are used more often, very many not six times
HELD_OUT = 0.1  # share of the images that only serves to test the classifier
LEARNING_RATE = 2e-3
LARGEST_SIDE = 48  # pixels; larger images are halved by convolutions until they are at most this


def open_classifier(images: ImageSet, cache: Cache) -> FeatureExtractor:
    """The classifier for these images, RGBA on white, and labels: from the cache, or trained now and cached.

    Raises ValueError without labels or with fewer than two classes.
    """
    if images.labels is None:
        raise InputError(
            f"expected labels to train the classifier on, got none in {images.name}",
            words("pass {data} with labels, such as a folder with class sub-folders"),
            words("{features=efficientnet}"),
        )
    if len(np.unique(images.labels)) < 2:
        raise InputError(
            f"expected at least two classes to train the classifier on, got one in {images.name}",
            words("pass {data} with more"),
            words("{features=efficientnet}"),
        )
    key = cache_key("classifier", VERSION, images.fingerprint(), _labels_digest(images), keras.__version__)
    path = cache.folder / f"classifier-{key}.keras"
    with cache.locked():
        network, record = _load(path) or _train_and_keep(images, path)
    # Both outputs in one pass. Everything before the last layer is float32 (batch, 128).
    both = keras.Model(network.inputs, [network.layers[-2].output, network.layers[-1].output])
    description = (
        f"classifier of {images.name}, {record['accuracy']:.1%} correct on {record['held_out']:,} held-out images"
    )
    return FeatureExtractor(
        "classifier",
        description,
        tf.function(lambda batch: tuple(both(batch, training=False))),
        record["weights_sha256"],
        images.class_names,
        record["accuracy"],
    )


def build_classifier(
    image_shape: tuple[int, int, int], classes: int, mean: np.ndarray, deviation: np.ndarray
) -> keras.Sequential:
    """float32 (batch, height, width, channels) in [0, 1] -> logits, float32 (batch, classes).

    mean, deviation: per channel over the training images, in [0, 1]; the network standardizes its input with them.
    """
    stack = [keras.Input(image_shape, name="images")]  # (batch, 32, 32, 3)
    stack += [layers.Normalization(mean=mean.tolist(), variance=np.square(deviation).tolist())]
    longest = max(image_shape[:2])
    while longest > LARGEST_SIDE:
        stack += _convolution(32, strides=2)
        longest = -(-longest // 2)
    stack += _convolution(32)  # (batch, 32, 32, 32)
    stack += _convolution(64, strides=2)  # (batch, 16, 16, 64)
    stack += _convolution(128, strides=2)  # (batch, 8, 8, 128)
    stack += _convolution(128)  # (batch, 8, 8, 128)
    stack += _convolution(128, strides=2)  # (batch, 4, 4, 128)
    stack += [layers.GlobalAveragePooling2D(name="features")]  # (batch, 128)
    stack += [layers.Dense(classes, name="logits")]  # (batch, 10)
    return keras.Sequential(stack, name="classifier")


def train_classifier(images: ImageSet, seed: int = SEED) -> tuple[keras.Sequential, float, int]:
    """Trains on nine tenths of the images: cross-entropy, Adam with warm-up and cosine decay, small shifts.

    All randomness depends on the seed. Returns the network, its accuracy on the last tenth, and how many images that
    is.
    """
    order = np.random.default_rng(seed).permutation(len(images.images))
    held_out_count = max(1, round(HELD_OUT * len(order)))
    held_out, training = np.sort(order[:held_out_count]), np.sort(order[held_out_count:])
    scaler = PixelScaler("normalize", dtype=images.images.dtype)
    white = white_level(images.images.dtype)
    statistics = PixelScaler("standardize").fit_batches(images.blocks())
    keras.utils.set_random_seed(seed)
    network = build_classifier(
        images.image_shape,
        len(images.class_names),
        np.ravel(statistics.mean_) / white,
        np.ravel(statistics.std_) / white,
    )
    batch_size = min(BATCH_SIZE, len(training))
    steps_per_epoch = len(training) // batch_size
    steps = int(np.clip(EPOCHS * steps_per_epoch, FEWEST_STEPS, MOST_STEPS))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=LEARNING_RATE, warmup_steps=steps // 10
    )
    network.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )
    for step in track(range(steps), "training the classifier, once", steps, "steps"):
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0:
            shuffled = training[epoch_order(len(training), seed, epoch)]
        chosen = np.sort(shuffled[place * batch_size : (place + 1) * batch_size])
        batch = _shifted(scaler.transform(images.take(chosen)), np.random.default_rng([seed, step]))
        network.train_on_batch(batch, images.labels[chosen])
    trained = keras.Sequential.from_config(network.get_config())  # without the optimizer, which would triple the file
    trained.set_weights(network.get_weights())
    return trained, _accuracy(trained, images, held_out, scaler), held_out_count


def _convolution(filters: int, strides: int = 1) -> list[layers.Layer]:
    convolve = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)
    # The statistics of the normalization must settle in few steps.
    return [convolve, layers.BatchNormalization(momentum=0.9), layers.ReLU()]


def _shifted(batch: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """The batch, shifted by up to a sixteenth of a side, repeating the edge: suits both digits and photographs."""
    height, width = batch.shape[1:3]
    reach = (max(1, height // 16), max(1, width // 16))
    padded = np.pad(batch, ((0, 0), (reach[0], reach[0]), (reach[1], reach[1]), (0, 0)), mode="edge")
    top, left = (int(draws.integers(2 * most + 1)) for most in reach)
    return padded[:, top : top + height, left : left + width]


def _accuracy(network: keras.Sequential, images: ImageSet, indices: np.ndarray, scaler: PixelScaler) -> float:
    right = 0
    for start in range(0, len(indices), BATCH_SIZE):
        chosen = indices[start : start + BATCH_SIZE]
        logits = network.predict_on_batch(scaler.transform(images.take(chosen)))
        right += np.count_nonzero(logits.argmax(axis=1) == images.labels[chosen])
    return float(right / len(indices))


# Keeping it


def _train_and_keep(images: ImageSet, path: Path) -> tuple[keras.Model, dict]:
    print(
        f"training a classifier for {len(images.class_names)} classes on {images.name}, once; it is cached in {path}",
        file=sys.stderr,
    )
    network, accuracy, held_out = train_classifier(images.on_white())
    with atomic_path(path) as partial:
        network.save(partial)
    record = {"accuracy": accuracy, "held_out": held_out, "weights_sha256": digest_of_weights(network)}
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    return network, record


def _load(path: Path) -> tuple[keras.Model, dict] | None:
    """The network and its record, or None if either is missing or damaged."""
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        network = keras.saving.load_model(path, compile=False)
        whole = digest_of_weights(network) == record["weights_sha256"]
        return (network, record) if whole and record["held_out"] >= 1 and 0 <= record["accuracy"] <= 1 else None
    except Exception:  # Keras raises many kinds of exception for damaged files; the cache is then filled again
        return None


def _labels_digest(images: ImageSet) -> str:
    digest = hashlib.sha256("\n".join(images.class_names).encode())
    digest.update(np.ascontiguousarray(images.labels, np.int64))
    return digest.hexdigest()
