"""PCA and ZCA whitening of whole images, with an exact inverse (text C's extension)."""

import base64
import math
from dataclasses import dataclass

import numpy as np

from pixels.checks import as_levels

MAXIMUM_FEATURES = 4096
# Exact int64 sums: 2**31 images of products below 2**32.
MAXIMUM_IMAGES = 2**31
# float64 sums of integers are exact below 2**53, so one matrix product may cover 2**53 / 2**32 images at most.
IMAGES_AT_ONCE = 1024


@dataclass(frozen=True)
class Moments:
    """Exact integer sums over images: of every feature, int64 (d,), and of every product of two, int64 (d, d)."""

    images: int
    sums: np.ndarray
    products: np.ndarray
    image_shape: tuple[int, int, int]

    def merge(self, other: "Moments") -> "Moments":
        """Both sets of images together. Raises ValueError when the shapes differ or int64 would overflow."""
        if self.image_shape != other.image_shape:
            raise ValueError(
                f"expected images of shape {self.image_shape} as before, got {other.image_shape}; "
                "whitening needs one size, resize or crop first"
            )
        if self.images + other.images > MAXIMUM_IMAGES:
            raise ValueError(
                f"expected at most {MAXIMUM_IMAGES} images for whitening, got {self.images + other.images}; fit fewer"
            )
        return Moments(
            self.images + other.images, self.sums + other.sums, self.products + other.products, self.image_shape
        )


def check_feature_count(image_shape: tuple[int, ...]) -> None:
    """Raises ValueError when the images are too large for a dense covariance."""
    features = math.prod(image_shape)
    if features > MAXIMUM_FEATURES:
        raise ValueError(
            f"expected at most {MAXIMUM_FEATURES} values per image for whitening, got {features} from {image_shape}; "
            "use smaller images or mode 'standardize'"
        )


def measure_moments(images: np.ndarray, value_range: tuple[float, float] | None, top: int) -> Moments:
    """(n, h, w, c) of whole levels -> Moments. Raises ValueError for too many features or fractional levels."""
    check_feature_count(images.shape[1:])
    features = math.prod(images.shape[1:])
    moments = None
    for start in range(0, len(images), IMAGES_AT_ONCE):
        part = images[start : start + IMAGES_AT_ONCE]
        levels = as_levels(part, value_range, top).reshape(len(part), features)
        if value_range is not None and not np.array_equal(levels, np.rint(levels)):
            raise ValueError(
                "expected whole levels for whitening, got fractions between them; fit on the uint8 or uint16 images"
            )
        products = (levels.T @ levels).astype(np.int64)
        one = Moments(len(part), levels.sum(axis=0).astype(np.int64), products, tuple(images.shape[1:]))
        moments = one if moments is None else moments.merge(one)
    return moments


@dataclass(frozen=True)
class Whitening:
    """scores = (v - mean) @ components; whitened = scores / sqrt(variances + epsilon), then rotated back for ZCA.

    mean, variances: float64 (d,), in levels and squared levels; components: float64 (d, d), one direction per column.
    epsilon: squared levels added to each variance, so that directions with little or no variation are not amplified.
    keeps_axes: True for ZCA, whose result still looks like the image; False for PCA, whose values are coefficients in
    order of decreasing variance, not pixels.
    """

    mean: np.ndarray
    variances: np.ndarray
    components: np.ndarray
    epsilon: float
    keeps_axes: bool

    def forward(self, levels: np.ndarray) -> np.ndarray:
        """float64 (n, d) -> float64 (n, d)."""
        scores = (levels - self.mean) @ self.components / self._scale()
        return scores @ self.components.T if self.keeps_axes else scores

    def backward(self, whitened: np.ndarray) -> np.ndarray:
        """float64 (n, d) -> float64 (n, d) in levels, not yet rounded."""
        scores = whitened @ self.components if self.keeps_axes else whitened
        return scores * self._scale() @ self.components.T + self.mean

    def line_back(self) -> tuple[np.ndarray, np.ndarray]:
        """(matrix, mean), float64 (d, d) and (d,): flat levels = flat scaled @ matrix + mean before rint and clip."""
        scaled_components = self._scale()[:, np.newaxis] * self.components.T
        return (self.components @ scaled_components if self.keeps_axes else scaled_components), self.mean

    def deviation(self) -> np.ndarray:
        """float64 (d,): the standard deviation of every feature, in levels."""
        return np.sqrt(self.components**2 @ self.variances)

    def largest_error(self, top: int) -> float:
        """The largest error, in levels, that float32 can cause in forward and backward together, for any image.

        Rounding to float32 changes a value by at most 2**-24 of itself. PCA scales that back direction by direction, so
        the error is at most 2**-24 of the longest possible deviation, top * sqrt(d). ZCA mixes directions, which
        multiplies it by the ratio of the largest scale to the smallest.
        """
        scale = self._scale()
        mixing = float(scale.max() / scale.min()) if self.keeps_axes else 1.0
        return mixing * top * math.sqrt(len(self.mean)) * 2.0**-24

    def _scale(self) -> np.ndarray:
        return np.sqrt(self.variances + self.epsilon)


