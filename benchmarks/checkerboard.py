"""Do generated images have a checkerboard? Their power at the highest frequencies, relative to real images.

python benchmarks/checkerboard.py --data noto-emoji-64.zip --alpha white --channels 3 recipes/default-0.png samples.npy

Each file holds images as large as the real ones: an array of generate.py, or a sample grid of train.py. A transposed
convolution with stride 2 computes odd and even pixels with different weights; what differs shows as patterns of two
pixels (Odena et al. 2016). The table has the mean power, of the brightness of images times a Hann window, where both
frequencies are one half per pixel (a checkerboard), where one of them is and the other is 0 (stripes), and where both
are a quarter (a checkerboard of the doubling before). 1 is that of real images; more is a pattern that those lack, less
is blurred.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from image_datasets import ReadingOptions, load_images  # noqa: E402
from imaging import load_image  # noqa: E402

PADDING = 2  # between the images of a grid
NEAR = 1  # so many frequencies to either side belong to one place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="NAME|PATH", help="the real images")
    parser.add_argument("--image-size", type=int, metavar="SIDE")
    parser.add_argument("--channels", type=int, choices=(1, 3))
    parser.add_argument("--alpha", choices=("drop", "white", "black"))
    parser.add_argument("--count", type=int, default=2000, help="number of real images (default %(default)s)")
    parser.add_argument("drawn", nargs="+", type=Path, metavar="FILE", help=".npy, or a grid as .png")
    arguments = parser.parse_args()
    size = None if arguments.image_size is None else (arguments.image_size,) * 2
    reading = ReadingOptions(
        image_size=size, channels=arguments.channels, alpha=arguments.alpha, image_count=arguments.count
    )
    real = load_images(arguments.data, reading).images[:]
    standard = powers(real)
    print(
        "| images | number | checkerboard | stripes | checkerboard of the doubling before |\n|---|---:|---:|---:|---:|"
    )
    for path in arguments.drawn:
        images = load_image(path) if path.suffix == ".png" else np.load(path)
        images = images if images.ndim == 4 else from_grid(images, *real.shape[1:3])
        ratios = " | ".join(f"{power:.2f}" for power in powers(images) / standard)
        print(f"| {path.with_suffix('').name} | {len(images):,} | {ratios} |")


def from_grid(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """The images (n, height, width, c) of a sample grid."""
    tops = range(0, grid.shape[0], height + PADDING)
    lefts = range(0, grid.shape[1], width + PADDING)
    return np.stack([grid[top : top + height, left : left + width] for top in tops for left in lefts])


def powers(images: np.ndarray) -> np.ndarray:
    """Mean power at the three places; float64 (3,)."""
    brightness = images.mean(axis=-1)
    brightness -= brightness.mean(axis=(1, 2), keepdims=True)
    _, height, width = brightness.shape
    window = np.hanning(height)[:, np.newaxis] * np.hanning(width)
    power = (np.abs(np.fft.fft2(brightness * window)) ** 2).mean(axis=0)

    def around(row: int, column: int) -> float:
        rows, columns = np.arange(row - NEAR, row + NEAR + 1), np.arange(column - NEAR, column + NEAR + 1)
        return power[np.ix_(rows % height, columns % width)].mean()

    half, quarter = (height // 2, width // 2), (height // 4, width // 4)
    stripes = (around(half[0], 0) + around(0, half[1])) / 2
    return np.array([around(*half), stripes, (around(*quarter) + around(quarter[0], -quarter[1])) / 2])


if __name__ == "__main__":
    main()
