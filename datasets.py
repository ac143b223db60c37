"""A name or a path -> images and labels as arrays, and the order in which training goes through them."""

import contextlib
import hashlib
import io
import os
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from glyphs import draw_glyphs
from imaging import IMAGE_SUFFIXES, fit_image, load_image
from pixels.checks import validate_images
from progress import track

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
DATASET_NAMES = ("glyphs", *KERAS_DATASETS)
GLYPH_COUNT = 20_000
GLYPH_SIZE = (32, 32)
GLYPH_SEED = 0  # the data set is the same for every run; what a run does with it follows from the run's seed
# One array file holds many images here, and an animation is no photograph.
PICTURE_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".npy", ".gif"))


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, in memory or memory-mapped.

    name: what it was loaded from, in a word that can stand in a folder name.
    images: uint8 or uint16 (n, height, width, channels), channels 1 or 3.
    labels: int64 (n,), indices into class_names, or None.
    class_names: one name a class, empty without labels.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.images.shape[1:]

    def fingerprint(self) -> str:
        """SHA-256 of the pixels, their shape and type: the same exactly when the images are the same."""
        digest = hashlib.sha256(f"{self.images.dtype.name} {self.images.shape}".encode())
        for start in range(0, len(self.images), 1024):
            digest.update(np.ascontiguousarray(self.images[start : start + 1024]))
        return digest.hexdigest()

    def subset(self, count: int) -> "ImageSet":
        """`count` of the images, the same random ones each time, in order. Raises ValueError if fewer."""
        if not 1 <= count <= len(self.images):
            raise ValueError(
                f"expected a number of images from 1 to the {len(self.images)} of {self.name}, got {count}"
            )
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.images))[:count])
        labels = None if self.labels is None else self.labels[chosen]
        return ImageSet(self.name, self.images[chosen], labels, self.class_names)


def load_images(
    data: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
    image_count: int | None = None,
    channels: int | None = None,
    alpha: str | None = None,
    cmyk: str | None = None,
    check_shape: Callable[[tuple[int, int, int]], object] | None = None,
) -> ImageSet:
    """Loads a data set by name or path.

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

    Returns:
        An ImageSet of uint8 or uint16 images.

    Raises:
        ValueError: for a name or path that is not there, a folder without images, a file that cannot be read (it is
            named), sizes or channels that differ, and a data set that cannot be downloaded.
        TypeError: for arrays that are not uint8 or uint16.
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
        loaded = _load_path(Path(data), FileReader(image_size, channels, alpha, cmyk, check_shape))
    if image_count is not None:
        loaded = loaded.subset(image_count)
    images = _with_size(_with_channels(loaded.images, channels), image_size)
    return ImageSet(loaded.name, images, loaded.labels, loaded.class_names)


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a permutation of 0 … count − 1 that follows from (seed, epoch) alone."""
    return np.random.default_rng([seed, epoch]).permutation(count)


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
    check_shape: Callable[[tuple[int, int, int]], object] | None

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


def _load_path(path: Path, reader: FileReader) -> ImageSet:
    if not path.exists():
        raise ValueError(
            f"expected --data to be one of {', '.join(DATASET_NAMES)} or an existing path, got {str(path)!r}; "
            "check the spelling"
        )
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        return _load_files(path, files, lambda file: open(file, "rb"), reader)
    match path.suffix.lower():
        case ".zip":
            return _load_zip(path, reader)
        case ".npy" | ".npz":
            return _load_arrays(path)
    raise ValueError(f"expected a folder of images, a .zip of one, an .npy or an .npz, got {str(path)!r}; use a folder")


def _load_zip(path: Path, reader: FileReader) -> ImageSet:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: expected a zip archive, got a file that is none ({error}); copy it again") from error
    with archive:
        members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        return _load_files(path, members, archive.open, reader)


def _load_files(path: Path, files: dict[str, object], open_file: Callable, reader: FileReader) -> ImageSet:
    """Reads picture files in the order of their names; `files` maps a relative name to what `open_file` opens."""
    names = sorted(name for name in files if _is_picture(name))
    if not names:
        raise ValueError(
            f"expected image files ({' '.join(PICTURE_SUFFIXES)}) in {path}, got none among {len(files)} files; "
            "check the path"
        )

    def read(name: str) -> np.ndarray:
        return reader.read(partial(open_file, files[name]), f"{path}/{name}")

    first = read(names[0])
    if reader.check_shape is not None:
        reader.check_shape(first.shape)
    try:
        images = np.empty((len(names), *first.shape), first.dtype)
    except MemoryError:
        height, width = first.shape[:2]
        raise ValueError(
            f"expected images that fit into memory, got {len(names)} of {height}x{width}; pass a smaller --image-size"
        ) from None
    kinds: Counter = Counter()
    with ThreadPoolExecutor() as threads:
        pictures = _in_order(threads, read, names)
        for index, image in enumerate(track(pictures, f"reading {path.name}", len(names), "images")):
            kinds[(*image.shape, image.dtype.name)] += 1
            if image.shape == first.shape and image.dtype == first.dtype:
                images[index] = image
    if len(kinds) > 1:
        raise ValueError(_mixed_error(path, kinds))
    labels, class_names = _classes_from(names)
    return ImageSet(_folder_name(path), images, labels, class_names)


def _in_order(threads: ThreadPoolExecutor, function: Callable, items: list) -> Iterator:
    """Like threads.map, but only a few hundred results wait at a time, so that memory does not grow with the items."""
    chunk = 256
    waiting = [threads.submit(function, item) for item in items[:chunk]]
    for start in range(0, len(items), chunk):
        following = [threads.submit(function, item) for item in items[start + chunk : start + 2 * chunk]]
        for future in waiting:
            yield future.result()
        waiting = following


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES


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


def _classes_from(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels from the first folder in which the names differ; None unless every image lies in such a folder."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = _shared_length(folders)
    if any(len(folder) <= shared for folder in folders):
        return None, ()
    classes = [folder[shared] for folder in folders]
    class_names = tuple(sorted(set(classes)))
    indices = {name: index for index, name in enumerate(class_names)}
    return np.array([indices[name] for name in classes], np.int64), class_names


def _shared_length(folders: list[tuple[str, ...]]) -> int:
    """How many folders, from the outermost on, all names have in common."""
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))


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


def _load_arrays(path: Path) -> ImageSet:
    arrays = load_arrays(path)
    if isinstance(arrays, np.ndarray):
        return ImageSet(_folder_name(path), _checked_array(path, arrays))
    for image_key, label_key in (("images", "labels"), ("x_train", "y_train")):
        if image_key in arrays:
            images, labels = arrays[image_key], arrays.get(label_key)
            break
    else:
        if len(arrays) != 1:
            raise ValueError(
                f"{path}: expected the arrays images and labels, or x_train and y_train, or one array, "
                f"got {', '.join(arrays) or 'none'}; save it again with np.savez(path, images=…)"
            )
        (images,), labels = arrays.values(), None
    images = _checked_array(path, images)
    if labels is None:
        return ImageSet(_folder_name(path), images)
    classes, labels = np.unique(_checked_labels(path, labels, len(images)), return_inverse=True)
    return ImageSet(_folder_name(path), images, labels.astype(np.int64), tuple(str(label) for label in classes))


def _checked_array(path: Path, images: np.ndarray) -> np.ndarray:
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
