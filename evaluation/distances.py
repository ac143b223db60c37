"""Distances between two sets of features, in float64 NumPy.

All take features (n, d), any float type, one row per image; `generated` is measured against `real`. They work in blocks
of rows, so that 10,000 rows against 10,000 need only a few hundred megabytes.
"""

from collections.abc import Iterator

import numpy as np

BLOCK_ROWS = 512  # with 10,000 columns of float64, 41 MB
SUBSETS, SUBSET_SIZE = 100, 1000  # for the kernel distance
PRECISION_NEIGHBORS = 3  # as in the paper's experiments
COVERAGE_NEIGHBORS = 5  # as in the paper's experiments
SAME_POINT = 1e-12  # squared distance, relative to the squared lengths, below which two points are one


# Fréchet distance


def mean_and_covariance(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) -> float64 (d,) and (d, d), divided by n − 1. Raises ValueError for fewer than two rows."""
    features = _checked(features, least=2)
    mean = features.mean(axis=0)
    centered = features - mean
    return mean, centered.T @ centered / (len(features) - 1)


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """The squared Wasserstein-2 distance of two Gaussians, as in Heusel et al. 2017 (arXiv:1706.08500).

    `|mean1 − mean2|² + tr(cov1) + tr(cov2) − 2 tr((cov1 cov2)^½)`. The last trace is the sum of the singular values of
    cov1^½ cov2^½, whose symmetric roots come from eigendecompositions: nothing becomes complex, and fewer images than
    features are no special case. Raises ValueError for shapes that do not match.

    >>> frechet_distance(np.zeros(2), np.eye(2), np.array([3.0, 4.0]), np.eye(2))
    25.0
    """
    mean1, mean2 = np.asarray(mean1, np.float64), np.asarray(mean2, np.float64)
    cov1, cov2 = np.asarray(cov1, np.float64), np.asarray(cov2, np.float64)
    shapes = [array.shape for array in (mean1, cov1, mean2, cov2)]
    length = mean1.size
    if shapes != [(length,), (length, length)] * 2:
        raise ValueError(f"expected two means (d,) and two covariances (d, d), got shapes {shapes}")
    overlap = np.linalg.svd(_symmetric_root(cov1) @ _symmetric_root(cov2), compute_uv=False).sum()
    distance = np.sum((mean1 - mean2) ** 2) + np.trace(cov1) + np.trace(cov2) - 2.0 * overlap
    return float(max(distance, 0.0))  # rounding may make it slightly negative


def _symmetric_root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


# Kernel distance


def kernel_distance(
    real: np.ndarray, generated: np.ndarray, subsets: int = SUBSETS, subset_size: int | None = None, seed: int = 0
) -> tuple[float, float]:
    """The squared maximum mean discrepancy with the kernel (x·y / d + 1)³: Bińkowski et al. 2018 (arXiv:1801.01401).

    The estimate of each subset is unbiased, so it may fall below 0.

    Args:
        subsets: how many pairs of random subsets are compared.
        subset_size: rows in each, drawn without repetition; by default 1,000, or half of the smaller set if that is
            less, so that the subsets differ.
        seed: the seed for drawing them.

    Returns:
        The mean over the subsets, and their standard deviation.

    Raises:
        ValueError: for fewer than two rows per subset, or more than there are.
    """
    real, generated = _checked_pair(real, generated, least=2)
    most = min(len(real), len(generated))
    size = min(SUBSET_SIZE, max(2, most // 2)) if subset_size is None else subset_size
    if not 2 <= size <= most or subsets < 1:
        raise ValueError(f"expected at least one subset of 2 to {most} rows, got {subsets} of {size}")
    draws = np.random.default_rng(seed)
    estimates = [
        _unbiased_discrepancy(
            real[draws.choice(len(real), size, replace=False)],
            generated[draws.choice(len(generated), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(estimates)), float(np.std(estimates))


def _unbiased_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Equation 4 of the paper, for two sets of equal size: no row is compared with itself."""
    size = len(first)
    within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(first, first), _kernel(second, second)))
    return within / (size * (size - 1)) - 2.0 * _kernel(first, second).mean()


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    similarity = first @ second.T / first.shape[1] + 1.0
    return similarity * similarity * similarity


