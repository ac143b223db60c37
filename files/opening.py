"""Opening files that may be anything: a pipe that nobody writes to, a device without end, a folder."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_WAYS_OUT = {
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "choose a place that can be written to",
    errno.ENOSPC: "free the disk",
    errno.EDQUOT: "free the disk",
    errno.EMFILE: "allow more open files, as with ulimit -n",
    errno.EIO: "check the disk",
}


class UnreadableFile(ValueError):
    """A file that is not what it should be; one line: the file, expected, got, and the way out."""


class DamagedFile(UnreadableFile):
    """A file whose content is not what it should be, so that a copy of it may help."""


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike, most_bytes: int | None = None) -> BinaryIO:
    """Opens a regular file to read bytes from; links are followed. Never waits, as opening a pipe would.

    Raises FileNotFoundError, and UnreadableFile for everything else: what is no regular file, what may not be
    read, and what has more than `most_bytes`.
    """
    try:
        _check_kind(path, Path(path).stat().st_mode)  # first: opening a device may set something off
        # O_NONBLOCK: a pipe that has taken the file's place since would hold the program until it is written to.
        file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
        try:
            status = os.fstat(file.fileno())
            _check_kind(path, status.st_mode)
            if most_bytes is not None and status.st_size > most_bytes:
                raise UnreadableFile(
                    f"{path}: expected at most {most_bytes:,} bytes, got {status.st_size:,}; check that it is the "
                    "right file"
                )
        except BaseException:
            file.close()
            raise
        return file
    except FileNotFoundError:
        if Path(path).is_symlink():
            raise UnreadableFile(
                f"{path}: expected a file, got a link to nothing; mend the link or leave it out"
            ) from None
        raise
    except OSError as error:
        raise UnreadableFile(f"{path}: expected a file that can be read, got {reason_of(error)}") from error


def reason_of(error: OSError) -> str:
    """What the system said, and what to do about it.

    >>> reason_of(PermissionError(13, "Permission denied"))
    'permission denied; change its permissions'
    """
    words = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{words}; {_WAYS_OUT.get(error.errno, 'check the path and the disk')}"


def brief(error: Exception) -> str:
    """What a library said, in one short line to put into a message of ours."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 120 else words[:119] + "…"


def _check_kind(path: str | os.PathLike, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise UnreadableFile(f"{path}: expected a regular file, got {kind}; name a file")
