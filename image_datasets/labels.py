"""Reads classes from a separate file, or from labels in any of the usual forms."""

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import open_regular
from files.kinds import PICTURE_ENDINGS
from image_datasets.array_files import load_arrays

TABLES = (".csv", ".tsv")
# What the first line of a table calls its columns, in any case
CLASS_TITLES = ("class", "label", "labels", "category", "target", "class_name", "class name", "class_id", "y")
NAME_TITLES = ("file", "filename", "file_name", "file name", "image", "image_name", "image_id", "name", "path", "id")

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
    if values.ndim > 1 and math.prod(values.shape[1:]) > 1 and not (values.ndim == 2 and _is_one_hot(values)):
        raise ValueError(
            f"{subject}: expected one class an image, or rows with a single 1, got labels of shape {values.shape}; "
            "take the likeliest with .argmax(axis=1)"
        )
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
    if path.suffix.lower() in TABLES:
        classes = [label for _, label in _table(path)]
        classes = classes[1:] if len(classes) == count + 1 else classes
        return as_labels(_numbers_or_names(classes), count, str(path))
    values = load_arrays(path)
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{path}: expected labels in an .npy or a .csv, got several arrays; save them alone")
    return as_labels(values, count, str(path))


def labels_of_names(path: str | os.PathLike, names: Sequence[str]) -> Labels:
    """Classes of picture files from a .csv with a name and a class in each row, or from an .npy in the same order.

    A name is the file's name, with or without folders and ending. Raises ValueError for files without a class.
    """
    if Path(path).suffix.lower() not in TABLES:
        return load_labels(path, len(names))
    classes = {name.replace("\\", "/").removeprefix("./"): label for name, label in _table(Path(path))}
    by_file: dict[str, set[str]] = {}  # the table may have other folders than the data
    for name, label in classes.items():
        by_file.setdefault(name.rpartition("/")[2], set()).add(label)

    def class_of(name: str) -> str | None:
        file = name.rpartition("/")[2]
        tries = (name, file, name.rpartition(".")[0], file.rpartition(".")[0])
        found = next((classes[key] for key in tries if key in classes), None)
        others = by_file.get(file, set())
        return next(iter(others)) if found is None and len(others) == 1 else found

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


def _table(path: Path) -> list[tuple[str, str]]:
    """Names and classes: of the columns that a first line calls so, else of the first and the last."""
    rows = _rows(path)
    titles = [cell.strip().casefold() for cell in rows[0]]
    class_column = next((column for column, title in enumerate(titles) if title in CLASS_TITLES), None)
    if class_column is None or any(title.endswith(PICTURE_ENDINGS) for title in titles):
        return [(row[0], row[-1]) for row in rows]
    name_column = next((column for column, title in enumerate(titles) if title in NAME_TITLES), 0)
    width = max(class_column, name_column) + 1
    return [(row[name_column], row[class_column]) for row in rows[1:] if len(row) >= width]


def _separator(text: str) -> str:
    """The sign between columns: the first that cuts the first lines into equally many, at least two."""
    lines = text.splitlines()[:20]
    for sign in (",", ";", "\t"):
        widths = {len(row) for row in csv.reader(lines, delimiter=sign) if row}
        if len(widths) == 1 and widths != {1}:
            return sign
    return ","


def _rows(path: Path) -> list[list[str]]:
    try:
        with open_regular(path) as file:
            data = file.read()
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text)) if row]
    except FileNotFoundError:
        raise ValueError(
            f"expected a file of labels, got {str(path)!r}, which does not exist; check the name"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a .csv that can be read, got {error}; save it as UTF-8") from error
    if not rows:
        raise ValueError(f"{path}: expected rows of a file name and a class, got none; fill it")
    return rows
