"""The form of every data set: images, labels and class names; and the order in which training uses the images."""

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from errors import InputError, Parameter, counted
from image_datasets.on_demand import ImagesOnDemand, block_ranges
from imaging import on_ground

CLASSES_SHOWN = 20
CHANNEL_NAMES = {1: "gray", 3: "RGB", 4: "RGBA"}


class ImagesChanged(ValueError):
    """Images that were found are not what they were: a file is gone, cut, or another one; the message names it."""


class Learner(Protocol):
    """What `LevelsSeen` needs of a PixelScaler."""

    def partial_fit(self, images: np.ndarray) -> object: ...

    def forget(self) -> None: ...


@dataclass(frozen=True)
class ReadingReport:
    """What the user should know about how the images were read.

    Attributes:
        left_out: other files that were not read, "" if there were none.
        changes: what was done to make the images alike, one sentence each.
        doubt: why there are no classes although one might expect some; "" without a doubt.
        other_level: the `class_level` that would give them.
        without_images: classes without images: folders without a picture.
    """

    left_out: str = ""
    changes: tuple[str, ...] = ()
    doubt: str = ""
    other_level: int | None = None
    without_images: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, in memory, memory-mapped, or decoded from their files on demand.

    Attributes:
        name: what it was loaded from, as a word that is valid in a folder name.
        images: uint8 or uint16 (n, height, width, channels), channels 1, 3 or 4. Indexed along the first axis, either
            kind gives an array.
        labels: int64 (n,), indices into class_names, or None.
        class_names: one name per class, empty without labels.
        report: what was left out and what was changed while reading.
    """

    name: str
    images: np.ndarray | ImagesOnDemand
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    report: ReadingReport = ReadingReport()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.images.shape[1:]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """The images with these numbers, int (k,), in a new array: (k, h, w, c).

        Raises ImagesChanged if they can no longer be read, because a file is gone, changed or truncated.
        """
        check_not_cut(self.images, self.name)
        return self.images[indices]

    def blocks(self) -> Iterator[np.ndarray]:
        """All images in order, as consecutive arrays, for example for `PixelScaler.fit_batches`.

        Images in memory come as one array, memory-mapped ones as small arrays that are read on use, and others as small
        arrays that are decoded ahead. Raises ImagesChanged as `take` does.
        """
        if isinstance(self.images, ImagesOnDemand):
            yield from self.images.blocks()
        elif mapped_file(self.images) is None:
            yield self.images
        else:
            for numbers in block_ranges(*self.images.shape, itemsize=self.images.dtype.itemsize):
                check_not_cut(self.images, self.name)
                yield self.images[numbers.start : numbers.stop]

    def fingerprint(self) -> str:
        """SHA-256 of the pixels, their shape and type: equal if and only if the images are equal."""
        if isinstance(self.images, ImagesOnDemand) and self.images.fingerprint is not None:
            return self.images.fingerprint
        digest = new_digest(self.images.dtype, self.images.shape)
        for block in self.blocks():
            for start in range(0, len(block), 1024):
                digest.update(np.ascontiguousarray(block[start : start + 1024]))
        return digest.hexdigest()

    def on_white(self) -> "ImageSet":
        """The same images without transparency: RGBA on white, converted on access; others unchanged."""
        if self.image_shape[2] != 4:
            return self
        rgba = self.images

        def read(numbers: np.ndarray, out: np.ndarray) -> None:
            check_not_cut(rgba, self.name)
            out[...] = on_ground(rgba[numbers], np.iinfo(rgba.dtype).max)

        images = ImagesOnDemand(read, len(rgba), (*self.image_shape[:2], 3), rgba.dtype)
        return replace(self, images=images)

    def subset(self, count: int) -> "ImageSet":
        """`count` of the images, the same random ones each time, in order. Raises ValueError if there are fewer."""
        chosen = some_of(len(self.images), count, self.name)
        on_demand = isinstance(self.images, ImagesOnDemand)
        images = self.images.take(chosen) if on_demand else self.images[chosen]
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, images=images, labels=labels)

    def classes_without_images(self) -> tuple[str, ...]:
        """The names of classes without an image to learn from."""
        if self.labels is None:
            return self.report.without_images
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return (*(self.class_names[label] for label in np.flatnonzero(counts == 0)), *self.report.without_images)

    def summary(self, lowest: int | None = None, highest: int | None = None) -> list[str]:
        """What was read, left out and changed, one line each; with the levels, if they are known."""
        height, width, channels = self.image_shape
        kind = CHANNEL_NAMES[channels]
        levels = "" if lowest is None else f", levels {lowest} … {highest}"
        lines = [
            f"read {self.name}: {counted(len(self.images), 'image')} of {height}x{width} {kind} {self.images.dtype}"
            + levels
        ]
        if self.labels is not None:
            counts = np.bincount(self.labels, minlength=len(self.class_names))
            if len(counts) <= CLASSES_SHOWN:
                classes = ", ".join(f"{name} {count:,}" for name, count in zip(self.class_names, counts, strict=True))
            else:
                classes = f"{len(counts)}, of {counts.min():,} to {counts.max():,} images"
            lines[0] += f"; classes: {classes}"
        report = self.report
        if report.doubt:
            lines.append(report.doubt)
        if report.without_images:
            lines.append(f"folders without an image: {', '.join(report.without_images)}")
        lines += report.changes
        if report.left_out:
            lines.append(f"not read: {report.left_out}")
        return lines


class LevelsSeen:
    """Has a scaler learn from all images that are read, and remembers their extremes; None before the first image.

    scaler: a PixelScaler, or another object with its `partial_fit` and `forget`.
    """

    def __init__(self, scaler: Learner) -> None:
        self._scaler = scaler
        self.lowest: int | None = None
        self.highest: int | None = None

    def forget(self) -> None:
        """All images will come again, in another form."""
        self._scaler.forget()
        self.lowest = self.highest = None

    def __call__(self, images: np.ndarray) -> None:
        self._scaler.partial_fit(images)
        lowest, highest = int(images.min()), int(images.max())
        self.lowest = lowest if self.lowest is None else min(self.lowest, lowest)
        self.highest = highest if self.highest is None else max(self.highest, highest)


def check_not_cut(images: np.ndarray | ImagesOnDemand, name: object) -> None:
    """Raises ImagesChanged if images are mapped from a file that was truncated since: reading past its end would crash.

    name: the name of the data, for the message.
    """
    file = mapped_file(images)
    if file is not None and file.size() < len(file):
        raise ImagesChanged(f"expected the file of {name} as it was, got a truncated one; restore it")


def mapped_file(images: np.ndarray | ImagesOnDemand) -> mmap.mmap | None:
    """The file that an array is mapped from; None for an array in memory."""
    while isinstance(images, np.ndarray):
        images = images.base
    return images if isinstance(images, mmap.mmap) else None


def epoch_order(count: int, seed: int, epoch: int, draw: int = 0) -> np.ndarray:
    """The order of one epoch: a permutation of 0 … count − 1, int64, that depends only on (seed, epoch, draw).

    draw: 0, or the number of another order of the same epoch, independent of the first.

    >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng([seed, epoch, draw]).permutation(count)  # a trailing 0 has no effect


def some_of(total: int, count: int, name: str) -> np.ndarray:
    if not 1 <= count <= total:
        raise InputError(
            f"expected a number of images from 1 to the {total} of {name}, got {count}",
            ("pass ", Parameter("image_count", total)),
        )
    return np.sort(np.random.default_rng(0).permutation(total)[:count])


def new_digest(dtype: np.dtype, shape: tuple[int, ...]):
    return hashlib.sha256(f"{dtype.name} {shape}".encode())


def name_of(path: Path) -> str:
    """The name of the data for run folders: only letters, digits, '-' and '_'."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in path.resolve().stem) or "images"