# Neighborhoods


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbors: int = PRECISION_NEIGHBORS
) -> tuple[float, float]:
    """Improved precision and recall: Kynkäänniemi et al. 2019 (arXiv:1904.06991).

    Each row is the center of a ball that reaches to its `neighbors`-th nearest row of the same set. Precision is the
    share of generated rows within any real ball (do they look real?), recall the share of real rows within any
    generated ball (can they be generated?). Balls are closed, as in the authors' program. Raises ValueError unless
    there are more rows than neighbors.
    """
    real, generated = _checked_pair(real, generated, least=neighbors + 1)
    real_radii, generated_radii = _squared_radii(real, neighbors), _squared_radii(generated, neighbors)
    precise, recalled = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    for rows, distances in _blocks(real, generated):
        precise |= (distances <= real_radii[rows, np.newaxis]).any(axis=0)
        recalled[rows] = (distances <= generated_radii).any(axis=1)
    return float(precise.mean()), float(recalled.mean())


def density_coverage(
    real: np.ndarray, generated: np.ndarray, neighbors: int = COVERAGE_NEIGHBORS
) -> tuple[float, float]:
    """Density and coverage: Naeem et al. 2020 (arXiv:2002.09797).

    Density is the mean number of real balls that contain a generated row, divided by `neighbors`: about 1 for two sets
    from the same source, and above 1 if generated rows crowd in the densest regions. Coverage is the share of real
    balls with any generated row in them. Unlike precision and recall, they hardly change with a few outliers. Balls are
    open, as in the authors' program. Raises ValueError unless there are more rows than neighbors.
    """
    real, generated = _checked_pair(real, generated, least=neighbors + 1)
    radii = _squared_radii(real, neighbors)
    inside, covered = 0, np.zeros(len(real), bool)
    for rows, distances in _blocks(real, generated):
        within = distances < radii[rows, np.newaxis]
        inside += np.count_nonzero(within)
        covered[rows] = within.any(axis=1)
    return float(inside / (neighbors * len(generated))), float(covered.mean())


def _squared_radii(features: np.ndarray, neighbors: int) -> np.ndarray:
    """The squared distance from each row to its `neighbors`-th nearest other row."""
    radii = np.empty(len(features))
    for rows, distances in _blocks(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf  # no row is its own neighbor
        radii[rows] = np.partition(distances, neighbors - 1, axis=1)[:, neighbors - 1]
    return radii


def _blocks(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances from blocks of rows of `first` to all rows of `second`."""
    center = first.mean(axis=0)  # distances stay the same, rounding errors shrink
    first, second = first - center, second - center
    first_lengths, second_lengths = (np.einsum("ij,ij->i", rows, rows) for rows in (first, second))
    for start in range(0, len(first), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(first)))
        distances = (-2.0 * first[rows]) @ second.T
        distances += first_lengths[rows, np.newaxis]
        distances += second_lengths
        # The distance of equal images is 0, whatever the rounding; their lengths are the same.
        distances[distances <= 2.0 * SAME_POINT * first_lengths[rows, np.newaxis]] = 0.0
        yield rows, distances


# Classes


def class_counts(classes: np.ndarray, total: int) -> np.ndarray:
    """Class indices (n,) -> int64 (total,), how many of each. Raises ValueError for an index outside 0 … total − 1."""
    classes = np.asarray(classes)
    if classes.size and not 0 <= classes.min() <= classes.max() < total:
        raise ValueError(f"expected classes from 0 to {total - 1}, got {classes.min()} to {classes.max()}")
    return np.bincount(classes, minlength=total).astype(np.int64)


def class_difference(counts1: np.ndarray, counts2: np.ndarray) -> float:
    """0 … 1: the share of one set that would have to change class to match the other (total variation).

    >>> class_difference([10, 10], [15, 5])
    0.25
    """
    shares1, shares2 = (np.asarray(counts, np.float64) / np.sum(counts) for counts in (counts1, counts2))
    return float(np.abs(shares1 - shares2).sum() / 2.0)


# Checks


def _checked(features: np.ndarray, least: int) -> np.ndarray:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < least:
        raise ValueError(f"expected features (n, d) of at least {least} images, got shape {features.shape}; use more")
    if not np.isfinite(features).all():
        raise ValueError(f"expected finite features, got {np.count_nonzero(~np.isfinite(features))} that are not")
    return features


def _checked_pair(real: np.ndarray, generated: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    real, generated = _checked(real, least), _checked(generated, least)
    if real.shape[1] != generated.shape[1]:
        raise ValueError(f"expected features of equal length, got {real.shape[1]} and {generated.shape[1]}")
    return real, generated
