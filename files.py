"""Files that appear whole or not at all: write beside, fsync, rename."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

PARTIAL_MARK = ".partial"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a path beside `path` to write to; when the block ends well, the file takes its final name.

    The file is flushed to disk before the rename, so `path` holds the old content or the new one, whole, whenever the
    process is stopped. When the block raises, the partial file is removed and `path` is as it was. The partial name
    keeps the suffix, because many writers choose their format by it.

    >>> with atomic_path("numbers.txt") as partial:
    ...     characters = partial.write_text("1 2 3")
    ...     Path("numbers.txt").exists()
    False
    >>> Path("numbers.txt").read_text()
    '1 2 3'
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}{PARTIAL_MARK}{path.suffix}")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_array(path: Path, batches: Iterable[np.ndarray], shape: tuple[int, ...], dtype: str) -> None:
    """Writes batches one after the other as one array of an .npy, in flat memory, or as `images` of an .npz."""
    with atomic_path(path) as partial:
        if path.suffix.lower() == ".npz":
            array, start = np.empty(shape, dtype), 0
            for batch in batches:
                array[start : start + len(batch)] = batch
                start += len(batch)
            np.savez(partial, images=array)
            return
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        with open(partial, "wb") as file:  # not memory-mapped: its pages would count as memory of the process
            np.lib.format.write_array_header_1_0(file, header)
            for batch in batches:
                file.write(np.ascontiguousarray(batch, dtype))


def remove_partials(folder: str | os.PathLike) -> None:
    """Removes what a killed process left half-written in `folder` and below it."""
    for partial in Path(folder).rglob(f".*{PARTIAL_MARK}*"):
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut; Windows cannot open folders and needs no such call."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
