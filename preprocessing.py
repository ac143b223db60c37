"""The one place that knows pixel ranges: fit, transform, inverse_transform, save, load.

Integer images become float32 for the networks and integers again on the way out. The modes are those of text C (how to
scale pixel data by hand), the checks those of text A. NumPy only.
"""

import os
from collections.abc import Iterable, Mapping

import numpy as np

from pixels.checks import (
    CHANNEL_COUNTS,
    FLOAT_TYPES,
    IMAGES_SHAPE,
    check_array,
    check_dtype,
    check_shape,
    check_values,
    validate_images,
)
from pixels.record import ScalingRecord, read_record, write_record
from pixels.scaling_statistics import GIVEN_STATISTICS, ScalingStatistics
from pixels.settings import CENTERINGS, MODES, SCOPES, WHITENING_MODES, ScalingSettings, white_level
from pixels.strategies import strategy_for

__all__ = [
    "CENTERINGS",
    "GIVEN_STATISTICS",
    "MODES",
    "SCOPES",
    "NotFittedError",
    "PixelScaler",
    "ScalingStatistics",
    "scale_image",
    "validate_images",
]


class NotFittedError(ValueError, AttributeError):
    """The scaler must be fitted first: only `fit` can determine what was requested."""


class PixelScaler:
    """Scales images for a network and turns the network's images back into pixels.

    Args:
        mode: v is a level, M the scaling maximum. ::

            "normalize"             v / M                             [0, 1]
            "tanh"                  (v - M/2) / (M/2)                 [-1, 1]
            "center"                see `centering`
            "standardize"           (v - mean) / std                  unbounded, mean 0, standard deviation 1
            "positive_standardize"  the same, clipped to [-1, 1] and mapped to [0, 1]; loses what it clips
            "pca", "zca"            whitening of whole images of one size, at most 4,096 values each
        scope: where the statistics come from. "dataset": learned once by `fit`, stored, used again at inference.
            "image" or "batch": taken from each image or from each call of `transform`.
        per_channel: statistics for each channel, or global ones over all channels.
        centering: for mode "center". "after_normalize": (v - mean) / M. "before_normalize": text C's centered pixels,
            normalized to [0, 1] by their own extremes; the mean cancels, which leaves
            (v - lowest) / (highest - lowest). "pixels": v - mean, in levels.
        maximum: M. None for the white of the type, 255 or 65,535; "data" for the highest level of the data; or a
            number, such as 4095 for 12-bit images.
        statistics: given constants instead of learned ones: "imagenet", or {"mean": ..., "std": ...} in levels.
        dtype: "uint8" or "uint16", the type that `inverse_transform` returns. None takes it from the images given to
            `fit`, and uint8 for float images. If it is given, a mode that learns nothing needs no `fit`.
        value_range: (low, high) of float images, which are mapped to 0..255 or 0..65,535 first. Floats are refused
            without it.
        epsilon: for whitening, the squared levels added to each variance; None chooses one.

    Attributes:
        mean_: mean in levels, float64: (c,) per channel, one number when global, (h, w, c) for whitening.
        std_: standard deviation of the population in levels, shaped like `mean_`; exactly 0.0 for a constant channel.
        maximum_: M, the level that is scaled to the upper end, float.
        dtype_: the integer type that `inverse_transform` returns.
        output_range: (low, high) of scaled values, known before `fit`; (-inf, inf) if the mode sets no bound.
        output_activation: the generator's last activation with this range: "tanh", "sigmoid" or "linear".
        is_lossless: whether `inverse_transform` alone restores every image.
        loss_reason: what is lost, in words; None if nothing is.
        settings: the arguments, checked, as they are stored.

    Raises ValueError for unknown settings and for settings that exclude each other.

    >>> images = np.array([0, 7, 255], np.uint8).reshape(1, 1, 3, 1)
    >>> scaler = PixelScaler("tanh").fit(images)
    >>> scaled = scaler.transform(images)
    >>> scaled.dtype.name, float(scaled.min()), float(scaled.max())
    ('float32', -1.0, 1.0)
    >>> scaler.inverse_transform(scaled).ravel().tolist()
    [0, 7, 255]
    """

    def __init__(
        self,
        mode: str = "tanh",
        scope: str = "dataset",
        per_channel: bool = True,
        *,
        centering: str = "after_normalize",
        maximum: str | float | None = None,
        statistics: str | Mapping | None = None,
        dtype: str | np.dtype | type | None = None,
        value_range: tuple[float, float] | None = None,
        epsilon: float | None = None,
    ) -> None:
        parameters = {  # as given, for `get_params`
            "mode": mode,
            "scope": scope,
            "per_channel": per_channel,
            "centering": centering,
            "maximum": maximum,
            "statistics": statistics,
            "dtype": dtype,
            "value_range": value_range,
            "epsilon": epsilon,
        }
        self.settings = ScalingSettings(**parameters)
        self._parameters = parameters
        self.forget()

    def __repr__(self) -> str:
        learned = "not fitted" if self._dtype is None else f"{self._dtype.name}, channels={self._channels}"
        return f"PixelScaler({self.mode!r}, scope={self.scope!r}, per_channel={self.per_channel}, {learned})"

    @property
    def mode(self) -> str:
        return self.settings.mode

    @property
    def scope(self) -> str:
        return self.settings.scope

    @property
    def per_channel(self) -> bool:
        return self.settings.per_channel

    def get_params(self, deep: bool = True) -> dict:
        """The arguments as given, by name, as in scikit-learn; `deep` has no effect."""
        return dict(self._parameters)

    def set_params(self, **parameters: object) -> "PixelScaler":
        """Changes arguments by name, as in scikit-learn, and forgets what was learned with the old ones.

        Raises ValueError for an unknown name and for what the constructor refuses; then nothing has changed.
        """
        unknown = sorted(set(parameters) - set(self._parameters))
        if unknown:
            raise ValueError(f"expected parameters among {tuple(self._parameters)}, got {unknown}; check the spelling")
        if parameters:
            self.__init__(**(self._parameters | parameters))
        return self

    # Learning

    def fit(self, images: np.ndarray) -> "PixelScaler":
        """Learns from (n, h, w, c) images, forgetting what was learned before. See `partial_fit`."""
        return self.fit_batches([images])

    def fit_batches(self, batches: Iterable[np.ndarray]) -> "PixelScaler":
        """Learns from an iterable of (n, h, w, c) arrays, one in memory at a time; ValueError if it is empty."""
        self.forget()
        batch_count = 0
        for images in batches:
            self.partial_fit(images)
            batch_count += 1
        if batch_count == 0:
            raise ValueError("expected at least one batch of images, got none; an iterator is exhausted after one pass")
        return self

    def partial_fit(self, images: np.ndarray) -> "PixelScaler":
        """Adds (n, h, w, c) images to what was learned: uint8, uint16, or floats in `value_range`; c is 1, 3 or 4.

        Sizes may differ from call to call, except for whitening. A memory-mapped array is read in blocks. The result is
        exact, so neither the order nor the division into shards matters. Raises TypeError for the wrong dtype,
        ValueError for the wrong shape or values.
        """
        dtype = self._checked(images)
        self._strategy = self._strategy.learn(images, self._declared_range(images), white_level(dtype))
        self._dtype, self._channels = dtype, images.shape[-1]
        return self

    def merge(self, other: "PixelScaler") -> "PixelScaler":
        """Adds what `other` learned from its own shard, exactly; ValueError unless both have the same settings."""
        if self.settings != other.settings or not self.settings.learns:
            raise ValueError(f"expected two scalers with the same settings that learn, got {self!r} and {other!r}")
        if not other._strategy.has_sums:
            raise NotFittedError(
                f"expected a fitted scaler that still has its sums, got {other!r}; fit it on its shard"
            )
        if self._dtype not in (None, other._dtype):
            raise TypeError(f"expected statistics of {self._dtype.name}, got {other._dtype.name}; fit both on one type")
        self._strategy = self._strategy.merge(other._strategy)
        self._dtype, self._channels = other._dtype, other._channels
        return self

    def fit_transform(self, images: np.ndarray) -> np.ndarray:
        """`fit(images).transform(images)`: (n, h, w, c) -> float32 of the same shape."""
        return self.fit(images).transform(images)

    # Applying

    def transform(
        self, images: np.ndarray, *, out: np.ndarray | None = None, return_statistics: bool = False
    ) -> np.ndarray | tuple[np.ndarray, ScalingStatistics | None]:
        """(n, h, w, c) of the fitted type, or floats in `value_range` -> float32 of the same shape.

        Computed in float64 and rounded once. The input is never modified; several threads may call this at once.
        out: a C-contiguous float32 array of the same shape to write to. return_statistics: also return the
        `ScalingStatistics` used, which `inverse_transform` needs for scope "image" and "batch".
        Raises NotFittedError before `fit`, TypeError for another dtype, ValueError for another shape or bad values.
        """
        self._check_fitted()
        self._checked(images, allow_empty=True)
        value_range = self._declared_range(images)
        if value_range is not None:
            check_values(images, *value_range)
        out = np.empty(images.shape, np.float32) if out is None else _checked_out(out, images)
        used = self._strategy.forward(images, out, value_range, white_level(self._dtype))
        return (out, used) if return_statistics else out

    def inverse_transform(self, scaled: np.ndarray, *, statistics: ScalingStatistics | None = None) -> np.ndarray:
        """Finite floats (n, h, w, c), scaled or generated -> the fitted integer type, by rint and clip.

        statistics: what `transform(..., return_statistics=True)` returned; scope "image" and "batch" need it, since
        generated images have no statistics of their own.
        Raises NotFittedError before `fit`, TypeError for integers, ValueError for NaN, infinity or another shape.
        """
        self._check_fitted()
        self._check_scaled(scaled)
        levels = np.empty(scaled.shape, self._dtype)
        self._strategy.backward(scaled, levels, white_level(self._dtype), statistics)
        return levels

    def line_back(self) -> tuple[np.ndarray, np.ndarray]:
        """(factor, offset), float64: the numbers with which other programs can do what `inverse_transform` does.

        levels = scaled * factor + offset, one number per channel or one for all; for whitening, flat levels =
        flat scaled @ factor + offset, (d, d) and (d,). Then round half to even and clip to the range of the type.
        Raises NotFittedError before `fit`, ValueError for scope "image" and "batch", which have no single formula.
        """
        self._check_fitted()
        return self._strategy.line_back(white_level(self._dtype))

    # Describing

    @property
    def mean_(self) -> np.ndarray | np.float64:
        """Mean in levels, float64, (c,) per channel, one number when global, (h, w, c) for whitening.

        Raises NotFittedError if none is known.
        """
        self._check_statistics()
        return self._strategy.mean()

    @property
    def std_(self) -> np.ndarray | np.float64:
        """Standard deviation of the population in levels, shaped like `mean_`; exactly 0.0 for a constant channel."""
        self._check_statistics()
        return self._strategy.deviation()

    @property
    def dtype_(self) -> np.dtype:
        """The integer type that inverse_transform returns. Raises NotFittedError before `fit`."""
        self._check_fitted()
        return self._dtype

    @property
    def maximum_(self) -> float:
        """M, the level that is scaled to the upper end (given, the highest learned, or the white of the type).

        Raises NotFittedError before `fit`, and if each image or batch has its own.
        """
        self._check_fitted()
        maximum = self._strategy.maximum(white_level(self._dtype))
        if maximum is None:
            self._check_statistics()
        return maximum

    @property
    def output_range(self) -> tuple[float, float]:
        """(low, high) of scaled values; (-inf, inf) if the mode sets no bound."""
        return self.settings.output_range

    @property
    def output_activation(self) -> str:
        """The generator's last activation, which has this output range ("tanh", "sigmoid" or "linear")."""
        return self.settings.output_activation

    @property
    def is_lossless(self) -> bool:
        """Whether `inverse_transform` alone restores every image. See `loss_reason`."""
        return self.loss_reason is None

    @property
    def loss_reason(self) -> str | None:
        """What is lost, in words; None if nothing is, which is found by trying all levels, or by a bound for whitening.

        Raises NotFittedError before `fit` if it depends on the data.
        """
        if self.settings.mode == "positive_standardize" and not self.settings.uses_own_statistics:
            return "levels further than one standard deviation from the mean are clipped; mode 'standardize' keeps them"
        if not self.settings.uses_own_statistics:
            self._check_fitted()
        return self._strategy.loss_reason(self._dtype, self._channels)

    def check_trainable(self) -> None:
        """Raises ValueError with the reason if images scaled this way cannot train a generator."""
        if self.loss_reason is not None:
            raise ValueError(
                f"expected a lossless scaling to train a generator, got mode {self.mode!r} with scope {self.scope!r}: "
                f"{self.loss_reason}"
            )

    # Storing

    def save(self, path: str | os.PathLike) -> None:
        """Writes JSON, whole or not at all; every number loads bit for bit. Raises NotFittedError before `fit`."""
        self._check_fitted()
        write_record(path, ScalingRecord(self.settings, self._dtype, self._channels, self._strategy))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PixelScaler":
        """Reads what `save` wrote. The numbers under "statistics" and "whitening" are what transform uses.

        Raises a one-line ValueError for another format or version, missing entries, NaN, or a scale of zero.
        """
        record = read_record(path)
        scaler = cls(**record.settings.document())
        scaler._dtype, scaler._channels, scaler._strategy = record.dtype, record.channels, record.strategy
        return scaler

    # Inside

    def forget(self) -> None:
        """Goes back to the state before `fit`."""
        self._dtype: np.dtype | None = None if self.settings.dtype is None else np.dtype(self.settings.dtype)
        self._channels: int | None = None
        self._strategy = strategy_for(self.settings)

    def _check_fitted(self) -> None:
        if self._dtype is None or not self._strategy.is_ready:
            raise NotFittedError(
                f"expected a fitted scaler, got {self!r}; call fit(images) or PixelScaler.load(path) first"
            )

    def _check_statistics(self) -> None:
        if not self._strategy.has_statistics:
            raise NotFittedError(
                f"expected a scaler with learned or given statistics, got {self!r}; fit it, scope='dataset'"
            )

    def _declared_range(self, images: np.ndarray) -> tuple[float, float] | None:
        return self.settings.value_range if images.dtype.kind == "f" else None

    def _checked(self, images: np.ndarray, allow_empty: bool = False) -> np.dtype:
        """The integer type of these images, or of their levels. Raises TypeError or ValueError if they do not fit."""
        check_array(images)
        is_float = images.dtype.kind == "f"
        expected = None if self._dtype is None else (self._dtype.name,)
        if expected is not None and self.settings.value_range is not None:
            expected += FLOAT_TYPES
        check_dtype(
            images.dtype,
            None if is_float and self.settings.value_range is None else expected,
            self.settings.value_range is not None,
        )
        channels = self._channels or self._strategy.channels
        if not (allow_empty and images.ndim == 4 and len(images) == 0):
            check_shape(images.shape, IMAGES_SHAPE if channels is None else (*IMAGES_SHAPE[:3], channels))
        if is_float:
            return self._dtype or np.dtype(np.uint8)
        return self._dtype or images.dtype.newbyteorder("=")

    def _check_scaled(self, scaled: np.ndarray) -> None:
        check_array(scaled)
        if scaled.dtype.kind != "f":
            raise TypeError(
                f"expected scaled floats, got {scaled.dtype}; pass what transform or the generator returned"
            )
        if scaled.ndim != 4 or len(scaled) > 0:
            check_shape(scaled.shape, IMAGES_SHAPE if self._channels is None else (*IMAGES_SHAPE[:3], self._channels))
        check_values(scaled, -np.finfo(scaled.dtype).max, np.finfo(scaled.dtype).max)


