"""Picture files in a folder or a zip -> one image set. Decodes all once, and reports all problems together."""

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from errors import Explained, LongInputError, Parameter, counted, words
from files import UnreadableFile
from files.kinds import PICTURE_ENDINGS
from files.opening import reason_of
from image_datasets.account import Account
from image_datasets.channels_and_sizes import in_form, with_channels
from image_datasets.classes import FolderClasses, classes_by_folder
from image_datasets.crops import random_crop
from image_datasets.image_set import (
    CHANNEL_NAMES,
    ImagesChanged,
    ImageSet,
    ReadingReport,
    name_of,
    new_digest,
    some_of,
)
from image_datasets.labels import labels_of_names
from image_datasets.on_demand import ImagesOnDemand, block_ranges, in_order
from image_datasets.options import ChoicesNeeded, ReadingOptions
from image_datasets.picture_files import PictureFolder, PictureZip, ways_to_convert
from imaging import MAX_PIXELS, ImageFileError, frame_count, load_image
from progress import progress_bar


class Visit(Protocol):
    """What goes through all images, such as `LevelsSeen`; `forget` where they will all come once more."""

    def __call__(self, images: np.ndarray) -> object: ...

    def forget(self) -> object: ...


CheckShape = Callable[[tuple[int, int, int]], object]
ImageKind = tuple[int, int, int, str]  # height, width, channels, type

USUAL_SIDES = (64, 32, 16, 128, 256)  # in the order in which they are suggested
# Options that make a file readable: how to describe such files, and the suggested value; None: it depends on the files.
CHOICES = {
    "alpha": ("with transparent pixels", "white"),
    "cmyk": ("in CMYK", "convert"),
    "frames": ("of several frames", "first"),
    "value_range": ("of floats", None),
}


class ImagesNotAlike(ChoicesNeeded, ValueError):
    """Pictures that cannot be trained on as they are."""


def _no_pictures(path: Path, left_out: Account) -> LongInputError:
    others = f" among {counted(len(left_out), 'file')}: {left_out.text()}" if len(left_out) else ""
    of_zips = "pass the .zip itself" if ".zip" in left_out.counts else "check the path"
    way_out = ways_to_convert(left_out) or of_zips
    return LongInputError(f"expected image files ({' '.join(PICTURE_ENDINGS)}) in {path}, got none{others}; {way_out}")


def load_pictures(
    path: Path, options: ReadingOptions, check_shape: CheckShape | None = None, visit: Visit | None = None
) -> ImageSet:
    """The picture files of a folder or a zip, sorted by name; kept in memory if they are few enough.

    See `load_images` for the arguments and errors.
    """
    files = PictureFolder(path) if path.is_dir() else PictureZip(path)
    if len(files) == 0:
        raise _no_pictures(path, files.left_out)
    classes = _classes_of(files, options)
    labels = classes.labels
    if labels is not None and (labels < 0).any():
        for number in np.flatnonzero(labels < 0):
            files.left_out.add("above the class folders", _name_at(files, number))
        files.take(np.flatnonzero(labels >= 0))
        labels = labels[labels >= 0]
    if options.image_count is not None:
        chosen = some_of(len(files), options.image_count, name_of(path))
        files.take(chosen)
        labels = None if labels is None else labels[chosen]
    reader = PictureReader.of(files, options)
    labels = None if labels is None else labels[reader.places[:, 0]]
    survey = Survey(reader, check_shape)
    images = survey.images(visit)
    if survey.damaged:
        labels = None if labels is None else labels[survey.whole_numbers()]
    left_out = [files.left_out.text(), ways_to_convert(files.left_out)]
    report = ReadingReport(
        "; ".join(filter(None, left_out)),
        survey.changes(),
        classes.doubt,
        classes.other_level,
        classes.without_pictures,
    )
    return ImageSet(name_of(path), images, labels, classes.names, report)


@dataclass(frozen=True)
class Reading:
    """The result of reading one file: its image, and the options it needed; or why there is none."""

    image: np.ndarray | None
    needs: tuple[Parameter, ...] = ()
    error: str | Explained = ""


