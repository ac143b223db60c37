"""Do the squares of cutout leak into generated images?

python benchmarks/leaks.py --data cifar10-train.zip without.npy with.npy

Cutout covers a square of half a side with one color; if the border clips it, at least a quarter of each side remains.
So changed images contain a flat square of a quarter of a side, and a generator into which cutout has leaked makes more
of these than one trained without cutout. The table has the share of images with such a square, by how many levels its
pixels may differ within a channel: for real images, for real images after cutout (what the discriminator sees, and what
a leak would approach), and for each file of generated images.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from image_datasets import ReadingOptions, load_images  # noqa: E402
from preprocessing import PixelScaler  # noqa: E402

LEVELS = (4, 8, 16, 32)
BATCH_SIZE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", metavar="NAME|PATH", help="the real images (default cifar10)")
    parser.add_argument("--count", type=int, default=5000, help="number of real images (default %(default)s)")
    parser.add_argument("drawn", nargs="+", metavar="SAMPLES", help="what generate.py --output wrote")
    arguments = parser.parse_args()
    real = load_images(arguments.data, ReadingOptions(image_count=arguments.count)).images[:]
    kinds = {"real": real, "real, after cutout": cut_out(real)}
    kinds |= {path: load_images(path).images[:] for path in arguments.drawn}
    print("| images | number | " + " | ".join(f"flat to {levels} levels" for levels in LEVELS) + " |")
    print("|---|---:|" + "---:|" * len(LEVELS))
    for name, images in kinds.items():
        unevenness = np.concatenate([flattest_square(part) for part in parts_of(images)])
        print(f"| {name} | {len(images):,} | " + " | ".join(f"{(unevenness <= n).mean():.1%}" for n in LEVELS) + " |")


def parts_of(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]


def cut_out(images: np.ndarray) -> np.ndarray:
    """The images after cutout alone, applied with the same probability as in training."""
    import tensorflow as tf

    from training.augmentation import augment

    scaler = PixelScaler("tanh").fit(images)
    changed = [
        augment(tf.constant(scaler.transform(part)), ("cutout",), 2.0, tf.constant([0, number])).numpy()
        for number, part in enumerate(parts_of(images))
    ]
    return scaler.inverse_transform(np.concatenate(changed))


def flattest_square(images: np.ndarray) -> np.ndarray:
    """Integers (n, height, width, channels) -> int (n,), the range of levels in the flattest square of each image.

    The square's side is a quarter of the image's smaller one; the channel with the largest range counts.
    """
    side = min(images.shape[1:3]) // 4
    values = images.astype(np.int32)
    highest, lowest = values, values
    for axis in (1, 2):
        highest = sliding_window_view(highest, side, axis=axis).max(-1)
        lowest = sliding_window_view(lowest, side, axis=axis).min(-1)
    return (highest - lowest).max(axis=-1).min(axis=(1, 2))


if __name__ == "__main__":
    main()