def fit_whitening(moments: Moments, keeps_axes: bool, epsilon: float | None, top: int) -> Whitening:
    """Whitening by the eigenvectors of the covariance. Without `epsilon`, takes the smallest one that keeps the inverse
    exact, and at least a millionth of the largest variance."""
    mean = moments.sums / moments.images
    covariance = moments.products / moments.images - np.outer(mean, mean)
    variances, components = np.linalg.eigh((covariance + covariance.T) / 2)
    variances, components = np.maximum(variances[::-1], 0.0), np.ascontiguousarray(components[:, ::-1])
    # The sign of a direction must not depend on the linear algebra library: make its largest entry positive.
    largest = components[np.abs(components).argmax(axis=0), np.arange(len(mean))]
    components *= np.where(largest < 0, -1.0, 1.0)
    if epsilon is None:
        unmixed_error = top * math.sqrt(len(mean)) * 2.0**-24
        share = max(1e-6, (4 * unmixed_error) ** 2) if keeps_axes else 1e-6
        epsilon = share * float(variances[0]) or 1.0
    return Whitening(mean, variances, components, float(epsilon), keeps_axes)


def whitening_document(whitening: Whitening) -> dict:
    """JSON form, bit-exact: numbers, and the large matrix as base64 of little-endian float64, row by row."""
    return {
        "mean": whitening.mean.tolist(),
        "variances": whitening.variances.tolist(),
        "components": base64.b64encode(whitening.components.astype("<f8").tobytes()).decode("ascii"),
        "epsilon": whitening.epsilon,
    }


def whitening_from_document(document: dict, features: int, keeps_axes: bool) -> Whitening:
    """The inverse of `whitening_document`. Raises ValueError for wrong sizes, NaN, or a scale that is not positive."""
    mean, variances = (
        _checked(np.array(document[name], np.float64), (features,), name) for name in ("mean", "variances")
    )
    data = np.frombuffer(base64.b64decode(document["components"], validate=True), "<f8").astype(np.float64)
    components = _checked(data, (features**2,), "components").reshape(features, features)
    epsilon = document["epsilon"]
    if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not math.isfinite(epsilon):
        raise ValueError(f"expected a finite number for epsilon, got {epsilon!r}; fit and save again")
    if variances.min() < 0 or epsilon < 0 or not (variances + epsilon).min() > 0:
        raise ValueError(
            f"expected positive variances in whitening, got {variances.min():g} + epsilon {epsilon:g}; fit again"
        )
    return Whitening(mean, variances, components, float(epsilon), keeps_axes)


def _checked(array: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    if array.shape != shape:
        raise ValueError(f"expected shape {shape} for the whitening {name}, got {array.shape}; fit and save again")
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in the whitening {name}, got NaN or infinity; fit and save again")
    return array
