"""A name or a path -> images and labels as arrays, and the order in which training goes through them.

What does not fit into memory stays where it is: `.npy` files are memory-mapped, and files are decoded when they are
asked for.
"""

import contextlib
import hashlib
import io
import math
import os
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from glyphs import draw_glyphs
from imaging import fit_image, load_image
from pixels.checks import validate_images
from pixels.on_demand import ImagesOnDemand, block_ranges, in_order
from pixels.picture_files import PICTURE_SUFFIXES, PictureFolder, PictureZip
from progress import progress_bar, track

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
DATASET_NAMES = ("glyphs", *KERAS_DATASETS)
GLYPH_COUNT = 20_000
GLYPH_SIZE = (32, 32)
GLYPH_SEED = 0  # the data set is the same for every run; what a run does with it follows from the run's seed
ARRAY_SUFFIXES = (".npy", ".npz")
IN_MEMORY_BYTES = 2**30  # of decoded images; more are decoded again each time they are used


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, in memory, memory-mapped, or decoded from their files on demand.

    Attributes:
        name: what it was loaded from, in a word that can stand in a folder name.
        images: uint8 or uint16 (n, height, width, channels), channels 1 or 3. Indexed along the first axis, either
            kind gives an array.
        labels: int64 (n,), indices into class_names, or None.
        class_names: one name a class, empty without labels.
    """

    name: str
    images: np.ndarray | ImagesOnDemand
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.images.shape[1:]

    def blocks(self) -> Iterator[np.ndarray]:
        """All images in their order, as arrays to go through one after the other, such as `PixelScaler.fit_batches`.

        Images in memory and memory-mapped ones are one array; others come as small ones, decoded ahead.
        """
        return self.images.blocks() if isinstance(self.images, ImagesOnDemand) else iter((self.images,))

    def fingerprint(self) -> str:
        """SHA-256 of the pixels, their shape and type: the same exactly when the images are the same."""
        if isinstance(self.images, ImagesOnDemand) and self.images.fingerprint is not None:
            return self.images.fingerprint
        digest = _new_digest(self.images.dtype, self.images.shape)
        for block in self.blocks():
            for start in range(0, len(block), 1024):
                digest.update(np.ascontiguousarray(block[start : start + 1024]))
        return digest.hexdigest()

    def subset(self, count: int) -> "ImageSet":
        """`count` of the images, the same random ones each time, in order. Raises ValueError if fewer."""
        chosen = _some_of(len(self.images), count, self.name)
        on_demand = isinstance(self.images, ImagesOnDemand)
        images = self.images.take(chosen) if on_demand else self.images[chosen]
        labels = None if self.labels is None else self.labels[chosen]
        return ImageSet(self.name, images, labels, self.class_names)


def load_images(
    data: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
    image_count: int | None = None,
    channels: int | None = None,
    alpha: str | None = None,
    cmyk: str | None = None,
    check_shape: Callable[[tuple[int, int, int]], object] | None = None,
    see: Callable[[np.ndarray], object] | None = None,
    in_memory: int = IN_MEMORY_BYTES,
) -> ImageSet:
    """Loads a data set by name or path. Every image is decoded once, so that a damaged file is found now.

    Args:
        data: "glyphs" (drawn here, no download), "mnist", "fashion_mnist", "cifar10" or "cifar100" (training images,
            downloaded once by Keras); or the path of a folder of image files at any depth, of a .zip of such a
            folder, of an .npy of shape (n, h, w) or (n, h, w, c), or of an .npz with the arrays images and labels, or
            x_train and y_train, or one array alone. Sub-folders that hold all images are classes.
        image_size: (height, width). Images of another size are cut to the aspect around the centre and resized.
            Without it all images must have one size.
        image_count: how many glyphs to draw (20,000 without it), or how many of the images to take.
        channels: 1 turns colour into grey (ITU-R 601 luma), 3 repeats grey; without it the images must agree.
        check_shape: called with the shape of the first image file, to refuse a size before all files are read.
        alpha, cmyk: what to do with transparency ("drop", "white", "black") and with CMYK ("convert") in image files.
        see: called with all images in their order, as one array or several, such as `PixelScaler.partial_fit`. Files
            that do not fit into memory need not be decoded once more for it.
        in_memory: bytes of decoded images. Files that hold more are decoded again each time they are used.

    Returns:
        An ImageSet of uint8 or uint16 images.

    Raises:
        ValueError: for a name or path that is not there, a folder without images, a file that cannot be read (it is
            named), sizes or channels that differ, and a data set that cannot be downloaded.
        TypeError: for arrays that are not uint8 or uint16.

    >>> digits = load_images("glyphs", image_size=(28, 28), image_count=10, channels=1)
    >>> digits.images.shape, digits.labels.shape, digits.class_names[:3]
    ((10, 28, 28, 1), (10,), ('0', '1', '2'))
    """
    name = os.fspath(data)
    if channels not in (None, 1, 3):
        raise ValueError(f"expected channels 1 or 3, got {channels}")
    if image_count is not None and image_count < 1:
        raise ValueError(f"expected an image_count of at least 1, got {image_count}")
    if name == "glyphs":
        images, labels = draw_glyphs(image_count or GLYPH_COUNT, image_size or GLYPH_SIZE, GLYPH_SEED)
        loaded, image_count = ImageSet(name, images, labels, tuple("0123456789")), None
    elif name in KERAS_DATASETS:
        loaded = _load_keras_dataset(name)
    else:
        path = _checked_path(Path(data))
        if path.suffix.lower() not in ARRAY_SUFFIXES or path.is_dir():
            reader = FileReader(image_size, channels, alpha, cmyk)
            return _load_files(path, reader, image_count, check_shape, see, in_memory)
        loaded = _load_arrays(path)
    loaded = _of_kind(loaded, image_count, channels, image_size, in_memory)
    if see is not None:
        for block in loaded.blocks():
            see(block)
    return loaded


def epoch_order(count: int, seed: int, epoch: int, draw: int = 0) -> np.ndarray:
    """The order of one epoch: a permutation of 0 … count − 1, int64, that follows from (seed, epoch, draw) alone.

    draw: 0, or the number of another order of the same epoch, independent of the first.

    >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng([seed, epoch, draw]).permutation(count)  # a 0 at the end is as if it were not there


