"""Finds picture files: in a folder at any depth, or in a zip archive.

A million names as Python strings take hundreds of megabytes, so the names in a folder are kept as one array of bytes.
"""

import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from files import open_regular
from files.archives import damage_named, open_member
from files.kinds import PICTURE_ENDINGS, kind_by_ending
from image_datasets.account import Account

Opened = tuple[str, Callable[[], BinaryIO]]  # a name, and a function that opens the file
Identity = tuple[int, int]  # of a folder on its disk


class PictureFolder:
    """The picture files of a folder and its sub-folders, sorted by name. Links are followed.

    left_out: the other files, and links that are broken or circular. folders: all sub-folders. Raises ValueError for a
    folder without permission to read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out = Account()
        self.folders: list[str] = []
        self._names = _name_array(self._walk())
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
        """The names of these files, and a function that opens each, "rb"."""
        for number in numbers:
            name = os.fsdecode(bytes(self._names[number]))
            yield name, partial(open, self.path / name, "rb")

    def _walk(self) -> Iterator[bytes]:
        waiting: list[tuple[bytes, tuple[Identity, ...]]] = [(b"", ())]
        while waiting:
            prefix, above = waiting.pop()
            folder = os.path.join(os.fsencode(self.path), prefix)  # noqa: PTH118  names are bytes here
            try:
                status = os.stat(folder)  # noqa: PTH116
                here = (status.st_dev, status.st_ino)
                if here in above:  # a link to a folder that contains it
                    self.left_out.add("linked in a circle", _shown(prefix[:-1]))
                    continue
                if prefix:
                    self.folders.append(os.fsdecode(prefix[:-1]))
                with os.scandir(folder) as entries:
                    for entry in entries:
                        name = prefix + entry.name
                        if _is_hidden(os.fsdecode(entry.name)):
                            self.left_out.add("hidden", _shown(name))
                        elif (kind := _kind_of(entry)) == "folder":
                            waiting.append((name + b"/", (*above, here)))
                        elif kind != "file":
                            self.left_out.add(kind, _shown(name))
                        elif is_picture(os.fsdecode(entry.name)):
                            yield name
                        else:
                            self.left_out.add(_ending(os.fsdecode(entry.name)), _shown(name))
            except OSError as error:
                raise ValueError(
                    f"{os.fsdecode(folder)}: expected a folder that can be read, got {error.strerror}; "
                    "change its permissions"
                ) from error


class PictureZip:
    """The picture files of a zip archive, sorted by name; see `PictureFolder`.

    The archive stays open, so that members are found without reading its directory again. The directory takes about 600
    bytes of memory per member. Raises ValueError for a file that is not a zip archive or has a damaged directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out = Account()
        self.folders: list[str] = []
        file = open_regular(path)
        with damage_named(path, "zip archive"):
            self._archive = zipfile.ZipFile(file)
        pictures: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/")  # some Windows programs write these
            if any(map(_is_hidden, name.rstrip("/").split("/"))):
                self.left_out.add("hidden", name)
            elif name.endswith("/"):
                self.folders.append(name.rstrip("/"))
            elif stat.S_ISLNK(info.external_attr >> 16):
                self.left_out.add("linked in the zip", name)
            elif is_picture(name):
                pictures[name] = info  # the last of several equal names
            else:
                self.left_out.add(_ending(name), name)
        self._members = [(name, pictures[name]) for name in sorted(pictures)]

    def __len__(self) -> int:
        return len(self._members)

    def names(self) -> Iterator[str]:
        """Relative names, with / between folders."""
        return (name for name, _ in self._members)

    def take(self, chosen: np.ndarray) -> None:
        """Keeps the files with these numbers only."""
        self._members = [self._members[number] for number in chosen]

    def opened(self, numbers: Iterable[int]) -> Iterator[Opened]:
        """The names of these files, and a function that opens each; several threads may read at once."""
        for number in numbers:
            name, info = self._members[number]
            yield name, partial(open_member, self._archive, info, f"{self.path}/{name}")


def _kind_of(entry: os.DirEntry) -> str:
    """ "folder", "file", or why it is left out."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # too many levels of links: a link to itself
        return "linked in a circle"
    return "linked to nothing" if entry.is_symlink() else "not regular"


def is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURE_ENDINGS)


def ways_to_convert(left_out: Account) -> str:
    """What to do with pictures of unsupported kinds, if there are any; "" otherwise."""
    kinds = {
        kind.name: kind
        for kind in (kind_by_ending(f"x{reason}") for reason in left_out.counts)
        if kind is not None and kind.way_out
    }
    return "; ".join(f"{name}: {kind.way_out}" for name, kind in kinds.items())


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "without an ending"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _name_array(names: Iterable[bytes]) -> np.ndarray:
    """Names in one array of bytes, as wide as the longest; creates few Python objects at a time."""
    names = iter(names)
    parts = [np.empty(0, "S1")]
    while part := list(islice(names, 4096)):
        parts.append(np.array(part))
    return np.concatenate(parts)