def scale_image(
    image: np.ndarray,
    mode: str = "normalize",
    per_channel: bool = True,
    *,
    centering: str = "after_normalize",
    maximum: str | float | None = None,
    statistics: str | Mapping | None = None,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """One image (h, w) or (h, w, c), c = 1 or 3 -> float32 of the same shape, scaled by its own statistics (text C).

    uint8, uint16, or floats in `value_range`. The arguments are those of `PixelScaler`, without the whitening modes.
    Raises TypeError for another dtype, ValueError for another shape, bad values or an unknown mode.

    >>> scale_image(np.array([[10, 20], [30, 40]], np.uint8), "center", centering="pixels").tolist()
    [[-15.0, -5.0], [5.0, 15.0]]
    """
    if mode in WHITENING_MODES:
        raise ValueError(
            f"expected a mode for one image, got {mode!r}, which needs many images; use PixelScaler({mode!r})"
        )
    check_array(image)
    gray = image.ndim == 2
    check_shape(image.shape, (None, None) if gray else (None, None, CHANNEL_COUNTS))
    scaler = PixelScaler(
        mode,
        "image" if statistics is None else "dataset",
        per_channel,
        centering=centering,
        maximum=maximum,
        statistics=statistics,
        value_range=value_range,
    )
    images = image[None, ..., None] if gray else image[None]
    return scaler.fit(images).transform(images).reshape(image.shape)


def _checked_out(out: np.ndarray, images: np.ndarray) -> np.ndarray:
    check_array(out)
    fits = out.shape == images.shape and out.dtype == np.float32 and out.flags.c_contiguous and out.flags.writeable
    if not fits:
        raise ValueError(
            f"expected out to be writeable C-contiguous float32 of shape {images.shape}, got {out.dtype} {out.shape}; "
            "leave it out to have it allocated"
        )
    return out