def _some_of(total: int, count: int, name: str) -> np.ndarray:
    if not 1 <= count <= total:
        raise ValueError(f"expected a number of images from 1 to the {total} of {name}, got {count}")
    return np.sort(np.random.default_rng(0).permutation(total)[:count])


def _new_digest(dtype: np.dtype, shape: tuple[int, ...]):
    return hashlib.sha256(f"{dtype.name} {shape}".encode())


# Names


def _load_keras_dataset(name: str) -> ImageSet:
    import keras  # TensorFlow comes with it; only these names need it

    try:
        # Keras prints how the download goes; standard output is for results, and nobody watches but on a terminal.
        with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            (images, labels), _ = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception when the download fails
        reason = " ".join(str(error).split())
        raise ValueError(
            f"expected to download {name} or to find it in Keras's cache, got: {reason}; connect to the network once, "
            "or pass --data PATH to a folder, .zip, .npy or .npz of your own"
        ) from error
    images = images if images.ndim == 4 else images[..., np.newaxis]
    return ImageSet(name, images, labels.reshape(-1).astype(np.int64), _keras_class_names(name, int(labels.max()) + 1))


def _keras_class_names(name: str, count: int) -> tuple[str, ...]:
    names = {
        "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
        "fashion_mnist": "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot",
    }
    return tuple(names[name].split()) if name in names else tuple(str(label) for label in range(count))


# Paths


@dataclass(frozen=True)
class FileReader:
    """How image files become images of one kind: the choices of `load_images`."""

    image_size: tuple[int, int] | None
    channels: int | None
    alpha: str | None
    cmyk: str | None

    def read(self, open_file: Callable, name: str) -> np.ndarray:
        """Reads one file, at once in the wanted size, so that large photographs do not fill the memory."""
        try:
            with open_file() as file:
                image = load_image(file, alpha=self.alpha, cmyk=self.cmyk, name=name)
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile, OSError) as error:
            # A zip member that is encrypted, compressed in an unknown way or damaged; a file without permission.
            raise ValueError(
                f"{name}: expected a readable file, got {' '.join(str(error).split())}; leave it out"
            ) from error
        image = _with_channels(image, self.channels)
        return image if self.image_size is None else fit_image(image, self.image_size)


