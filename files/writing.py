"""Files that appear whole or not at all: write beside, fsync, rename."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

PARTIAL_MARK = ".partial"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a path beside `path` to write to; when the block ends well, the file takes its final name.

    The file is flushed to disk before the rename, so `path` holds the old content or the new one, whole, whenever the
    process is stopped. When the block raises, the partial file is removed and `path` is as it was. The partial name
    keeps the suffix, because many writers choose their format by it. It is new each time and created exclusively, so
    neither a second writer of the same path nor a prepared link can interfere. A link at `path` itself is replaced, not
    followed.

    >>> with atomic_path("numbers.txt") as partial:
    ...     characters = partial.write_text("1 2 3")
    ...     Path("numbers.txt").exists()
    False
    >>> Path("numbers.txt").read_text()
    '1 2 3'
    """
    path = Path(path)
    partial, descriptor = _new_partial(path)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first error matters more
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            error.filename = str(path)  # a failed write names no file or only the partial one
        raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Like `atomic_path` for a new folder: yields a folder to fill, which gets its final name when the block ends well.

    Raises OSError unless `path` does not exist or is an empty folder.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}{PARTIAL_MARK}-{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        shutil.rmtree(partial)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def atomic_paths(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """`atomic_path` for many files: yields a partial path for each, and flushes all at once, waiting for the disk once.

    Every file appears whole or not at all. If the block raises, none of them has changed.
    """
    partials: list[tuple[Path, int]] = []
    try:
        for path in paths:
            partials.append(_new_partial(path))
        yield [partial for partial, _ in partials]
        _sync_all([partial for partial, _ in partials])
        for path, (partial, _) in zip(paths, partials, strict=True):
            partial.replace(path)
    except BaseException:
        for partial, _ in partials:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        raise
    finally:
        for _, descriptor in partials:
            os.close(descriptor)
    for folder in {path.parent for path in paths}:
        _sync_folder(folder)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_array(
    path: Path,
    batches: Iterable[np.ndarray],
    shape: tuple[int, ...],
    dtype: str,
    beside: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes batches one after another as the array of an .npy, in constant memory, or as `images` in an .npz.

    beside: other arrays for the .npz; an .npy cannot hold them.
    """
    with atomic_path(path) as partial:
        if path.suffix.lower() == ".npz":
            array, start = np.empty(shape, dtype), 0
            for batch in batches:
                array[start : start + len(batch)] = batch
                start += len(batch)
            np.savez(partial, images=array, **(beside or {}))
            return
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        with open(partial, "wb") as file:  # not memory-mapped, because its pages would count as memory of the process
            np.lib.format.write_array_header_1_0(file, header)
            for batch in batches:
                file.write(np.ascontiguousarray(batch, dtype))


def remove_partials(folder: str | os.PathLike) -> None:
    """Removes partial files that killed processes left in `folder` and below it; does not follow links.

    Files that a process is still writing stay: it holds a lock, which the system releases when the process ends.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and PARTIAL_MARK in name:
                _remove_unless_locked(Path(parent, name))


def _new_partial(path: Path) -> tuple[Path, int]:
    """A new, empty, locked file beside `path`, and the descriptor that holds the lock."""
    while True:
        partial = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}{PARTIAL_MARK}{path.suffix}")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(partial, flags, 0o666)
        except FileExistsError:
            continue
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return partial, descriptor


def _remove_unless_locked(partial: Path) -> None:
    try:
        descriptor = os.open(partial, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return  # a link, a pipe, or gone: not one of our files
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink(missing_ok=True)
    except OSError:
        pass  # still being written; Windows reports that on removal
    finally:
        os.close(descriptor)


def _sync(partial: Path) -> None:
    """Flushes a file to disk. Opens it by name, since some writers replace the file."""
    descriptor = os.open(partial, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_all(partials: list[Path]) -> None:
    """Flushes files to disk: all at once where the system can, else one by one."""
    if hasattr(os, "sync"):
        os.sync()
        return
    for partial in partials:
        _sync(partial)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut; Windows cannot open folders and needs no such call."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