@dataclass(frozen=True)
class PictureReader:
    """Picture files as images.

    places: int64 (n, 3), for each image the number of its file, of its frame, and of its crop, where 0 is the center.
    """

    files: PictureFolder | PictureZip
    options: ReadingOptions
    places: np.ndarray

    @classmethod
    def of(cls, files: PictureFolder | PictureZip, options: ReadingOptions) -> "PictureReader":
        counts = np.ones(len(files), np.int64)
        if options.frames == "all":
            ranges = list(block_ranges(len(files), 64, 64, 3, itemsize=1))
            counts = np.concatenate(list(in_order(lambda numbers: _frame_counts(files, numbers), ranges)))
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        frames = np.stack([np.repeat(np.arange(len(files)), counts), np.arange(counts.sum()) - starts], axis=1)
        crops = np.tile(np.arange(options.crops), len(frames))
        return cls(files, options, np.column_stack([np.repeat(frames, options.crops, axis=0), crops]))

    def __len__(self) -> int:
        return len(self.places)

    def take(self, chosen: np.ndarray) -> "PictureReader":
        return PictureReader(self.files, self.options, self.places[chosen])

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[str, Reading]]:
        """The names of these images, and the result of reading each; crops of one picture in a row decode it once."""
        places = self.places[np.asarray(numbers)]
        decoded, decoded_place = Reading(None), None
        with contextlib.closing(self.files.opened(places[:, 0])) as opened:
            for (name, open_file), (file, frame, crop) in zip(opened, places.tolist(), strict=True):
                if (file, frame) != decoded_place:
                    decoded = self._decoded(open_file, f"{self.files.path}/{name}", frame)
                    decoded_place = (file, frame)
                yield name, self._in_form(decoded, name, crop)

    def decode_into(self, numbers: np.ndarray, out: np.ndarray) -> None:
        """Raises ImagesChanged for a file that has changed since the first reading."""
        for target, (name, reading) in zip(out, self.read(numbers), strict=True):
            image = reading.image
            if reading.error or reading.needs or image is None or not _can_become(image, target):
                raise ImagesChanged(
                    f"expected the files of {self.files.path} as they were, got {name} of another size or kind; "
                    f"restore the files and resume, or start again{reading.error and f' ({reading.error})'}"
                )
            target[...] = _widened(image, target.shape[2], target.dtype)

    def _decoded(self, open_file: Callable, name: str, frame: int) -> Reading:
        """One file or frame of it, as it is."""
        options = self.options
        try:
            with open_file() as file:
                data = file.read()
        except UnreadableFile as error:  # a zip member that is encrypted, damaged, or compressed in an unknown way
            return Reading(None, error=str(error))
        except OSError as error:
            return Reading(None, error=f"{name}: expected a file that can be read, got {reason_of(error)}")
        chosen = {
            "alpha": options.alpha,
            "cmyk": options.cmyk,
            "frame": None if options.frames is None else frame,
            "value_range": options.value_range,
        }
        needs: list[Parameter] = []
        while True:
            try:
                image = load_image(io.BytesIO(data), name=name, max_pixels=options.max_pixels or MAX_PIXELS, **chosen)
                break
            except ImageFileError as error:
                need = _needed_choice(error)
                if need is None or chosen[need.name] is not None:
                    return Reading(None, error=error)
                chosen[need.name] = need.value
                needs.append(Parameter("frames", "first") if need.name == "frame" else need)
        return Reading(image, tuple(needs))

    def _in_form(self, decoded: Reading, name: str, crop: int) -> Reading:
        """Brings a picture to its size immediately, so that large photographs do not fill the memory."""
        if decoded.image is None:
            return decoded
        size = self.options.image_size
        part = decoded.image if size is None or crop == 0 else random_crop(decoded.image, size, name, crop)
        return Reading(in_form(part, self.options), decoded.needs)


