"""Picture files in a folder or a zip -> one image set; decoded once, so that a damaged file is found now."""

import contextlib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from image_datasets.channels_and_sizes import with_channels
from image_datasets.image_set import ImageSet, name_of, new_digest, some_of
from image_datasets.on_demand import ImagesOnDemand, block_ranges, in_order
from image_datasets.options import ReadingOptions
from image_datasets.picture_files import PICTURE_SUFFIXES, PictureFolder, PictureZip
from imaging import fit_image, load_image
from progress import progress_bar

Visit = Callable[[np.ndarray], object]
CheckShape = Callable[[tuple[int, int, int]], object]


def load_pictures(
    path: Path, options: ReadingOptions, check_shape: CheckShape | None = None, visit: Visit | None = None
) -> ImageSet:
    """The picture files of a folder or a zip, in the order of their names; kept in memory if they are few enough.

    See `load_images` for the arguments and errors.
    """
    files = PictureFolder(path) if path.is_dir() else PictureZip(path)
    if len(files) == 0:
        raise ValueError(
            f"expected image files ({' '.join(PICTURE_SUFFIXES)}) in {path}, got none among {files.file_count} files; "
            "check the path"
        )
    labels, class_names = _classes_of(files)
    if options.image_count is not None:
        chosen = some_of(len(files), options.image_count, name_of(path))
        files.take(chosen)
        labels = None if labels is None else labels[chosen]
    checked = CheckedFiles(files, options)
    (first,) = checked.decode([0])
    if check_shape is not None:
        check_shape(first.shape)
    if len(files) * first.nbytes <= options.in_memory_bytes:
        images = _images_in_memory(checked, first)
        if visit is not None:
            visit(images)
    else:
        images = _images_on_demand(checked, first, visit)
    return ImageSet(name_of(path), images, labels, class_names)


@dataclass(frozen=True)
class CheckedFiles:
    """Picture files of one kind."""

    files: PictureFolder | PictureZip
    options: ReadingOptions

    def decode(self, numbers: Iterable[int]) -> Iterator[np.ndarray]:
        """The images of these files, uint8 or uint16 (h, w, c)."""
        with contextlib.closing(self.files.opened(numbers)) as opened:
            for name, open_file in opened:
                yield self._read(open_file, f"{self.files.path}/{name}")

    def decode_block(self, numbers: range) -> tuple[Counter, np.ndarray | None]:
        """How many images there are of each (height, width, channels, dtype); and the images, if all are alike."""
        images = list(self.decode(numbers))
        kinds = Counter(map(_kind, images))
        return kinds, np.stack(images) if len(kinds) == 1 else None

    def decode_into(self, numbers: np.ndarray, out: np.ndarray) -> None:
        """Raises ValueError for a file that has changed since the first reading."""
        for target, image in zip(out, self.decode(numbers), strict=True):
            if _kind(image) != _kind(target):
                raise ValueError(
                    f"expected the files of {self.files.path} as they were, got an image of another size or kind; "
                    "put the files back and go on, or begin anew"
                )
            target[...] = image

    def decode_all(self, first: np.ndarray) -> Iterator[tuple[range, np.ndarray]]:
        """All images, some at a time with their numbers. Raises ValueError at the end unless all are as the first."""
        kinds = Counter()
        ranges = list(block_ranges(len(self.files), *first.shape, itemsize=first.itemsize))
        with progress_bar(f"reading {self.files.path.name}", len(self.files), "images") as bar:
            for numbers, (counts, block) in zip(ranges, in_order(self.decode_block, ranges), strict=True):
                kinds += counts
                bar.advance(len(numbers))
                if kinds.keys() == {_kind(first)}:  # otherwise it goes on to count them
                    yield numbers, block
        if len(kinds) > 1:
            raise ValueError(_mixed_error(self.files.path, kinds))

    def _read(self, open_file: Callable, name: str) -> np.ndarray:
        """Reads one file, at once in the wanted size, so that large photographs do not fill the memory."""
        options = self.options
        try:
            with open_file() as file:
                image = load_image(file, alpha=options.alpha, cmyk=options.cmyk, name=name)
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile, OSError) as error:
            # A zip member that is encrypted, compressed in an unknown way or damaged; a file without permission.
            raise ValueError(
                f"{name}: expected a readable file, got {' '.join(str(error).split())}; leave it out"
            ) from error
        image = with_channels(image, options.channels)
        return image if options.image_size is None else fit_image(image, options.image_size)


def _images_in_memory(checked: CheckedFiles, first: np.ndarray) -> np.ndarray:
    images = np.empty((len(checked.files), *first.shape), first.dtype)
    for numbers, block in checked.decode_all(first):
        images[numbers.start : numbers.stop] = block
    return images


def _images_on_demand(checked: CheckedFiles, first: np.ndarray, visit: Visit | None) -> ImagesOnDemand:
    count = len(checked.files)
    digest = new_digest(first.dtype, (count, *first.shape))
    for _, block in checked.decode_all(first):
        digest.update(block)
        if visit is not None:
            visit(block)
    return ImagesOnDemand(checked.decode_into, count, first.shape, first.dtype, digest.hexdigest())


def _kind(image: np.ndarray) -> tuple[int, int, int, str]:
    return (*image.shape, image.dtype.name)


def _mixed_error(path: Path, kinds: Counter) -> str:
    most_common = kinds.most_common(5)
    found = ", ".join(
        f"{height}x{width} {'gray' if channels == 1 else 'RGB'} {dtype} ({count})"
        for (height, width, channels, dtype), count in most_common
    )
    more = f" and {len(kinds) - 5} more" if len(kinds) > 5 else ""
    ways = []
    if len({kind[:2] for kind in kinds}) > 1:
        ways.append("--image-size with the size to make them, such as 64")
    if len({kind[2] for kind in kinds}) > 1:
        ways.append("--channels 1 or --channels 3")
    if len({kind[3] for kind in kinds}) > 1:
        ways.append("images of one bit depth")
    return f"expected images of one size and kind in {path}, got {found}{more}; pass {' and '.join(ways)}"


def _classes_of(files: PictureFolder | PictureZip) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels from the first folder in which the names differ; None unless every image lies in such a folder."""
    found: dict[str, int] = {}
    numbers = np.fromiter(
        (found.setdefault(name.rpartition("/")[0], len(found)) for name in files.names()), np.int64, len(files)
    )
    folders = [PurePosixPath(folder).parts for folder in found]
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
    if any(len(folder) <= shared for folder in folders):
        return None, ()
    class_names = tuple(sorted({folder[shared] for folder in folders}))
    indices = {name: index for index, name in enumerate(class_names)}
    classes = np.array([indices[folder[shared]] for folder in folders], np.int64)
    return classes[numbers], class_names
