"""Decides which folder names are classes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath

import numpy as np

from errors import counted

# Folders with these names usually split a data set into parts for training and testing; they are not classes.
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "holdout"}


@dataclass(frozen=True)
class FolderClasses:
    """The classes of pictures, from their folders.

    Attributes:
        labels: int64 (n,), indices into `names`, −1 for a picture in no class; None if there are no classes.
        names: the names of the classes, sorted.
        without_pictures: folders on the same level as the classes that contain no picture.
        doubt: why there are no classes although one might expect some; names the level to pass instead.
        other_level: the level of folders that may be the classes, if there is a doubt.
    """

    labels: np.ndarray | None = None
    names: tuple[str, ...] = ()
    without_pictures: tuple[str, ...] = ()
    doubt: str = ""
    other_level: int | None = None


def classes_by_folder(names: Iterable[str], folders: Iterable[str], level: int | None) -> FolderClasses:
    """Classes from the names of pictures, which are relative, with / between folders.

    Without a level, the class is the first folder in which the names differ, unless a picture is beside these folders
    or they look like parts of a data set, such as train and test. With a level, counted from 1, the folders of that
    level are the classes, and pictures above them have none. Raises ValueError for a level at which no picture has a
    folder.

    >>> classes = classes_by_folder(["pets/cat/1.png", "pets/dog/2.png"], [], None)
    >>> classes.names, classes.labels.tolist()
    (('cat', 'dog'), [0, 1])
    """
    ways: dict[str, int] = {}
    first_of: dict[str, str] = {}
    numbers = []
    for name in names:
        way = name.rpartition("/")[0]
        numbers.append(ways.setdefault(way, len(ways)))
        first_of.setdefault(way, name)
    paths = [PurePosixPath(way).parts for way in ways]
    shared = _shared_folders(paths) if level is None else level - 1
    if level is None:
        if all(len(path) == shared for path in paths):
            return FolderClasses()  # all are in one folder
        beside = [way for way, path in zip(ways, paths, strict=True) if len(path) <= shared]
        if beside:
            count = int(np.isin(numbers, [ways[way] for way in beside]).sum())
            doubt = f"no classes: {counted(count, 'picture')} outside the folders ({first_of[beside[0]]})"
            return FolderClasses(doubt=doubt, other_level=shared + 1)
        parts = _parts_of_a_data_set(paths, shared)
        if parts:
            doubt = f"no classes: the folders {', '.join(parts)} look like parts of a data set"
            return FolderClasses(doubt=doubt, other_level=shared + 2)
    elif all(len(path) <= shared for path in paths):
        raise ValueError(
            f"expected class_level of at most {max(map(len, paths))}, the deepest folders, got {level}; choose less"
        )
    return _classes_at(shared, paths, numbers, folders)


def _shared_folders(paths: list[tuple[str, ...]]) -> int:
    """How many leading folders all paths share."""
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))


def _parts_of_a_data_set(paths: list[tuple[str, ...]], depth: int) -> list[str]:
    """The names of the folders at this depth, if they are parts such as train and test that contain folders."""
    names = sorted({path[depth] for path in paths})
    is_divided = all(map(_is_part, names)) and any(len(path) > depth + 1 for path in paths)
    return names if is_divided else []


def _is_part(name: str) -> bool:
    """Whether a folder is called train or test, alone or as in train_images, test-set and TrainingData."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold()
    words = set(re.sub(r"[^a-z]|(?<=[a-z])(?:images|imgs|data|set|split)$", " ", words).split())
    return words <= PARTS | {"images", "imgs", "data", "set", "split"} and not PARTS.isdisjoint(words)


def _classes_at(shared: int, paths: list[tuple[str, ...]], numbers: list[int], folders: Iterable[str]) -> FolderClasses:
    """Takes the folders below `shared` others as classes. numbers: for each picture, the index of its path."""
    class_names = sorted({path[shared] for path in paths if len(path) > shared})
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.array([index[path[shared]] if len(path) > shared else -1 for path in paths], np.int64)
    above = {path[:shared] for path in paths}
    empty = {
        path[shared]
        for path in (PurePosixPath(folder).parts for folder in folders)
        if len(path) == shared + 1 and path[:shared] in above
    }
    return FolderClasses(labels[numbers], tuple(class_names), tuple(sorted(empty - set(class_names))))
