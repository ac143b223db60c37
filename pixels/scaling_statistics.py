"""The numbers a scaling uses: learned from pixels, given as constants, or read from JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixels.checks import CHANNEL_COUNTS
from pixels.statistics import PixelStatistics

# Means and standard deviations of the channels, as a fraction of white: ImageNet's as torchvision publishes them.
GIVEN_STATISTICS = {"imagenet": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}}

_NAMES = ("mean", "scale", "constant", "lowest", "highest")


@dataclass(frozen=True, eq=False)
class ScalingStatistics:
    """The numbers a transform used, in levels; float64 with one entry per channel, or one for all channels.

    After `PixelScaler.transform(..., return_statistics=True)` with scope "image" or "batch", there is an additional
    first axis: one row per image, or a single row. scale is the standard deviation, or 1.0 where that is zero
    (`constant` is True there), so a constant channel becomes zeros. lowest and highest are the extreme levels.
    """

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, pixels: PixelStatistics, per_channel: bool) -> "ScalingStatistics":
        """From exact sums, per channel or over all channels."""
        pixels = pixels if per_channel else pixels.across_channels()
        deviation = pixels.standard_deviation()
        constant = deviation == 0
        scale = np.where(constant, 1.0, deviation)
        return cls(pixels.mean(), scale, constant, np.array(pixels.lowest), np.array(pixels.highest))

    @classmethod
    def given(cls, statistics: str | Mapping, top: int) -> "ScalingStatistics":
        """From checked constants (`checked_constants`), for images whose white is `top`."""
        if isinstance(statistics, str):
            mean, scale = (np.array(GIVEN_STATISTICS[statistics][name]) * top for name in ("mean", "std"))
        else:
            mean, scale = (np.array(statistics[name], np.float64) for name in ("mean", "std"))
        shape = mean.shape
        return cls(mean, scale, np.zeros(shape, bool), np.zeros(shape), np.full(shape, float(top)))

    @classmethod
    def stack(cls, rows: Sequence["ScalingStatistics"]) -> "ScalingStatistics":
        """One row per image, or per batch."""
        return cls(*(np.stack([getattr(row, name) for row in rows]) for name in _NAMES))

    def row(self, index: int) -> "ScalingStatistics":
        """One row of stacked statistics."""
        return ScalingStatistics(*(getattr(self, name)[index] for name in _NAMES))

    def deviation(self) -> np.ndarray:
        """The standard deviation, 0.0 where constant."""
        return np.where(self.constant, 0.0, self.scale)

    def equals(self, other: "ScalingStatistics") -> bool:
        """True when every number is the same, bit for bit."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _NAMES)

    def document(self) -> dict:
        """JSON form; Python writes as many digits of a float as it takes to read the same float back."""
        return {name: getattr(self, name).tolist() for name in _NAMES}

    @classmethod
    def from_document(cls, document: dict, entries: int) -> "ScalingStatistics":
        """The inverse of `document`. Raises ValueError for NaN, a scale that is not positive, or a missing entry."""
        values = {
            name: _checked_entries(document, name, entries, bool if name == "constant" else float) for name in _NAMES
        }
        if not (values["scale"] > 0).all():
            raise ValueError(f"expected positive scales, got {values['scale'].tolist()}; fit and save again")
        if not (values["lowest"] <= values["highest"]).all():
            raise ValueError("expected lowest <= highest in the statistics, got the opposite; fit and save again")
        return cls(**values)


def checked_constants(statistics: str | Mapping, per_channel: bool, needs_std: bool) -> str | dict[str, list[float]]:
    """A known name, or {"mean": [...], "std": [...]} with 1 or 3 finite numbers each. Raises ValueError otherwise."""
    if isinstance(statistics, str):
        if statistics not in GIVEN_STATISTICS:
            raise ValueError(
                f"expected statistics to be one of {tuple(GIVEN_STATISTICS)} or numbers, got {statistics!r}"
            )
        if not per_channel:
            raise ValueError(
                f"expected per_channel=True with {statistics!r}, got False; its statistics are per channel"
            )
        return statistics
    if not isinstance(statistics, Mapping) or "mean" not in statistics or (needs_std and "std" not in statistics):
        raise ValueError(f'expected statistics={{"mean": ..., "std": ...}} in levels or a name, got {statistics!r}')
    try:
        mean = np.atleast_1d(np.array(statistics["mean"], np.float64))
        std = np.broadcast_to(np.array(statistics.get("std", 1.0), np.float64), mean.shape)
    except (TypeError, ValueError):
        raise ValueError(f"expected numbers of the same length for mean and std, got {dict(statistics)!r}") from None
    if mean.ndim != 1 or len(mean) not in CHANNEL_COUNTS or (len(mean) > 1 and not per_channel):
        wanted = "1, 3 or 4 numbers" if per_channel else "one number, since per_channel is False,"
        raise ValueError(
            f"expected {wanted} for the mean, got {statistics['mean']!r}; give one per channel or one for all"
        )
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise ValueError(
            f"expected finite means and positive stds in levels, got {dict(statistics)!r}; check the numbers"
        )
    return {"mean": mean.tolist(), "std": std.tolist()}


def _checked_entries(document: dict, name: str, entries: int, entry_type: type) -> np.ndarray:
    values = document[name]
    if not isinstance(values, list) or len(values) != entries:
        raise ValueError(f"expected {entries} numbers for {name}, got {values!r}; fit and save again")
    for value in values:
        fits = isinstance(value, bool) if entry_type is bool else type(value) in (int, float) and math.isfinite(value)
        if not fits:
            raise ValueError(f"expected finite numbers for {name}, got {values!r}; fit and save again")
    return np.array(values, np.bool_ if entry_type is bool else np.float64)
