"""The three ways to scale: by one formula for all images, by each image's or batch's own numbers, by whitening.

Each is a small immutable object. Learning returns a new one, so other threads never see one half learned. All three
have the same methods. `forward` and `backward` fill an array that the caller passes; `white` is the level of white.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from errors import InputError, Parameter, words
from pixels.checks import as_levels
from pixels.scaling_statistics import ScalingStatistics
from pixels.settings import ScalingSettings, white_level
from pixels.statistics import PixelStatistics, measure, statistics_document, statistics_from_document
from pixels.whitening import (
    Moments,
    Whitening,
    check_feature_count,
    fit_whitening,
    measure_moments,
    whitening_document,
    whitening_from_document,
)

_WHITENING_IMAGES = 1024  # at a time, to limit the memory of the float64 copies


@dataclass(frozen=True, eq=False)
class DatasetScaling:
    """One affine formula for every image: statistics learned once, given as constants, or not needed at all.

    statistics: what the formula uses. pixels: the exact sums behind learned statistics, so that learning can continue;
    None for given statistics and for those that were edited by hand.
    """

    settings: ScalingSettings
    statistics: ScalingStatistics | None = None
    pixels: PixelStatistics | None = None

    @property
    def is_ready(self) -> bool:
        return self.statistics is not None or not self.settings.needs_statistics

    @property
    def has_statistics(self) -> bool:
        return self.statistics is not None

    @property
    def has_sums(self) -> bool:
        return self.pixels is not None

    @property
    def channels(self) -> int | None:
        """The number of channels that the statistics are for; None if any number will do."""
        return None if self.statistics is None or len(self.statistics.mean) == 1 else len(self.statistics.mean)

    def learn(self, images: np.ndarray, value_range: tuple[float, float] | None, white: int) -> "DatasetScaling":
        """A new scaling that has also learned from (n, h, w, c) images."""
        if self.settings.learns:
            return self._with(measure(images, value_range, white))
        if self.settings.statistics is not None and self.statistics is None:
            return DatasetScaling(self.settings, ScalingStatistics.given(self.settings.statistics, white))
        return self

    def merge(self, other: "DatasetScaling") -> "DatasetScaling":
        """A new scaling that has also learned what `other` learned."""
        return self._with(other.pixels)

    def forward(
        self, images: np.ndarray, out: np.ndarray, value_range: tuple[float, float] | None, white: int
    ) -> ScalingStatistics | None:
        """(n, h, w, c) -> float32 in `out`; returns the statistics used, or None if the mode uses none."""
        self.settings.affine(self.statistics, white).forward(images, out, value_range, white)
        return self.statistics

    def backward(self, scaled: np.ndarray, out: np.ndarray, white: int, statistics: ScalingStatistics | None) -> None:
        """Floats (n, h, w, c) -> integer levels in `out`, by its own statistics; ignores `statistics`."""
        self.settings.affine(self.statistics, white).backward(scaled, out, white)

    def line_back(self, white: int) -> tuple[np.ndarray, np.ndarray]:
        """(factor, offset) of levels = scaled * factor + offset."""
        return self.settings.affine(self.statistics, white).line_back()

    def mean(self) -> np.ndarray | np.float64:
        return self._entries(self.statistics.mean)

    def deviation(self) -> np.ndarray | np.float64:
        return self._entries(self.statistics.deviation())

    def maximum(self, white: int) -> float:
        return float(self.settings.scaling_maximum(self.statistics, white)[0])

    def loss_reason(self, dtype: np.dtype, channels: int | None) -> str | None:
        """Which levels the inverse does not restore, found by trying every level; None if it restores all."""
        channels = channels or (1 if self.statistics is None else len(self.statistics.mean))
        white = white_level(dtype)
        levels = np.repeat(np.arange(white + 1, dtype=dtype), channels).reshape(1, -1, 1, channels)
        scaled, back = np.empty(levels.shape, np.float32), np.empty_like(levels)
        with np.errstate(over="ignore"):
            self.forward(levels, scaled, None, white)
        if not np.isfinite(scaled).all():
            return "scaled values overflow float32; the standard deviation is too small or the mean too large"
        self.backward(scaled, back, white, None)
        changed = int(np.count_nonzero(back != levels))
        return f"{changed} of {levels.size} levels are not restored; float32 is too coarse" if changed else None

    def document(self) -> dict:
        """Its entries of the JSON form."""
        return {
            "statistics": None if self.statistics is None else self.statistics.document(),
            "sums": None if self.pixels is None else statistics_document(self.pixels),
            "image_shape": None,
            "whitening": None,
        }

    @classmethod
    def from_document(cls, document: dict, settings: ScalingSettings, channels: int | None) -> "DatasetScaling":
        """The inverse of `document`. Raises ValueError, KeyError or TypeError for what cannot be right."""
        statistics = None
        if document["statistics"] is not None:
            entries = channels if settings.per_channel else 1
            if settings.statistics is not None:  # given constants may be one for all channels
                entries = 3 if isinstance(settings.statistics, str) else len(settings.statistics["mean"])
            statistics = ScalingStatistics.from_document(document["statistics"], entries)
        elif settings.needs_statistics and settings.scope == "dataset":
            raise ValueError("expected statistics for this mode, got null; fit and save again")
        pixels = None if document["sums"] is None else statistics_from_document(document["sums"])
        if pixels is not None and statistics is not None:
            learned = ScalingStatistics.of(pixels, settings.per_channel)
            if not statistics.equals(learned):
                pixels = None  # edited statistics are used as they stand; the sums no longer belong to them
        return cls(settings, statistics, pixels)

    def _with(self, pixels: PixelStatistics) -> "DatasetScaling":
        if self.statistics is not None and self.pixels is None:
            raise ValueError("expected a scaler that has its sums, got one whose statistics were edited; fit a new one")
        pixels = pixels if self.pixels is None else self.pixels.merge(pixels)
        maximum = self.settings.maximum
        if isinstance(maximum, float) and max(pixels.highest) > maximum:
            raise InputError(
                words("expected levels up to {maximum} {}, got {}", f"{maximum:g}", f"{max(pixels.highest):g}"),
                ("pass ", Parameter("maximum", max(pixels.highest))),
            )
        return DatasetScaling(self.settings, ScalingStatistics.of(pixels, self.settings.per_channel), pixels)

    def _entries(self, values: np.ndarray) -> np.ndarray | np.float64:
        return values.copy() if self.settings.per_channel else values[0]


@dataclass(frozen=True, eq=False)
class OwnScaling:
    """Each image, or each batch, by its own statistics. Learns nothing; the inverse needs the statistics used."""

    settings: ScalingSettings
    is_ready = True
    has_statistics = False
    has_sums = False
    channels = None

    def learn(self, images: np.ndarray, value_range: tuple[float, float] | None, white: int) -> "OwnScaling":
        return self

    def forward(
        self, images: np.ndarray, out: np.ndarray, value_range: tuple[float, float] | None, white: int
    ) -> ScalingStatistics | None:
        """(n, h, w, c) -> float32 in `out`; returns one row of statistics per image or batch, or None for no images."""
        rows = []
        for part in self._groups(len(images)):
            rows.append(ScalingStatistics.of(measure(images[part], value_range, white), self.settings.per_channel))
            self.settings.affine(rows[-1], white).forward(images[part], out[part], value_range, white)
        return ScalingStatistics.stack(rows) if rows else None

    def backward(self, scaled: np.ndarray, out: np.ndarray, white: int, statistics: ScalingStatistics | None) -> None:
        """Floats (n, h, w, c) -> integer levels in `out`, by the rows that `forward` returned; ValueError for None."""
        groups = list(self._groups(len(scaled)))
        if statistics is None:
            reason = self.loss_reason(out.dtype, None)
            raise ValueError(f"expected the statistics of each {self.settings.scope}, got none; {reason}")
        if len(statistics.mean) != len(groups):
            raise ValueError(
                f"expected {len(groups)} rows of statistics for {len(scaled)} images, got {len(statistics.mean)}; "
                "pass those of the same transform"
            )
        for index, part in enumerate(groups):
            self.settings.affine(statistics.row(index), white).backward(scaled[part], out[part], white)

    def line_back(self, white: int) -> tuple[np.ndarray, np.ndarray]:
        """Raises ValueError, since no single formula exists."""
        raise ValueError(
            f"expected one inverse for all images, got a scaling without one; {self.loss_reason(None, None)}"
        )

    def maximum(self, white: int) -> float | None:
        """M; None if each image or batch has its own."""
        if self.settings.maximum == "data":
            return None
        return float(self.settings.scaling_maximum(None, white)[0])

    def loss_reason(self, dtype: np.dtype, channels: int | None) -> str:
        return (
            f"the inverse needs the statistics of each {self.settings.scope}, which generated images do not have; "
            "use scope='dataset', or pass what transform(..., return_statistics=True) returned"
        )

    def document(self) -> dict:
        """Its entries in the JSON form: none."""
        return {"statistics": None, "sums": None, "image_shape": None, "whitening": None}

    def _groups(self, count: int) -> Iterator[slice]:
        return _slices(count, 1 if self.settings.scope == "image" else max(1, count))


@dataclass(frozen=True, eq=False)
class WhiteningScaling:
    """Whole images of one size turned into uncorrelated values, with an exact inverse.

    moments: the exact sums, for the white level `white`; None after loading, since only the result, `stored`, is saved.
    """

    settings: ScalingSettings
    image_shape: tuple[int, ...] | None = None
    moments: Moments | None = None
    white: int | None = None
    stored: Whitening | None = None
    channels = None

    @property
    def is_ready(self) -> bool:
        return self.image_shape is not None

    @property
    def has_statistics(self) -> bool:
        return self.image_shape is not None

    @property
    def has_sums(self) -> bool:
        return self.moments is not None

    @cached_property
    def whitening(self) -> Whitening:
        """Computed from the moments on first use, not for every shard; two threads at once compute the same numbers."""
        if self.stored is not None:
            return self.stored
        return fit_whitening(self.moments, self.settings.mode == "zca", self.settings.epsilon, self.white)

    def learn(self, images: np.ndarray, value_range: tuple[float, float] | None, white: int) -> "WhiteningScaling":
        """A new whitening with the moments of (n, h, w, c) images added."""
        return self._with(measure_moments(images, value_range, white), white)

    def merge(self, other: "WhiteningScaling") -> "WhiteningScaling":
        """A new whitening with the moments of `other` added."""
        return self._with(other.moments, other.white)

    def forward(
        self, images: np.ndarray, out: np.ndarray, value_range: tuple[float, float] | None, white: int
    ) -> ScalingStatistics | None:
        """(n, h, w, c) -> float32 in `out`; returns None, since there are no statistics per channel."""
        self._check_shape(images)
        for part in _slices(len(images), _WHITENING_IMAGES):
            levels = as_levels(images[part], value_range, white)
            out[part] = self.whitening.forward(levels.reshape(len(levels), -1)).reshape(levels.shape)
        return None

    def backward(self, scaled: np.ndarray, out: np.ndarray, white: int, statistics: ScalingStatistics | None) -> None:
        """Floats (n, h, w, c) -> integer levels in `out`, by rint and clip; no statistics are needed."""
        self._check_shape(scaled)
        for part in _slices(len(scaled), _WHITENING_IMAGES):
            levels = self.whitening.backward(scaled[part].astype(np.float64).reshape(len(out[part]), -1))
            out[part] = np.clip(np.rint(levels), 0, white).reshape(out[part].shape)

    def line_back(self, white: int) -> tuple[np.ndarray, np.ndarray]:
        """(matrix, mean), where flat levels = flat scaled @ matrix + mean."""
        return self.whitening.line_back()

    def mean(self) -> np.ndarray:
        return self.whitening.mean.reshape(self.image_shape)

    def deviation(self) -> np.ndarray:
        return self.whitening.deviation().reshape(self.image_shape)

    def maximum(self, white: int) -> float:
        return float(white)

    def loss_reason(self, dtype: np.dtype, channels: int | None) -> str | None:
        """What float32 may lose, by a bound that holds for all images; None if the inverse restores every level."""
        error = self.whitening.largest_error(white_level(dtype))
        return None if error < 0.5 else f"float32 can leave errors of {error:.2g} levels; use a larger epsilon"

    def document(self) -> dict:
        """Its entries of the JSON form."""
        return {
            "statistics": None,
            "sums": None,
            "image_shape": self.image_shape,
            "whitening": whitening_document(self.whitening),
        }

    @classmethod
    def from_document(cls, document: dict, settings: ScalingSettings) -> "WhiteningScaling":
        """The inverse of `document`. Raises ValueError, KeyError or TypeError for what cannot be right."""
        shape = tuple(document["image_shape"])
        if not all(type(length) is int and length > 0 for length in shape) or len(shape) != 3:
            raise ValueError(f"expected image_shape (h, w, c), got {shape}; fit and save again")
        check_feature_count(shape)
        stored = whitening_from_document(document["whitening"], math.prod(shape), settings.mode == "zca")
        return cls(settings, shape, stored=stored)

    def _with(self, moments: Moments, white: int) -> "WhiteningScaling":
        if self.is_ready and self.moments is None:
            raise ValueError(
                "expected a scaler that has its sums, got a loaded whitening, which has none; fit a new one"
            )
        moments = moments if self.moments is None else self.moments.merge(moments)
        return WhiteningScaling(self.settings, moments.image_shape, moments, white)

    def _check_shape(self, images: np.ndarray) -> None:
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"expected images of shape {self.image_shape} as in fit, got {images.shape[1:]}; resize or crop them"
            )


Strategy = DatasetScaling | OwnScaling | WhiteningScaling


def strategy_for(settings: ScalingSettings) -> Strategy:
    """The strategy for these settings, before it has learned anything."""
    if settings.whitens:
        return WhiteningScaling(settings)
    if settings.uses_own_statistics:
        return OwnScaling(settings)
    if settings.statistics is not None and settings.dtype is not None:
        return DatasetScaling(settings, ScalingStatistics.given(settings.statistics, white_level(settings.dtype)))
    return DatasetScaling(settings)


def strategy_from_document(document: dict, settings: ScalingSettings, channels: int | None) -> Strategy:
    """The strategy that wrote this document. Raises ValueError, KeyError or TypeError if it is invalid."""
    if settings.whitens:
        return WhiteningScaling.from_document(document, settings)
    if settings.uses_own_statistics:
        return OwnScaling(settings)
    return DatasetScaling.from_document(document, settings, channels)


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
