"""The cache folder: trained classifiers and features of real images, so that both are computed only once.

Its content can be deleted at any time and is computed again when needed.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errors import InputError, words
from evaluation.scores import Features
from files import ArrayArchive, UnreadableFile, atomic_path, load_arrays
from files.locks import locked_folder


@dataclass(frozen=True)
class Cache:
    """A folder that exists and is writable."""

    folder: Path

    @classmethod
    def open(cls, folder: Path | None = None) -> "Cache":
        """Creates the folder, by default pixelwright in $XDG_CACHE_HOME or ~/.cache. ValueError if that fails."""
        folder = folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pixelwright"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"expected a cache folder that can be made, got {str(folder)!r} ({error.strerror})",
                words("pass another {cache}"),
            ) from error
        if not os.access(folder, os.W_OK):
            raise InputError(
                f"expected a cache folder that can be written to, got {str(folder)!r}", words("pass another {cache}")
            )
        return cls(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Waits for other processes that fill the cache, so that several do not compute the same."""
        with locked_folder(self.folder, wait=True):
            yield

    def load_features(self, key: str) -> Features | None:
        """The cached features; None if there are none or the file is damaged."""
        try:
            arrays = load_arrays(self._features_path(key))
            if not isinstance(arrays, ArrayArchive):
                return None
            values, classes = arrays["values"], arrays.get("classes")
        except (FileNotFoundError, UnreadableFile, KeyError):
            return None
        whole = values.ndim == 2 and values.dtype == np.float32 and np.isfinite(values).all()
        if not whole or (classes is not None and (classes.shape != values.shape[:1] or classes.dtype.kind not in "iu")):
            return None
        return Features(values, classes)

    def save_features(self, key: str, features: Features) -> None:
        arrays = {"values": features.values} | ({} if features.classes is None else {"classes": features.classes})
        with atomic_path(self._features_path(key)) as partial:
            np.savez(partial, **arrays)

    def _features_path(self, key: str) -> Path:
        return self.folder / f"features-{key}.npz"


def cache_key(*parts: object) -> str:
    """A name for what depends on `parts`: 20 hexadecimal digits of the SHA-256 of their text."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]
