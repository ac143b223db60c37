"""The one place that opens zip archives: every way in which one can be damaged is a ValueError that names it."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from files.opening import DamagedFile, UnreadableFile, brief, open_regular

# A member above both is taken for a bomb. Flat pictures and arrays of zeros have ratios to 1,000, but are small.
LARGE_MEMBER = 2**26
HIGHEST_RATIO = 200


@contextlib.contextmanager
def open_zip(path: str | os.PathLike, what: str = "zip archive") -> Iterator[zipfile.ZipFile]:
    """A zip archive to read from, called `what`. Raises FileNotFoundError, and UnreadableFile for what is none."""
    with open_regular(path) as file:
        with told(path, what):
            archive = zipfile.ZipFile(file)
        with archive:
            yield archive


@contextlib.contextmanager
def told(name: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns what `zipfile` and the decompressors raise for damaged bytes into a DamagedFile that names the file.

    Of the kinds there are no list: BadZipFile, NotImplementedError, RuntimeError, zlib.error, LZMAError, EOFError,
    struct.error, UnicodeDecodeError and others were met.
    """
    try:
        yield
    except (MemoryError, UnreadableFile):
        raise
    except Exception as error:
        raise DamagedFile(f"{name}: expected a whole {what}, got {_reason(error)}; copy it again") from error


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> BinaryIO:
    """A member of a zip archive, to read in pieces. Raises ValueError for what cannot be read, and for a bomb.

    Reading raises ValueError, too, at the latest at the end, where the checksum stands.
    """
    check_ratio(info, name)
    with told(name, "member of a zip archive"):
        return io.BufferedReader(_Member(archive.open(info), name), 2**16)


def check_ratio(info: zipfile.ZipInfo, name: str) -> None:
    """Raises ValueError for a member that says it would fill the memory from next to nothing."""
    if info.file_size > max(LARGE_MEMBER, HIGHEST_RATIO * info.compress_size):
        raise UnreadableFile(
            f"{name}: expected at most {HIGHEST_RATIO} times the {info.compress_size:,} bytes it is packed in, got "
            f"{info.file_size:,}, which may be a bomb; unpack it yourself if you trust it"
        )


class _Member(io.RawIOBase):
    """An open member whose errors are told."""

    def __init__(self, member: BinaryIO, name: str) -> None:
        self._member, self._name, self._position = member, name, 0

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with told(self._name, "member of a zip archive"):
            data = self._member.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._member.close()
        super().close()


def _reason(error: Exception) -> str:
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "an encrypted member"
    if isinstance(error, NotImplementedError):
        return f"a kind that is not known here ({brief(error)})"
    return f"a damaged one ({type(error).__name__}: {brief(error)})"