@dataclass
class Survey:
    """The result of reading all images once: what they are, and what prevents training on them."""

    reader: PictureReader
    check_shape: CheckShape | None
    kinds: Counter = field(default_factory=Counter)
    of_kind: Account = field(default_factory=Account)  # the names of each kind
    needs: Account = field(default_factory=Account)
    ranges: list[tuple[float, float]] = field(default_factory=list)  # likely ranges of float files
    damaged: list[tuple[int, str, str | Explained]] = field(default_factory=list)  # number, name, why

    def images(self, visit: Visit | None) -> np.ndarray | ImagesOnDemand:
        """Raises ImagesNotAlike, or ValueError if no option makes them alike."""
        reader = self.reader
        shape, itemsize, in_memory = self._size_of_first()
        digest = new_digest(np.dtype(f"u{itemsize}"), (len(reader), *shape))
        form: tuple[int, np.dtype] | None = None  # channels and type of the first images
        kept: list[np.ndarray] = []
        ranges = list(block_ranges(len(reader), *shape, itemsize=itemsize))
        with progress_bar(f"reading {reader.files.path.name}", len(reader), "images") as bar:
            for numbers, readings in zip(ranges, in_order(lambda part: list(reader.read(part)), ranges), strict=True):
                images = self._note(numbers, readings)
                bar.advance(len(numbers))
                if self._obstacles():
                    kept.clear()  # the rest is read only to report all problems together
                elif in_memory:
                    kept += images
                elif images and _widest(self.kinds) == (form := form or _widest(self.kinds)):
                    block = np.stack([_widened(image, *form) for image in images])
                    digest.update(block)
                    if visit is not None:
                        visit(block)
        self._refuse_obstacles()
        height, width = next(iter(self.kinds))[:2]
        widest = _widest(self.kinds)
        if in_memory:
            stacked = np.stack([_widened(image, *widest) for image in kept])
            if visit is not None:
                visit(stacked)
            return stacked
        whole = reader.take(self.whole_numbers())
        # The number of images differs if damaged ones were left out, and the form if wider images came later.
        is_other = self.damaged or widest != (shape[2], np.dtype(f"u{itemsize}"))
        fingerprint = None if is_other else digest.hexdigest()
        on_demand = ImagesOnDemand(whole.decode_into, len(whole), (height, width, widest[0]), widest[1], fingerprint)
        if widest != form and visit is not None:
            visit.forget()
            for block in on_demand.blocks():
                visit(block)
        return on_demand

    def _size_of_first(self) -> tuple[tuple[int, int, int], int, bool]:
        """Shape and bytes per value of the first image, and whether all images fit into memory if they are like it."""
        ((_, first),) = self.reader.read([0])
        shape = (64, 64, 3) if first.image is None else first.image.shape
        itemsize = 1 if first.image is None else first.image.itemsize
        size = len(self.reader) * int(np.prod(shape)) * itemsize
        return shape, itemsize, size <= self.reader.options.in_memory_bytes

    def whole_numbers(self) -> np.ndarray:
        """The numbers of the images that could be read."""
        return np.setdiff1d(np.arange(len(self.reader)), [number for number, *_ in self.damaged])

    def changes(self) -> tuple[str, ...]:
        """What was done to make the images alike, and which were left out."""
        gray = [kind for kind in self.kinds if kind[2] == 1]
        crops = self.reader.options.crops
        changes = [f"cut {crops} images out of each picture"] if crops > 1 else []
        if gray and len({kind[2] for kind in self.kinds}) > 1:
            changes.append(self._changed(gray, "gray image", "became RGB"))
        shallow = [kind for kind in self.kinds if kind[3] == "uint8"]
        if shallow and len({kind[3] for kind in self.kinds}) > 1:
            changes.append(self._changed(shallow, "image", "of 8 bits became 16 bits (v · 257)"))
        if self.reader.options.alpha == "keep":
            changes.append("fully transparent pixels became black below their transparency")
        if self.damaged:
            changes.append(f"left out {_plain(self._damaged_words())}")
        return tuple(changes)

    def _changed(self, kinds: list[ImageKind], thing: str, what: str) -> str:
        names = ", ".join(self.of_kind.names(_kind_words(kind)) for kind in kinds[:2])
        return f"{counted(sum(self.kinds[kind] for kind in kinds), thing)} {what} ({names})"

    def _note(self, numbers: range, readings: list[tuple[str, Reading]]) -> list[np.ndarray]:
        is_first = self.reader.places[numbers, 2] == 0  # of the crops of a picture, which is counted once
        for number, (name, reading), first in zip(numbers, readings, is_first, strict=True):
            for need in reading.needs if first else ():
                self.needs.add(need.name, name)
                if need.name == "value_range":
                    self.ranges.append(need.value)
            if reading.image is None:
                self.damaged.append((number, name, reading.error))
            elif first:
                self.kinds[_kind(reading.image)] += 1
                self.of_kind.add(_kind_words(_kind(reading.image)), name)
        return [reading.image for _, reading in readings if reading.image is not None]

    def _obstacles(self) -> bool:
        skipped = self.reader.options.skip_damaged
        return bool(len(self.needs) or (self.damaged and not skipped) or len({kind[:2] for kind in self.kinds}) > 1)

    def _refuse_obstacles(self) -> None:
        path, usable = self.reader.files.path, sum(self.kinds.values()) * self.reader.options.crops
        if not usable:
            raise LongInputError(
                (f"expected pictures that can be read in {path}, got ", *self._damaged_words()), "check them"
            )
        choices: dict[str, object] = {}
        problems: list[str | tuple] = []
        for need, (described, choice) in CHOICES.items():
            if self.needs.counts[need]:
                choices[need] = choice or (min(low for low, _ in self.ranges), max(high for _, high in self.ranges))
                problems.append(f"{self.needs.counts[need]:,} {described} ({self.needs.names(need)})")
        sizes = {kind[:2] for kind in self.kinds}
        if len(sizes) > 1:
            choices["image_size"] = self._proposed_size()
            problems.append(self._kinds_text())
        elif self.check_shape is not None:
            ((height, width),) = sizes
            try:
                self.check_shape((height, width, max(kind[2] for kind in self.kinds)))
            except ValueError as error:
                if not (choices or (self.damaged and not self.reader.options.skip_damaged)):
                    raise
                choices["image_size"] = self._proposed_size()
                problems.append("".join(map(str, error.problem)) if isinstance(error, Explained) else str(error))
        if self.damaged and not self.reader.options.skip_damaged:
            choices["skip_damaged"] = True
            problems.insert(0, self._damaged_words())
        if choices:
            keep = words("; {alpha=keep} would keep the transparency") if "alpha" in choices else ()
            parts = [part for one in problems for part in ("; ", *(one if isinstance(one, tuple) else (one,)))]
            problem = (f"expected pictures of one kind in {path}, got ", *parts[1:], *keep)
            raise ImagesNotAlike(problem, choices, usable)

    def _proposed_size(self) -> tuple[int, int]:
        """A common size that most pictures have or exceed, or the supported size nearest to their only size."""
        sizes = Counter()
        for (height, width, *_), count in self.kinds.items():
            sizes[height, width] += count
        height, width = sizes.most_common(1)[0][0]
        sides = np.repeat([min(size) for size in sizes], list(sizes.values()))
        proposed = [(side, side) for side in USUAL_SIDES if side <= np.median(sides)] + [(16, 16)]
        if len(sizes) == 1:
            proposed.insert(0, (height // 4 * 4, width // 4 * 4))
        return next((size for size in proposed if self._fits(size)), proposed[0])

    def _fits(self, size: tuple[int, int]) -> bool:
        try:
            if self.check_shape is not None:
                self.check_shape((*size, 3))
        except ValueError:
            return False
        return True

    def _kinds_text(self) -> str:
        shown = ", ".join(f"{_kind_words(kind)} ({count:,})" for kind, count in self.kinds.most_common(5))
        return f"{shown} and {len(self.kinds) - 5} more" if len(self.kinds) > 5 else shown

    def _damaged_words(self) -> tuple[str | Explained, ...]:
        names = list(dict.fromkeys(name for _, name, _ in self.damaged))
        shown, more = ", ".join(names[:20]), ", …" if len(names) > 20 else ""
        return f"{len(names):,} that cannot be read ({shown}{more}), such as ", self.damaged[0][2]


def _plain(parts: tuple[str | Explained, ...]) -> str:
    """The text, with only the problem of each error in it, since the fixes have been applied."""
    return "".join("".join(map(str, part.problem)) if isinstance(part, Explained) else part for part in parts)


def _classes_of(files: PictureFolder | PictureZip, options: ReadingOptions) -> FolderClasses:
    if options.labels is None:
        return classes_by_folder(files.names(), files.folders, options.class_level)
    labels, names = labels_of_names(options.labels, list(files.names()))
    return FolderClasses(labels, names)


def _frame_counts(files: PictureFolder | PictureZip, numbers: range) -> np.ndarray:
    counts = []
    for _, open_file in files.opened(numbers):
        try:
            with open_file() as file:
                counts.append(frame_count(file))
        except Exception:  # reading the file reports what is wrong with it
            counts.append(1)
    return np.array(counts, np.int64)


def _needed_choice(error: ImageFileError) -> Parameter | None:
    """The option that would help: a keyword of `load_image` with the first value that the error names."""
    named = [part for way in error.ways_out for part in way if isinstance(part, Parameter)]
    return next((one for one in named if one.name in ("alpha", "cmyk", "frame", "value_range")), None)


def _name_at(files: PictureFolder | PictureZip, number: int) -> str:
    ((name, _),) = files.opened([number])
    return name


def _kind(image: np.ndarray) -> ImageKind:
    return (*image.shape, image.dtype.name)


def _kind_words(kind: ImageKind) -> str:
    height, width, channels, dtype = kind
    return f"{height}x{width} {CHANNEL_NAMES[channels]} {dtype}"


def _widest(kinds: Iterable[ImageKind]) -> tuple[int, np.dtype]:
    """The channels and the dtype that can hold images of all these kinds."""
    kinds = list(kinds)
    return max(kind[2] for kind in kinds), max((np.dtype(kind[3]) for kind in kinds), key=lambda one: one.itemsize)


def _can_become(image: np.ndarray, target: np.ndarray) -> bool:
    """Whether `_widened` turns an image into the target's form."""
    return _kind(image)[:2] == _kind(target)[:2] and _widest([_kind(image), _kind(target)]) == _widest([_kind(target)])


def _widened(image: np.ndarray, channels: int, dtype: np.dtype) -> np.ndarray:
    """uint8 or uint16 (h, w, c), as RGB or 16 bits if others are; 255 · 257 = 65535, so white stays white."""
    image = with_channels(image, channels)
    return image if image.dtype == dtype else image.astype(dtype) * dtype.type(257)
