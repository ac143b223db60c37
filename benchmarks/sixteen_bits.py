"""16 bits through the whole program, on Matplotlib's two 16-bit sample images: an MRI slice and elevations.

Each is cut into overlapping crops, a GAN is trained on them, and the 16-bit PNG of generate.py is read back. Only the
picture for the page is stretched; the files hold the exact values.

python benchmarks/sixteen_bits.py --output docs/images/sixteen-bits.png
"""

import argparse
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging import image_grid, load_image, save_image, stretch_values  # noqa: E402

SIDE = 32
CROPS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/sixteen-bits"), help="where the runs go (default %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=10, help=f"of {CROPS} crops (default %(default)s)")
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    grids = []
    for name, image in (("mri", mri_slice()), ("elevation", elevations())):
        real = crops(image)
        np.save(arguments.runs / f"{name}.npy", real)
        drawn = train_and_draw(arguments.runs, name, arguments.epochs)
        print(f"{name}: real {describe(real)}; drawn {describe(drawn)}")
        grids += [in_range_of(real, image_grid(part[:64], 8, 8)) for part in (real, drawn)]
    save_image(arguments.output, np.concatenate(grids, axis=1))


def mri_slice() -> np.ndarray:
    """uint16 (256, 256): the magnitudes of a T1-weighted slice, 0 to 55,040, read as Matplotlib's own example reads it.

    All of them are multiples of 256: the file seems to hold 8 bits of content in 16, high byte first.
    """
    from matplotlib.cbook import get_sample_data

    with get_sample_data("s1045.ima.gz") as file:
        content = file.read()
    values = np.frombuffer(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content, np.uint16)
    return values.reshape(256, 256)


def elevations() -> np.ndarray:
    """uint16 (344, 403): meters above the sea."""
    from matplotlib.cbook import get_sample_data

    with get_sample_data("jacksboro_fault_dem.npz") as archive:
        return archive["elevation"].astype(np.uint16)


def crops(image: np.ndarray) -> np.ndarray:
    """uint16 (h, w) -> (4000, 32, 32, 1): crops at random places, without those that are nearly empty."""
    random = np.random.default_rng(0)
    found = []
    while len(found) < CROPS:
        top, left = (int(random.integers(length - SIDE + 1)) for length in image.shape)
        crop = image[top : top + SIDE, left : left + SIDE]
        if crop.std() > 0.02 * image.std():
            found.append(crop)
    return np.stack(found)[..., np.newaxis]


def train_and_draw(runs: Path, name: str, epochs: int) -> np.ndarray:
    """Trains on crops scaled by their true maximum; reads back what generate.py wrote: uint16 (64, 32, 32, 1)."""
    run = runs / name
    started = ["--resume"] if (run / "config.json").exists() else []
    data = ["--data", runs / f"{name}.npy", "--maximum", "data", "--batch-size", 32]
    call("train.py", "--run-dir", run, "--preset", "dcgan", "--epochs", epochs, *data, *started)
    call("generate.py", run, "--seeds", "0-63", "--output", runs / f"{name}-drawn")
    return np.stack([load_image(path) for path in sorted((runs / f"{name}-drawn").iterdir())])


def call(*command) -> None:
    subprocess.run([sys.executable, ROOT / command[0], *map(str, command[1:])], check=True)


def describe(images: np.ndarray) -> str:
    levels = len(np.unique(images))
    return f"{images.dtype} {images.shape}, {images.min()} to {images.max()}, {levels:,} different levels"


def in_range_of(real: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """For the page: maps the range of the real images to black … white."""
    return stretch_values(grid, float(real.min()), float(real.max()))


if __name__ == "__main__":
    main()