def _checked_path(path: Path) -> Path:
    if not path.exists():
        raise ValueError(
            f"expected --data to be one of {', '.join(DATASET_NAMES)} or an existing path, got {str(path)!r}; "
            "check the spelling"
        )
    if not path.is_dir() and path.suffix.lower() not in (".zip", *ARRAY_SUFFIXES):
        raise ValueError(
            f"expected a folder of images, a .zip of one, an .npy or an .npz, got {str(path)!r}; use a folder"
        )
    return path


@dataclass(frozen=True)
class CheckedFiles:
    """Picture files of one kind."""

    files: PictureFolder | PictureZip
    reader: FileReader

    def decode(self, numbers: Iterable[int]) -> Iterator[np.ndarray]:
        """The images of these files, uint8 or uint16 (h, w, c)."""
        with contextlib.closing(self.files.opened(numbers)) as opened:
            for name, open_file in opened:
                yield self.reader.read(open_file, f"{self.files.path}/{name}")

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


def _load_files(
    path: Path,
    reader: FileReader,
    image_count: int | None,
    check_shape: Callable[[tuple[int, int, int]], object] | None,
    see: Callable[[np.ndarray], object] | None,
    in_memory: int,
) -> ImageSet:
    """Decodes picture files once, in the order of their names, and keeps the images if they are few enough."""
    files = PictureFolder(path) if path.is_dir() else PictureZip(path)
    if len(files) == 0:
        raise ValueError(
            f"expected image files ({' '.join(PICTURE_SUFFIXES)}) in {path}, got none among {files.file_count} files; "
            "check the path"
        )
    labels, class_names = _classes_of(files)
    if image_count is not None:
        chosen = _some_of(len(files), image_count, _folder_name(path))
        files.take(chosen)
        labels = None if labels is None else labels[chosen]
    checked = CheckedFiles(files, reader)
    (first,) = checked.decode([0])
    if check_shape is not None:
        check_shape(first.shape)
    shape = (len(files), *first.shape)
    images = np.empty(shape, first.dtype) if len(files) * first.nbytes <= in_memory else None
    kinds, digest = Counter(), _new_digest(first.dtype, shape)
    ranges = list(block_ranges(*shape, itemsize=first.itemsize))
    with progress_bar(f"reading {path.name}", len(files), "images") as bar:
        for numbers, (found, block) in zip(ranges, in_order(checked.decode_block, ranges), strict=True):
            kinds += found
            bar.advance(len(numbers))
            if kinds.keys() != {_kind(first)}:
                continue  # goes on to count them
            if images is not None:
                images[numbers.start : numbers.stop] = block
                continue
            digest.update(block)
            if see is not None:
                see(block)
    if len(kinds) > 1:
        raise ValueError(_mixed_error(path, kinds))
    if images is None:
        images = ImagesOnDemand(checked.decode_into, len(files), first.shape, first.dtype, digest.hexdigest())
    elif see is not None:
        see(images)
    return ImageSet(_folder_name(path), images, labels, class_names)


def _kind(image: np.ndarray) -> tuple[int, int, int, str]:
    return (*image.shape, image.dtype.name)


