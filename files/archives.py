"""The one place that opens zip archives. Whatever is damaged in one, the error is a ValueError that names the file."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from files.opening import DamagedFile, UnreadableFile, brief, open_regular

# A member above both limits counts as a bomb. Flat pictures and arrays of zeros reach ratios of 1,000, but are small.
LARGE_MEMBER = 2**26
HIGHEST_RATIO = 200


@contextlib.contextmanager
def open_zip(path: str | os.PathLike, what: str = "zip archive") -> Iterator[zipfile.ZipFile]:
    """Opens a zip archive; errors call it `what`. Raises FileNotFoundError, or UnreadableFile for any other file."""
    with open_regular(path) as file:
        with damage_named(path, what):
            archive = zipfile.ZipFile(file)
        with archive:
            yield archive


@contextlib.contextmanager
def damage_named(name: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns what `zipfile` and the decompressors raise for damaged bytes into a DamagedFile that names the file.

    No list of their exceptions exists. BadZipFile, NotImplementedError, RuntimeError, zlib.error, LZMAError, EOFError,
    struct.error, UnicodeDecodeError and others have occurred.
    """
    try:
        yield
    except (MemoryError, UnreadableFile):
        raise
    except Exception as error:
        raise DamagedFile(f"{name}: expected a whole {what}, got {_reason(error)}; copy it again") from error


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> BinaryIO:
    """Opens a member of a zip archive, to read in pieces. Raises ValueError if it cannot be read or looks like a bomb.

    Reading raises ValueError as well: at the end at the latest, when the checksum is compared.
    """
    check_ratio(info, name)
    with damage_named(name, "member of a zip archive"):
        return io.BufferedReader(_Member(archive.open(info), name), 2**16)


def check_ratio(info: zipfile.ZipInfo, name: str) -> None:
    """Raises ValueError for a tiny member that would unpack to a huge size, by what its header states."""
    if info.file_size > max(LARGE_MEMBER, HIGHEST_RATIO * info.compress_size):
        raise UnreadableFile(
            f"{name}: expected at most {HIGHEST_RATIO} times its {info.compress_size:,} compressed bytes, got "
            f"{info.file_size:,}, which may be a zip bomb; unpack it yourself if you trust it"
        )


class _Member(io.RawIOBase):
    """An open member whose errors name it."""

    def __init__(self, member: BinaryIO, name: str) -> None:
        self._member, self._name, self._position = member, name, 0

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with damage_named(self._name, "member of a zip archive"):
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
        return f"an unsupported kind ({brief(error)})"
    return f"a damaged one ({type(error).__name__}: {brief(error)})"
