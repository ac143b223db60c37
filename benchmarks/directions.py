"""How far images move along the directions of `generate.py --direction`, and along others: directions.py RUN

python benchmarks/directions.py docs/example-run

A change is the root mean square over all levels of an image, two standard deviations along a direction to either side,
and the mean over images. Beside the directions of this program stand the eigenvectors of the mean of JᵀJ, where J says
how an image changes with its latent vector; they are found by drawing an image for each number of each latent vector.
And random directions, which show what is nothing special.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from command_line import import_tensorflow  # noqa: E402
from drawing.directions import latent_directions  # noqa: E402
from models.sampling import generate_images, latents_from_seeds, with_classes  # noqa: E402
from runs import RunFolder  # noqa: E402

FIRST, LAST = 8, 3
STEP = 2.0  # standard deviations
SMALL_STEP = 0.1  # for J, since levels are integers; the mean over many images smooths them
SEEDS_FOR_J = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--count", type=int, default=64, metavar="N", help="of images that move (default %(default)s)")
    arguments = parser.parse_args()
    import_tensorflow()
    run = RunFolder.open(arguments.run)
    draw = Drawer(run)
    ours = latent_directions(draw.generator, run.config.latent_dim)
    theirs, images = draw.eigenvectors()
    random = np.linalg.qr(np.random.default_rng(0).standard_normal((run.config.latent_dim, FIRST)))[0].T
    last = run.load_metrics()[-1]
    print(f"{run.path.name}, epoch {last['epoch']}, images of seeds 0 to {arguments.count - 1}\n")
    print("| directions | change in levels |\n|---|---:|")
    for title, directions in (
        (f"the first {FIRST} of this program", ours[:FIRST]),
        (f"the first {FIRST} eigenvectors of the mean of JᵀJ, from {images:,} images", theirs[:FIRST]),
        (f"{FIRST} random ones", random),
        (f"the last {LAST} of this program", ours[-LAST:]),
    ):
        print(f"| {title} | {draw.change(directions, arguments.count):.1f} |")


class Drawer:
    """A run's generator as a function of latent vectors alone: of a conditional run, classes take turns."""

    def __init__(self, run: RunFolder) -> None:
        self.run, self.generator, self.scaler = run, run.load_generator(), run.load_scaler()

    def images(self, latents: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """float32 (n, latent_dim), int (n,) -> float64 (n, height · width · channels), levels."""
        inputs = with_classes(latents, seeds % max(1, self.run.class_count), self.run.class_count)
        return generate_images(self.generator, self.scaler, inputs).reshape(len(latents), -1).astype(np.float64)

    def change(self, directions: np.ndarray, count: int) -> float:
        """The mean change along several directions, each to both sides."""
        seeds = np.arange(count)
        latents = latents_from_seeds(seeds, self.run.config.latent_dim)
        still = self.images(latents, seeds)
        moved = [self.images(latents + STEP * side * unit, seeds) for unit in directions for side in (-1, 1)]
        return float(np.mean([np.sqrt(np.square(images - still).mean(axis=1)) for images in moved]))

    def eigenvectors(self) -> tuple[np.ndarray, int]:
        """Those of the mean of JᵀJ, float32 (latent_dim, latent_dim), largest first; and how many images it took."""
        length = self.run.config.latent_dim
        moments = np.zeros((length, length))
        for seed in range(SEEDS_FOR_J):
            latents = np.repeat(latents_from_seeds([seed], length), length, axis=0)
            seeds = np.full(length, seed)
            jacobian = self.images(latents + SMALL_STEP * np.eye(length, dtype=np.float32), seeds) - self.images(
                latents[:1], seeds[:1]
            )
            moments += jacobian @ jacobian.T
        return np.linalg.eigh(moments)[1][:, ::-1].T.astype(np.float32), SEEDS_FOR_J * length


if __name__ == "__main__":
    main()
