"""One process at a time, on every system. A lock ends with its process, however that ends."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

LOCK_NAME = ".lock"  # in the folder that is locked; empty, and left there


class FolderIsLocked(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked_folder(folder: Path, wait: bool) -> Iterator[None]:
    """Holds the lock of a folder. Raises FolderIsLocked if another process does and `wait` is False, else waits.

    Raises OSError in a folder that cannot be written to.
    """
    lock = filelock.FileLock(folder / LOCK_NAME, blocking=wait)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FolderIsLocked(str(folder)) from None
    try:
        yield
    finally:
        lock.release()
