"""The JSON file of a fitted scaling: versioned, bit-exact, and refused if a number in it is impossible."""

import dataclasses
import json
import os
from dataclasses import dataclass

import numpy as np

from files import UnreadableFile, read_json, write_text
from pixels.checks import CHANNEL_COUNTS
from pixels.settings import ScalingSettings, integer_type
from pixels.strategies import Strategy, strategy_from_document

FORMAT, VERSION = "pixelwright-scaling", 1


@dataclass(frozen=True)
class ScalingRecord:
    """The content of the file: the settings, the integer type and the channels of the images, and what was learned."""

    settings: ScalingSettings
    dtype: np.dtype
    channels: int | None
    strategy: Strategy


def write_record(path: str | os.PathLike, record: ScalingRecord) -> None:
    """Writes JSON, whole or not at all."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "settings": record.settings.document(),
        "dtype": record.dtype.name,
        "channels": record.channels,
        **record.strategy.document(),
    }
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_record(path: str | os.PathLike) -> ScalingRecord:
    """Reads what `write_record` wrote.

    Raises ValueError in one line for another format or version, missing entries, NaN, or a scale of zero.
    """
    try:
        return _record(read_json(path))
    except (FileNotFoundError, UnreadableFile):
        raise
    except KeyError as error:
        raise ValueError(f"{path}: expected an entry {error}, got none; fit and save again") from None
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{path}: expected a saved scaling, but {' '.join(str(error).split())}") from None


def _record(document: dict) -> ScalingRecord:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}, got something else; pass a preprocessing.json")
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ValueError(f"expected version {VERSION}, got {version!r}; read it with the program that wrote it")
    settings = _settings(document["settings"])
    dtype, channels = integer_type(document["dtype"]), document["channels"]
    if channels is not None and (isinstance(channels, bool) or channels not in CHANNEL_COUNTS):
        raise ValueError(f"expected 1, 3 or 4 channels, got {channels!r}; fit and save again")
    return ScalingRecord(settings, dtype, channels, strategy_from_document(document, settings, channels))


def _settings(entries: dict) -> ScalingSettings:
    """The settings of any version. A missing one gets the value that old versions always used, mostly None.

    Raises ValueError for an unknown setting, since it could change the scaled values.
    """
    known = [field.name for field in dataclasses.fields(ScalingSettings)]
    unknown = [f"{name} {value!r}" for name, value in entries.items() if name not in known and value is not None]
    if unknown:
        raise ValueError(f"expected settings of this version, got {', '.join(unknown)}; use the version that wrote it")
    before = {"scope": "dataset", "per_channel": True, "centering": "after_normalize"}
    return ScalingSettings(**{name: entries.get(name, before.get(name)) for name in known})
