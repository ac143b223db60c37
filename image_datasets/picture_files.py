"""Where picture files lie: in a folder at any depth, or in a zip archive of one.

A million names as Python strings take hundreds of megabytes, so those of a folder are one array of bytes.
"""

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from imaging.reading import IMAGE_SUFFIXES

# One array file holds many images here, and an animation is no photograph.
PICTURE_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".npy", ".gif"))

Opened = tuple[str, Callable[[], BinaryIO]]  # a name, and what opens the file


class PictureFolder:
    """The picture files of a folder and its sub-folders, in the order of their names.

    file_count: of all files, pictures or not. Raises ValueError for a folder that may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file_count = 0
        self._names = _name_array(self._walk(os.fsencode(path), b""))
        self._names.sort()

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> Iterator[str]:
        """Relative names, with / between folders."""
        return (os.fsdecode(bytes(name)) for name in self._names)

    def take(self, chosen: np.ndarray) -> None:
        """Keeps the files with these numbers only."""
        self._names = self._names[chosen]

    def opened(self, numbers: Iterable[int]) -> Iterator[Opened]:
        """The names of these files, and what opens each, "rb"."""
        for number in numbers:
            name = os.fsdecode(bytes(self._names[number]))
            yield name, partial(open, self.path / name, "rb")

    def _walk(self, folder: bytes, prefix: bytes) -> Iterator[bytes]:
        folders = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file():
                        self.file_count += 1
                        if _is_picture(os.fsdecode(prefix + entry.name)):
                            yield prefix + entry.name
        except OSError as error:
            raise ValueError(
                f"{os.fsdecode(folder)}: expected a folder that can be read, got {error.strerror}; "
                "change its permissions"
            ) from error
        for name in folders:
            yield from self._walk(os.path.join(folder, name), prefix + name + b"/")  # noqa: PTH118


class PictureZip:
    """The picture files of a zip archive, in the order of their names; see `PictureFolder`.

    The archive stays open, so that a member is found without reading its directory again. Its directory takes about
    600 bytes of memory for each member. Raises ValueError for a file that is no zip archive or whose directory is
    damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"{path}: expected a zip archive, got a file that is none ({error}); copy it again"
            ) from error
        members = [info for info in self._archive.infolist() if not info.is_dir()]
        self.file_count = len(members)
        pictures = {info.filename: info for info in members if _is_picture(info.filename)}  # the last of equal names
        self._members = [pictures[name] for name in sorted(pictures)]

    def __len__(self) -> int:
        return len(self._members)

    def names(self) -> Iterator[str]:
        """Relative names, with / between folders."""
        return (info.filename for info in self._members)

    def take(self, chosen: np.ndarray) -> None:
        """Keeps the files with these numbers only."""
        self._members = [self._members[number] for number in chosen]

    def opened(self, numbers: Iterable[int]) -> Iterator[Opened]:
        """The names of these files, and what opens each; several threads may read at once."""
        for number in numbers:
            info = self._members[number]
            yield info.filename, partial(self._archive.open, info)


def _name_array(names: Iterable[bytes]) -> np.ndarray:
    """Names in one array of bytes, as wide as the longest; few Python objects at a time."""
    names = iter(names)
    parts = [np.empty(0, "S1")]
    while part := list(islice(names, 4096)):
        parts.append(np.array(part))
    return np.concatenate(parts)


def _is_picture(name: str) -> bool:
    if not name.lower().endswith(PICTURE_SUFFIXES):
        return False
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
