"""NumPy files -> arrays. Never loads anything that could run code."""

import os
from pathlib import Path

import numpy as np

import files
from errors import LongInputError
from files.kinds import FIRST_BYTES, kind_of
from image_datasets.advice import advice_for

ARRAY_SUFFIXES = (".npy", ".npz")


def load_arrays(path: str | os.PathLike) -> np.ndarray | files.ArrayArchive:
    """The array of an .npy file, memory-mapped, or the arrays of an .npz by name; the content decides which.

    Reads an array of an archive only on access. Raises a one-line ValueError for a file that is missing, damaged, of
    another kind, which it names, or with Python objects, which are never loaded.
    """
    try:
        with files.open_regular(path) as file:
            first = file.read(FIRST_BYTES)
        kind = kind_of(first)
        if kind is None or kind.name not in ("NPY", "a zip archive"):
            raise LongInputError(advice_for(Path(path)))
        return files.load_arrays(path)
    except FileNotFoundError:
        raise ValueError(f"expected an .npy file, got {str(path)!r}, which does not exist; check the name") from None
