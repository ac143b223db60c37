"""Reads classes from a separate file, or from labels in any of the usual forms."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import open_regular

Labels = tuple[np.ndarray, tuple[str, ...]]  # int64 (n,), and the names of the classes


def as_labels(values: np.ndarray, count: int, subject: str, names: np.ndarray | None = None) -> Labels:
    """Labels of `count` images from whole numbers (n,) or (n, 1), names, or rows (n, classes) with a single 1.

    names: the names of the classes 0, 1, …; without them, numbers are the names. Raises ValueError for other labels.

    >>> as_labels(np.array(["dog", "cat", "dog"]), 3, "y")
    (array([1, 0, 1]), ('cat', 'dog'))
    >>> as_labels(np.eye(3)[[2, 0]], 2, "y")
    (array([2, 0]), ('0', '1', '2'))
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] > 1 and _is_one_hot(values):
        columns = tuple(map(str, range(values.shape[1])))
        labels, names_there = values.argmax(axis=1), columns
    else:
        flat = values.reshape(-1)
        if flat.dtype.kind in "SU":
            flat = np.char.decode(flat, "utf-8") if flat.dtype.kind == "S" else flat
        elif flat.dtype.kind == "b" or (flat.dtype.kind == "f" and (flat == np.rint(flat)).all()):
            flat = flat.astype(np.int64)
        elif flat.dtype.kind not in "iu":
            raise ValueError(
                f"{subject}: expected labels as whole numbers or names, got {flat.dtype}; number the classes"
            )
        distinct, labels = np.unique(flat, return_inverse=True)
        names_there = tuple(map(str, distinct))
        if names is not None and flat.dtype.kind in "iu" and distinct.min() >= 0 and distinct.max() < len(names):
            labels, names_there = flat, tuple(map(str, names))
    if len(labels) != count:
        raise ValueError(f"{subject}: expected {count} labels, one an image, got {len(labels)}; check that they belong "
                         "together")  # fmt: skip
    return labels.astype(np.int64), names_there


def load_labels(path: str | os.PathLike, count: int) -> Labels:
    """Labels of `count` images from an .npy, or from the last column of a .csv with one row per image."""
    path = Path(path)
    if path.suffix.lower() == ".csv":
        rows = _rows(path)
        rows = rows[1:] if len(rows) == count + 1 else rows
        return as_labels(_numbers_or_names([row[-1] for row in rows]), count, str(path))
    from image_datasets.arrays import load_arrays

    values = load_arrays(path)
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{path}: expected labels in an .npy or a .csv, got several arrays; save them alone")
    return as_labels(values, count, str(path))


def labels_of_names(path: str | os.PathLike, names: Sequence[str]) -> Labels:
    """Classes of picture files from a .csv with a name and a class in each row, or from an .npy in the same order.

    A name is the file's name, with or without folders and ending. Raises ValueError for files without a class.
    """
    if Path(path).suffix.lower() != ".csv":
        return load_labels(path, len(names))
    classes = {row[0].replace("\\", "/").removeprefix("./"): row[-1] for row in _rows(Path(path)) if len(row) > 1}

    def class_of(name: str) -> str | None:
        file = name.rpartition("/")[2]
        tries = (name, file, name.rpartition(".")[0], file.rpartition(".")[0])
        return next((classes[key] for key in tries if key in classes), None)

    found = [class_of(name) for name in names]
    missing = [name for name, one in zip(names, found, strict=True) if one is None]
    if missing:
        raise ValueError(
            f"{path}: expected a class for each of {len(names):,} files, got none for {len(missing):,} "
            f"({', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}); add rows of a file name and a class"
        )
    return as_labels(_numbers_or_names(found), len(names), str(path))


def _is_one_hot(values: np.ndarray) -> bool:
    return values.dtype.kind in "iufb" and ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all()


def _numbers_or_names(texts: list[str]) -> np.ndarray:
    texts = [text.strip() for text in texts]
    return np.array([int(text) for text in texts] if all(text.isdecimal() for text in texts) else texts)


def _rows(path: Path) -> list[list[str]]:
    try:
        with open_regular(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
    except FileNotFoundError:
        raise ValueError(
            f"expected a file of labels, got {str(path)!r}, which does not exist; check the name"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a .csv that can be read, got {error}; save it as UTF-8") from error
    if not rows:
        raise ValueError(f"{path}: expected rows of a file name and a class, got none; fill it")
    return rows
