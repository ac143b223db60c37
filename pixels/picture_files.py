"""Where picture files lie: in a folder at any depth, or in a zip archive of one; a few bytes of memory for each file.

A million names as Python strings, or a million entries of `zipfile`, take hundreds of megabytes. Here names are one
array of bytes, and of a zip member only the place of its entry in the directory is kept; `zipfile` is shown those
entries that are asked for.
"""

import contextlib
import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pixels.reading import IMAGE_SUFFIXES

# One array file holds many images here, and an animation is no photograph.
PICTURE_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".npy", ".gif"))

Opened = tuple[str, Callable[[], BinaryIO]]  # a name, and what opens the file

# Records of a zip archive: PKWARE's APPNOTE.TXT 4.3.12 to 4.3.16.
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 2**16


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

    Raises ValueError for a file that is no zip archive or whose directory is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file_count = 0
        try:
            with open(path, "rb") as file:
                self._start, self._directory, size = _find_directory(file)
                places: list[np.ndarray] = []
                names = _name_array(self._pictures(file, size, places))
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"{path}: expected a zip archive, got a file that is none ({error}); copy it again"
            ) from error
        order = np.argsort(names, kind="stable")
        names, kept = names[order], np.concatenate(places)[order]
        last = np.append(names[1:] != names[:-1], True)[: len(names)]  # of members with the same name the last counts
        if not last.all():
            names, kept = names[last], kept[last]
        self._names: np.ndarray | None = names
        self._places = kept

    def __len__(self) -> int:
        return len(self._places)

    def names(self) -> Iterator[str]:
        """Relative names, once; they are forgotten then, since the archive has them."""
        names, self._names = self._names, None
        return (bytes(name).decode("utf-8", "surrogateescape") for name in names)

    def take(self, chosen: np.ndarray) -> None:
        """Keeps the files with these numbers only."""
        self._places = self._places[chosen]

    def opened(self, numbers: Iterable[int]) -> Iterator[Opened]:
        """The names of these files, and what opens each; through an archive of their own, closed at the end."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open(self.path, "rb"))
                entries = []
                for number in numbers:
                    file.seek(self._places[number])
                    entries.append(b"".join(_read_entry(file)))
                part = _ArchivePart(file, self._start, self._directory - self._start, entries)
                archive = stack.enter_context(zipfile.ZipFile(io.BufferedReader(part)))
            except (OSError, zipfile.BadZipFile) as error:
                raise ValueError(
                    f"{self.path}: expected the zip archive that was there, got {error}; put it back"
                ) from error
            for info in archive.infolist():
                yield info.filename, partial(archive.open, info)

    def _pictures(self, file: BinaryIO, size: int, places: list[np.ndarray]) -> Iterator[bytes]:
        """The names of pictures in the directory; the places of their entries are added to `places`, some at a time."""
        found = []
        file.seek(self._directory)
        while file.tell() < self._directory + size:
            place = file.tell()
            head, name, _ = _read_entry(file)
            text = name.decode("utf-8" if _ENTRY.unpack(head)[5] & 0x800 else "cp437", "surrogateescape")
            if text.endswith("/"):
                continue
            self.file_count += 1
            if _is_picture(text):
                found.append(place)
                if len(found) == 4096:
                    places.append(np.array(found, np.int64))
                    found.clear()
                yield text.encode("utf-8", "surrogateescape")
        places.append(np.array(found, np.int64))


class _ArchivePart(io.RawIOBase):
    """A zip archive whose directory lists some of its members only: the file up to its directory, then a short one."""

    def __init__(self, file: BinaryIO, start: int, size: int, entries: list[bytes]) -> None:
        directory = b"".join(entries)
        count, length = len(entries), len(directory)
        end = _END_64.pack(b"PK\x06\x06", _END_64.size - 12, 45, 45, 0, 0, count, count, length, size)
        locator = _LOCATOR_64.pack(b"PK\x06\x07", 0, size + length, 1)
        full = 2**16 - 1, 2**32 - 1  # see the other record
        self._tail = directory + end + locator + _END.pack(b"PK\x05\x06", 0, 0, *full[:1] * 2, *full[1:] * 2, 0)
        self._file, self._start, self._size = file, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size + len(self._tail)}[whence]
        if base + offset < 0:
            raise OSError(f"expected a place in the archive, got {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer) -> int:
        buffer = memoryview(buffer)
        if self._position < self._size:
            self._file.seek(self._start + self._position)
            count = self._file.readinto(buffer[: self._size - self._position])
        else:
            piece = self._tail[self._position - self._size :][: len(buffer)]
            count = len(piece)
            buffer[:count] = piece
        self._position += count
        return count


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Where the archive starts in the file, where its directory starts, and how long that is, in bytes."""
    length = file.seek(0, io.SEEK_END)
    tail_start = max(0, length - _END.size - _LONGEST_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise zipfile.BadZipFile("File is not a zip file")
    *_, size, offset, _ = _END.unpack_from(tail, place)
    end = tail_start + place
    if end >= _LOCATOR_64.size + _END_64.size:
        file.seek(end - _LOCATOR_64.size - _END_64.size)
        record = file.read(_END_64.size)
        if file.read(4) == b"PK\x06\x07" and record.startswith(b"PK\x06\x06"):
            *_, size, offset = _END_64.unpack(record)
            end -= _LOCATOR_64.size + _END_64.size
    start = end - size - offset  # not 0 when something stands before the archive
    if start < 0:
        raise zipfile.BadZipFile("its directory is not where it should be")
    return start, end - size, size


def _read_entry(file: BinaryIO) -> tuple[bytes, bytes, bytes]:
    """One entry of the directory: its head, the name, and the rest."""
    head = file.read(_ENTRY.size)
    if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02"):
        raise zipfile.BadZipFile("its directory is damaged")
    name_length, *lengths = _ENTRY.unpack(head)[12:15]
    return head, file.read(name_length), file.read(sum(lengths))


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
