"""The one place that opens .npy and .npz: nothing is unpickled, and headers are checked before memory is allocated."""

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np

from files.archives import open_member, open_zip
from files.opening import DamagedFile, UnreadableFile, brief, open_regular

NPY_SIGNATURE = b"\x93NUMPY"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_PIECE = 2**20  # bytes


class ArrayArchive(Mapping[str, np.ndarray]):
    """The arrays of an .npz by name; each is read on access.

    Raises a one-line ValueError for an archive or a member that is damaged or holds Python objects.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._path = path
        with open_zip(path, "NumPy file") as archive:
            self._members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }

    def __getitem__(self, name: str) -> np.ndarray:
        info = self._members[name]
        with (
            open_zip(self._path, "NumPy file") as archive,
            open_member(archive, info, f"{self._path}, {name}") as member,
        ):
            return _read_array(member, info, f"{self._path}, {name}")

    def headers(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """The shape and dtype of every array, by name; the values are not read."""
        found = {}
        with open_zip(self._path, "NumPy file") as archive:
            for name, info in self._members.items():
                title = f"{self._path}, {name}"
                with open_member(archive, info, title) as member:
                    shape, _, dtype = read_header(member, title)
                found[name] = (shape, dtype)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def load_arrays(path: str | os.PathLike) -> np.ndarray | ArrayArchive:
    """The array of an .npy file, memory-mapped, or the arrays of an .npz by name; the content decides which.

    Raises FileNotFoundError, or a one-line ValueError for a file that is damaged or holds Python objects, which are
    never loaded.
    """
    with open_regular(path) as file:
        signature = file.read(len(NPY_SIGNATURE))
        if signature.startswith(_ZIP_SIGNATURES):
            return ArrayArchive(path)
        file.seek(0)
        shape, fortran_order, dtype = read_header(file, str(path))
        offset, held = file.tell(), os.fstat(file.fileno()).st_size - file.tell()
        _check_size(shape, dtype, held, str(path))
        if 0 in shape:
            return np.empty(shape, dtype)
        order = "F" if fortran_order else "C"
        return np.memmap(file, dtype, "r", offset, shape, order)


def read_header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, whether in Fortran order, dtype) of an .npy; leaves the file at the first value.

    Raises a one-line ValueError if the file is not an .npy of numbers.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"NPY version {version[0]}.{version[1]} instead of 1.0 or 2.0")
        if version == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
    except UnreadableFile:
        raise  # the archive around it is damaged
    except Exception as error:  # NumPy parses headers as Python; damaged ones can raise almost anything
        raise DamagedFile(
            f"{name}: expected a whole NumPy file, got one that cannot be read ({brief(error)}); save it again"
        ) from error
    if dtype.hasobject:
        raise UnreadableFile(f"{name}: expected numbers, got an object array, which can run code; np.stack the images")
    if any(length < 0 for length in shape):
        raise DamagedFile(f"{name}: expected a whole NumPy file, got the shape {shape}; save it again")
    return shape, fortran_order, dtype


def _read_array(member: BinaryIO, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    shape, fortran_order, dtype = read_header(member, name)
    _check_size(shape, dtype, info.file_size - member.tell(), name)
    values = np.empty(math.prod(shape), dtype)
    data = values.view(np.uint8).reshape(-1) if values.nbytes else np.empty(0, np.uint8)
    filled = 0
    while count := member.readinto(data[filled : filled + _PIECE]):
        filled += count
    if filled < data.size or member.read(1):
        raise DamagedFile(f"{name}: expected {data.size:,} bytes of values, got {filled:,}; save it again")
    return values.reshape(shape[::-1]).T if fortran_order else values.reshape(shape)


def _check_size(shape: tuple[int, ...], dtype: np.dtype, held: int, name: str) -> None:
    expected = math.prod(shape) * dtype.itemsize
    if held < expected:
        raise DamagedFile(
            f"{name}: expected a whole NumPy file, got one that cannot be read (it has {held:,} of {expected:,} "
            "bytes of values); save it again"
        )
