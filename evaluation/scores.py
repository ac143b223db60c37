"""All scores of one set of images against another, from their features."""

from dataclasses import dataclass

import numpy as np

from evaluation.distances import (
    COVERAGE_NEIGHBORS,
    PRECISION_NEIGHBORS,
    density_coverage,
    frechet_distance,
    kernel_distance,
    mean_and_covariance,
    precision_recall,
)
from progress import track

FEWEST_IMAGES = max(PRECISION_NEIGHBORS, COVERAGE_NEIGHBORS) + 1


@dataclass(frozen=True)
class Features:
    """values: float32 (n, d), one row per image. classes: int64 (n,), the class that each looks like, or None."""

    values: np.ndarray
    classes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Features":
        return Features(self.values[rows], None if self.classes is None else self.classes[rows])


@dataclass(frozen=True)
class Scores:
    """See `evaluation.distances` for each; kernel_distance_spread is the standard deviation over the subsets."""

    frechet_distance: float
    kernel_distance: float
    kernel_distance_spread: float
    precision: float
    recall: float
    density: float
    coverage: float


def choose_images(total: int, count: int) -> np.ndarray:
    """Which of `total` images to use: at most `count`, always the first in the same random order."""
    return np.random.default_rng(0).permutation(total)[: min(total, count)]


def compare(real: Features, generated: Features, seed: int = 0, title: str = "comparing") -> Scores:
    """All scores of `generated` against `real`. seed: determines the subsets of the kernel distance.

    Raises ValueError for fewer than six images in either set.
    """
    measures = (_frechet, _kernel, _precision_recall, _density_coverage)
    found = {}
    for measure in track(measures, title, len(measures), "measures"):
        found |= measure(real.values.astype(np.float64), generated.values.astype(np.float64), seed)
    return Scores(**found)


def _frechet(real: np.ndarray, generated: np.ndarray, _: int) -> dict[str, float]:
    return {"frechet_distance": frechet_distance(*mean_and_covariance(real), *mean_and_covariance(generated))}


def _kernel(real: np.ndarray, generated: np.ndarray, seed: int) -> dict[str, float]:
    return dict(
        zip(("kernel_distance", "kernel_distance_spread"), kernel_distance(real, generated, seed=seed), strict=True)
    )


def _precision_recall(real: np.ndarray, generated: np.ndarray, _: int) -> dict[str, float]:
    return dict(zip(("precision", "recall"), precision_recall(real, generated), strict=True))


def _density_coverage(real: np.ndarray, generated: np.ndarray, _: int) -> dict[str, float]:
    return dict(zip(("density", "coverage"), density_coverage(real, generated), strict=True))
