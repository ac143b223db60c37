"""The settings of a scaling, before it has learned anything: its mode, where its statistics come from, its range."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from pixels.affine import Affine
from pixels.checks import INTEGER_TYPES, checked_range
from pixels.scaling_statistics import ScalingStatistics, checked_constants

MODES = (
    "normalize",
    "tanh",
    "center",
    "standardize",
    "positive_standardize",
    "pca",
    "zca",
)
SCOPES = ("image", "batch", "dataset")
CENTERINGS = ("after_normalize", "before_normalize", "pixels")
WHITENING_MODES = ("pca", "zca")


@dataclass(frozen=True)
class ScalingSettings:
    """The arguments of `PixelScaler`, described there, checked and in the form that JSON holds.

    Raises ValueError for unknown settings and for settings that exclude each other.
    """

    mode: str
    scope: str
    per_channel: bool
    centering: str
    maximum: str | float | None
    statistics: str | Mapping | None
    dtype: str | None
    value_range: tuple[float, float] | None
    epsilon: float | None

    def __post_init__(self) -> None:
        for name, choices in (
            ("mode", MODES),
            ("scope", SCOPES),
            ("centering", CENTERINGS),
            ("per_channel", (True, False)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"expected {name} to be one of {choices}, got {getattr(self, name)!r}")
        checked = {"per_channel": bool(self.per_channel)}
        if self.maximum is not None and not (isinstance(self.maximum, str) and self.maximum == "data"):
            checked["maximum"] = _positive(self.maximum, "maximum")
        if self.statistics is not None:
            checked["statistics"] = checked_constants(
                self.statistics, self.per_channel, needs_std=self.mode != "center"
            )
        if self.dtype is not None:
            checked["dtype"] = integer_type(self.dtype).name
        if self.value_range is not None:
            checked["value_range"] = checked_range(self.value_range)
        if self.epsilon is not None:
            checked["epsilon"] = _positive(self.epsilon, "epsilon")
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the one way to set a field of a frozen dataclass
        self._check_combination()

    @property
    def whitens(self) -> bool:
        return self.mode in WHITENING_MODES

    @property
    def learns(self) -> bool:
        """Whether `fit` takes statistics from the images; not if they are given or are each image's own."""
        return self.scope == "dataset" and self.statistics is None

    @property
    def needs_statistics(self) -> bool:
        """Whether the formula contains a statistic, wherever it comes from."""
        return self.mode in ("center", "standardize", "positive_standardize") or self.maximum == "data"

    @property
    def uses_own_statistics(self) -> bool:
        """Whether each image or batch is scaled by its own numbers; False for a mode that needs none."""
        return self.scope != "dataset" and self.needs_statistics

    @property
    def output_range(self) -> tuple[float, float]:
        """(low, high) of scaled values; (-inf, inf) if the mode sets no bound."""
        if self.mode == "tanh":
            return -1.0, 1.0
        centers_before = self.mode == "center" and self.centering == "before_normalize"
        if self.mode in ("normalize", "positive_standardize") or centers_before:
            return 0.0, 1.0
        return -math.inf, math.inf

    @property
    def output_activation(self) -> str:
        """The generator's last activation, which has this output range."""
        return {(-1.0, 1.0): "tanh", (0.0, 1.0): "sigmoid"}.get(self.output_range, "linear")

    def affine(self, statistics: ScalingStatistics | None, white: int) -> Affine:
        """The table of modes: the offset to subtract and the divisor. All in levels."""
        if self.mode == "normalize":
            return Affine(np.zeros(1), self.scaling_maximum(statistics, white))
        if self.mode == "tanh":
            middle = self.scaling_maximum(statistics, white) / 2
            return Affine(middle, middle)
        if self.mode == "center" and self.centering == "after_normalize":
            return Affine(statistics.mean, self.scaling_maximum(statistics, white))
        if self.mode == "center" and self.centering == "before_normalize":
            spread = statistics.highest - statistics.lowest
            return Affine(statistics.lowest, np.where(spread > 0, spread, 1.0))
        if self.mode == "center":
            return Affine(statistics.mean, np.ones(1))
        return Affine(statistics.mean, statistics.scale, clip_to_unit=self.mode == "positive_standardize")

    def document(self) -> dict:
        """JSON form."""
        return asdict(self)

    def scaling_maximum(self, statistics: ScalingStatistics | None, white: int) -> np.ndarray:
        """float64 (1,): M, the level that `normalize` and `tanh` scale to the upper end."""
        if self.maximum is None:
            return np.array([float(white)])
        if self.maximum == "data":
            return np.array([max(1.0, float(statistics.highest.max()))])  # 1 for entirely black images
        return np.array([self.maximum])

    def _check_combination(self) -> None:
        if self.statistics is not None:
            if self.scope != "dataset" or self.whitens:
                raise ValueError(
                    "expected scope='dataset' and no whitening with given statistics, got mode "
                    f"{self.mode!r} with scope {self.scope!r}; leave one of them out"
                )
            if self.maximum == "data" or (self.mode == "center" and self.centering == "before_normalize"):
                raise ValueError("expected learned extremes for this scaling, got given statistics; leave those out")
        if self.whitens and (self.scope != "dataset" or not self.per_channel or self.maximum is not None):
            raise ValueError(
                f"expected scope='dataset', per_channel=True and maximum=None for mode {self.mode!r}, got "
                f"{self.scope!r}, {self.per_channel} and {self.maximum!r}; whitening has a statistic per value"
            )
        if self.epsilon is not None and not self.whitens:
            raise ValueError(f"expected epsilon only with mode 'pca' or 'zca', got mode {self.mode!r}; leave it out")


def integer_type(dtype: str | np.dtype | type) -> np.dtype:
    """uint8 or uint16 in native byte order. Raises ValueError for any other type."""
    try:
        name = np.dtype(dtype).newbyteorder("=").name
    except TypeError:
        name = repr(dtype)
    if name not in INTEGER_TYPES:
        raise ValueError(f"expected dtype to be one of {INTEGER_TYPES}, got {name}; images come back as one of these")
    return np.dtype(name)


def white_level(dtype: np.dtype) -> int:
    """The level of white: 255 or 65,535."""
    return int(np.iinfo(dtype).max)


def _positive(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < math.inf:
        raise ValueError(f"expected a positive finite number for {name}, got {value!r}; leave it out for the default")
    return float(value)