def _mixed_error(path: Path, kinds: Counter) -> str:
    most_common = kinds.most_common(5)
    found = ", ".join(
        f"{height}x{width} {'grey' if channels == 1 else 'RGB'} {dtype} ({count})"
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


# Arrays


def load_arrays(path: str | os.PathLike) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, memory-mapped, or the arrays of an .npz by their names; the content decides which.

    Raises ValueError, in one line, for what is missing, damaged, or holds Python objects, which are never loaded.
    """
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise ValueError(f"expected an .npy file, got {str(path)!r}, which is not there; check the name") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        if any(words in reason for words in ("allow_pickle", "Object arrays", "Python objects")):
            raise ValueError(
                f"{path}: expected numbers, got an object array, which can run code; np.stack the images"
            ) from error
        raise ValueError(
            f"{path}: expected a whole NumPy file, got one that cannot be read ({reason}); save it again"
        ) from error


def load_image_array(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images of an .npy or .npz file and their labels, if it has any, as they are there.

    Raises ValueError where it is not clear which of its arrays are the images, and as `load_arrays` does.
    """
    arrays = load_arrays(path)
    if isinstance(arrays, np.ndarray):
        return arrays, None
    for image_key, label_key in (("images", "labels"), ("x_train", "y_train")):
        if image_key in arrays:
            return arrays[image_key], arrays.get(label_key)
    if len(arrays) != 1:
        raise ValueError(
            f"{path}: expected the arrays images and labels, or x_train and y_train, or one array, "
            f"got {', '.join(arrays) or 'none'}; save it again with np.savez(path, images=…)"
        )
    return next(iter(arrays.values())), None


def _load_arrays(path: Path) -> ImageSet:
    images, labels = load_image_array(path)
    images = _checked_array(path, images)
    if labels is None:
        return ImageSet(_folder_name(path), images)
    classes, labels = np.unique(_checked_labels(path, labels, len(images)), return_inverse=True)
    return ImageSet(_folder_name(path), images, labels.astype(np.int64), tuple(str(label) for label in classes))


def _checked_array(path: Path, images: np.ndarray) -> np.ndarray:
    if images.dtype.kind == "f":  # there is no option for the range of floats
        way_out = "save levels: np.rint(255 * images).astype(np.uint8) where they lie in 0 … 1"
        raise TypeError(f"{path}: expected uint8 or uint16, got {images.dtype}; {way_out}")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    try:
        if images.ndim == 4 and 0 in images.shape:
            raise ValueError(f"expected images, got none: the shape is {images.shape}; save at least one")
        # A memory-mapped array in another byte order or layout is copied here; one in the usual layout stays on disk.
        return validate_images(images)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from None


def _checked_labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    labels = labels.reshape(-1)
    if labels.dtype.kind not in "iu" or len(labels) != count:
        raise ValueError(
            f"{path}: expected {count} labels, whole numbers, got {len(labels)} of {labels.dtype}; number the classes"
        )
    return labels


# Sizes and channels


def _of_kind(
    loaded: ImageSet,
    image_count: int | None,
    channels: int | None,
    image_size: tuple[int, int] | None,
    in_memory: int,
) -> ImageSet:
    """Some of the images, in the wanted channels and size; on demand when a memory-mapped array would give too many."""
    shape = (*(image_size or loaded.image_shape[:2]), channels or loaded.image_shape[2])
    changed = image_count is not None or shape != loaded.image_shape
    total = (image_count or len(loaded.images)) * math.prod(shape) * loaded.images.itemsize
    if changed and total > in_memory and _is_mapped(loaded.images):
        mapped = loaded.images

        def read(numbers: np.ndarray, out: np.ndarray) -> None:
            for target, number in zip(out, numbers, strict=True):
                image = _with_channels(mapped[number], channels)
                target[...] = image if image_size is None else fit_image(image, image_size)

        images = ImagesOnDemand(read, len(mapped), shape, mapped.dtype)
        loaded = ImageSet(loaded.name, images, loaded.labels, loaded.class_names)
        return loaded if image_count is None else loaded.subset(image_count)
    if image_count is not None:
        loaded = loaded.subset(image_count)
    images = _with_size(_with_channels(loaded.images, channels), image_size)
    return ImageSet(loaded.name, images, loaded.labels, loaded.class_names)


def _is_mapped(images: np.ndarray) -> bool:
    return isinstance(images, np.memmap) or isinstance(images.base, np.memmap)


def _with_size(images: np.ndarray, image_size: tuple[int, int] | None) -> np.ndarray:
    if image_size is None or images.shape[1:3] == tuple(image_size):
        return images
    resized = np.empty((len(images), *image_size, images.shape[3]), images.dtype)
    for index, image in enumerate(track(images, "resizing", len(images), "images")):
        resized[index] = fit_image(image, image_size)
    return resized


def _with_channels(images: np.ndarray, channels: int | None) -> np.ndarray:
    """Integer (…, c) -> the same type (…, channels)."""
    if channels is None or images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    grey = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return np.rint(grey).astype(images.dtype)[..., np.newaxis]


def _folder_name(path: Path) -> str:
    """The name of the data for run folders: letters, digits, '-' and '_' alone."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in path.resolve().stem) or "images"
