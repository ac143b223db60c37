"""The data sets that Keras downloads once: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100."""

import contextlib
import io
import sys

import numpy as np

from errors import InputError, words
from image_datasets.image_set import ImageSet

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")


def load_keras_dataset(name: str) -> ImageSet:
    import keras  # which imports TensorFlow; only these data sets need it

    try:
        # Keras prints the progress of the download. Standard output is for results, and only a terminal has a viewer.
        with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            (images, labels), _ = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception if the download fails
        reason = " ".join(str(error).split())
        raise InputError(
            f"expected to download {name} or to find it in Keras's cache, got: {reason}",
            "connect to the network once",
            words("pass {data} with your own folder, .zip, .npy or .npz"),
        ) from error
    images = images if images.ndim == 4 else images[..., np.newaxis]
    return ImageSet(name, images, labels.reshape(-1).astype(np.int64), _class_names(name, int(labels.max()) + 1))


def _class_names(name: str, count: int) -> tuple[str, ...]:
    names = {
        "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
        "fashion_mnist": "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot",
    }
    return tuple(names[name].split()) if name in names else tuple(str(label) for label in range(count))
