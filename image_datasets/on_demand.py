"""Images that are decoded on access: indexed like an array, but only the requested images are in memory."""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

BLOCK_BYTES = 2**23  # images read at once in a pass through all of them
BLOCK_IMAGES = 256
FEWEST_IMAGES = 8  # that are worth a separate thread

Item = TypeVar("Item")
Result = TypeVar("Result")
Read = Callable[[np.ndarray, np.ndarray], None]


class ImagesOnDemand:
    """uint8 or uint16 (n, h, w, c) with len, shape, dtype and indexing along the first axis, which gives arrays.

    An index is a number, a slice, whole numbers or a mask, as for one axis of an array. The threads of
    `decoding_threads` decode the images; several threads may access them at once.

    Args:
        read: called with int64 (k,) numbers of images and an array (k, h, w, c) to write them to, in any thread.
        count: the number of images, n.
        image_shape: (h, w, c).
        dtype: uint8 or uint16.
        fingerprint: `image_datasets.ImageSet.fingerprint` of all images, if it is known already.
    """

    ndim = 4

    def __init__(
        self,
        read: Read,
        count: int,
        image_shape: tuple[int, int, int],
        dtype: np.dtype,
        fingerprint: str | None = None,
    ) -> None:
        self._read = read
        self.shape = (count, *image_shape)
        self.dtype = np.dtype(dtype)
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"ImagesOnDemand(shape={self.shape}, dtype={self.dtype.name})"

    def __getitem__(self, index) -> np.ndarray:
        """The images in a new array, (k, h, w, c), or (h, w, c) for a single number. Raises IndexError."""
        if isinstance(index, slice):
            return self._images(np.arange(*index.indices(len(self))))
        if isinstance(index, (int, np.integer)):
            return self._images(self._checked(np.array([index])))[0]
        indices = np.asarray(index)
        if indices.dtype == bool and indices.shape == (len(self),):
            return self._images(np.flatnonzero(indices))
        if indices.size == 0:
            indices = indices.astype(np.int64)
        if isinstance(index, tuple) or indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise IndexError(
                f"expected a number, a slice, or whole numbers or {len(self)} truth values on one axis, "
                f"got {index!r}; take the images first, then index the array"
            )
        return self._images(self._checked(indices))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def take(self, indices: np.ndarray) -> "ImagesOnDemand":
        """Some of the images, int (k,), still on demand."""
        indices = self._checked(np.asarray(indices))
        return ImagesOnDemand(
            lambda part, out: self._read(indices[part], out), len(indices), self.shape[1:], self.dtype
        )

    def blocks(self) -> Iterator[np.ndarray]:
        """All images in order, in arrays of at most 256 images or about 8 MiB, a few decoded ahead."""
        return in_order(self._block, block_ranges(*self.shape, itemsize=self.dtype.itemsize))

    def _block(self, numbers: range) -> np.ndarray:
        images = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        self._read(np.arange(numbers.start, numbers.stop), images)
        return images

    def _images(self, indices: np.ndarray) -> np.ndarray:
        images = np.empty((len(indices), *self.shape[1:]), self.dtype)
        pieces = min(_thread_count(), len(indices) // FEWEST_IMAGES)
        if pieces < 2:
            self._read(indices, images)
        else:
            parts = zip(np.array_split(indices, pieces), np.array_split(images, pieces), strict=True)
            waiting = [decoding_threads().submit(self._read, *part) for part in parts]
            try:
                for future in waiting:
                    future.result()
            finally:
                for future in waiting:
                    future.cancel()
        return images

    def _checked(self, indices: np.ndarray) -> np.ndarray:
        outside = (indices < -len(self)) | (indices >= len(self))
        if outside.any():
            raise IndexError(f"expected numbers of images below {len(self)}, got {indices[outside][0]}; count from 0")
        return np.where(indices < 0, indices + len(self), indices)


@functools.cache
def decoding_threads() -> ThreadPoolExecutor:
    """The threads of this process that decode images, one per core; created on first use."""
    return ThreadPoolExecutor(_thread_count(), thread_name_prefix="decode")


def _thread_count() -> int:
    return min(32, os.cpu_count() or 1)


def block_ranges(count: int, height: int, width: int, channels: int, itemsize: int) -> Iterator[range]:
    """0 … count − 1 cut into ranges of at most 256 images or about 8 MiB, at least one image each."""
    step = max(1, min(BLOCK_IMAGES, BLOCK_BYTES // (height * width * channels * itemsize)))
    return (range(start, min(start + step, count)) for start in range(0, count, step))


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Like map, in the decoding threads, with only a few results ahead. Cancels what is left if it is not used up."""
    waiting: deque = deque()
    try:
        for item in items:
            waiting.append(decoding_threads().submit(function, item))
            if len(waiting) > _thread_count() + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
