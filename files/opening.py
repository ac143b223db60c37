"""Opens files that may turn out to be anything: a pipe without a writer, an endless device, a folder."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_WAYS_OUT = {
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "choose a folder that can be written to",
    errno.ENOSPC: "free the disk",
    errno.EDQUOT: "free the disk",
    errno.EMFILE: "allow more open files, as with ulimit -n",
    errno.EIO: "check the disk",
}


class UnreadableFile(ValueError):
    """A file that cannot be used; the message is one line: the file, expected, got, what to do."""


class DamagedFile(UnreadableFile):
    """A file with damaged content, so that another copy of it may help."""


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike, most_bytes: int | None = None) -> BinaryIO:
    """Opens a regular file to read bytes from; follows links. Never blocks, as opening a pipe would.

    Raises FileNotFoundError, and UnreadableFile for everything else: not a regular file, no permission to read it, or
    more than `most_bytes`.
    """
    try:
        _check_kind(path, Path(path).stat().st_mode)  # before opening, which can trigger a device
        # O_NONBLOCK: if a pipe has replaced the file meanwhile, opening it would block until someone writes to it.
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
                f"{path}: expected a file, got a link to nothing; repair the link or leave it out"
            ) from None
        raise
    except OSError as error:
        raise UnreadableFile(f"{path}: expected a file that can be read, got {reason_of(error)}") from error


def reason_of(error: OSError) -> str:
    """The system's error message, and what to do about it.

    >>> reason_of(PermissionError(13, "Permission denied"))
    'permission denied; change its permissions'
    """
    words = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{words}; {_WAYS_OUT.get(error.errno, 'check the path and the disk')}"


def brief(error: Exception) -> str:
    """A library's error message in one short line, to quote in a message of ours."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 120 else words[:119] + "…"


def _check_kind(path: str | os.PathLike, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise UnreadableFile(f"{path}: expected a regular file, got {kind}; name a file")
