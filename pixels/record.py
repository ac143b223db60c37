"""The JSON file of a fitted scaling: versioned, bit-exact, and refused when a number in it cannot be right."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import write_text
from pixels.checks import CHANNEL_COUNTS
from pixels.scaling_statistics import ScalingStatistics
from pixels.settings import ScalingSettings, integer_type
from pixels.statistics import PixelStatistics, statistics_document, statistics_from_document
from pixels.whitening import Whitening, check_feature_count, whitening_document, whitening_from_document

FORMAT, VERSION = "pixelwright-scaling", 1


@dataclass(frozen=True)
class ScalingRecord:
    """All a file holds. `statistics` and `pixels.whitening` are the numbers in use; `pixels` lets the fit go on."""

    settings: ScalingSettings
    dtype: np.dtype
    channels: int | None
    statistics: ScalingStatistics | None
    pixels: PixelStatistics | None
    image_shape: tuple[int, ...] | None
    whitening: Whitening | None


def write_record(path: str | os.PathLike, record: ScalingRecord) -> None:
    """Writes JSON, whole or not at all."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "settings": record.settings.document(),
        "dtype": record.dtype.name,
        "channels": record.channels,
        "statistics": None if record.statistics is None else record.statistics.document(),
        "sums": None if record.pixels is None else statistics_document(record.pixels),
        "image_shape": record.image_shape,
        "whitening": None if record.whitening is None else whitening_document(record.whitening),
    }
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_record(path: str | os.PathLike) -> ScalingRecord:
    """Reads what `write_record` wrote.

    Raises ValueError in one line for another format or version, missing entries, NaN, or a scale of zero.
    """
    try:
        return _record(json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant))
    except KeyError as error:
        raise ValueError(f"{path}: expected an entry {error}, got none; fit and save again") from None
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{path}: expected a saved scaling, but {error}".replace("\n", " ")) from None


def _record(document: dict) -> ScalingRecord:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}, got another file; pass a preprocessing.json")
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ValueError(f"expected version {VERSION}, got {version!r}; read it with the program that wrote it")
    entries = document["settings"]
    settings = ScalingSettings(
        entries["mode"],
        entries["scope"],
        entries["per_channel"],
        entries["centering"],
        entries["maximum"],
        entries["statistics"],
        entries["dtype"],
        entries["value_range"],
        entries["epsilon"],
    )
    dtype, channels = integer_type(document["dtype"]), document["channels"]
    if channels is not None and (isinstance(channels, bool) or channels not in CHANNEL_COUNTS):
        raise ValueError(f"expected 1 or 3 channels, got {channels!r}; fit and save again")
    statistics = _statistics(document["statistics"], settings, channels)
    pixels = None if document["sums"] is None else statistics_from_document(document["sums"])
    if (
        pixels is not None
        and statistics is not None
        and not statistics.equals(ScalingStatistics.of(pixels, settings.per_channel))
    ):
        pixels = None  # statistics that were edited are used as they stand; the sums no longer belong to them
    image_shape = whitening = None
    if settings.whitens:
        image_shape = tuple(document["image_shape"])
        if not all(type(length) is int and length > 0 for length in image_shape) or len(image_shape) != 3:
            raise ValueError(f"expected image_shape (h, w, c), got {image_shape}; fit and save again")
        check_feature_count(image_shape)
        keeps_axes = settings.mode == "zca"
        whitening = whitening_from_document(document["whitening"], math.prod(image_shape), keeps_axes)
    elif settings.needs_statistics and settings.scope == "dataset" and statistics is None:
        raise ValueError("expected statistics for this mode, got null; fit and save again")
    return ScalingRecord(settings, dtype, channels, statistics, pixels, image_shape, whitening)


def _statistics(document: dict | None, settings: ScalingSettings, channels: int | None) -> ScalingStatistics | None:
    if document is None:
        return None
    entries = channels if settings.per_channel else 1
    if settings.statistics is not None:  # given constants may be one for all channels
        entries = 3 if isinstance(settings.statistics, str) else len(settings.statistics["mean"])
    return ScalingStatistics.from_document(document, entries)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"expected finite numbers, got {name}; fit and save again")
