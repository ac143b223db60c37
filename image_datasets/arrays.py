"""The images and labels in NumPy files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from errors import LongInputError, LongInputTypeError
from files import ArrayArchive
from image_datasets.advice import choose_arrays, save_arrays, unflattened
from image_datasets.array_files import load_arrays
from image_datasets.image_set import ImageSet, ReadingReport, check_not_cut, name_of
from image_datasets.labels import as_labels, load_labels
from image_datasets.on_demand import ImagesOnDemand
from image_datasets.options import ChoicesNeeded, ReadingOptions
from imaging.floats import are_eight_bits, likely_range, on_levels
from pixels.checks import CHANNEL_COUNTS, INTEGER_TYPES, validate_images

_LABELS = ("labels", "label", "y", "targets", "target")
# Common names for images in an .npz, in upper or lower case, and those of their labels.
KEYS = {
    "images": _LABELS,
    "image": _LABELS,
    "x_train": ("y_train", "train_y", "labels_train"),
    "train_images": ("train_labels", "train_label", "train_y"),
    "train_x": ("train_y", "train_labels"),
    "train_data": ("train_labels", "train_targets", "train_target", "train_y"),
    "x": _LABELS,
    "data": _LABELS,
    "imgs": _LABELS,
    "arr_0": ("arr_1",),
}
CLASS_NAMES = ("class_names", "label_names", "target_names", "classes")
_PIECE = 1024
LONGEST_NAME, NAMES_SHOWN = 40, 8  # of arrays in a message


def load_image_array(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images of an .npy or .npz file and their labels, if it has any, unchanged.

    Raises ValueError if it is not clear which of its arrays are the images, and as `load_arrays` does.
    """
    arrays = load_arrays(path)
    if isinstance(arrays, np.ndarray):
        return arrays, None
    image_key, label_key = _keys_of(path, arrays)
    return arrays[image_key], None if label_key is None else arrays[label_key]


def load_array_set(path: Path, options: ReadingOptions) -> ImageSet:
    """The images of an .npy or .npz with their labels, from the same file or from `options.labels`."""
    arrays = load_arrays(path)
    if isinstance(arrays, np.ndarray):
        image_key, label_key, images, labels, names, others = None, None, arrays, None, None, ""
    else:
        image_key, label_key = _keys_of(path, arrays)
        images, labels = arrays[image_key], None if label_key is None else arrays[label_key]
        name_key = next((key for key in arrays if key.lower() in CLASS_NAMES), None)
        names = arrays[name_key] if name_key and labels is not None else None
        used = (image_key, label_key, name_key if names is not None else None)
        others = ", ".join(key for key in arrays if key not in used)
    keys = None if image_key is None else (image_key, label_key)
    images, changes = _checked_array(path, keys, images, options)
    report = ReadingReport(left_out=others and f"the arrays {others}", changes=changes)
    if options.labels is not None:
        return ImageSet(name_of(path), images, *load_labels(options.labels, len(images)), report)
    if labels is None:
        return ImageSet(name_of(path), images, report=report)
    return ImageSet(name_of(path), images, *as_labels(labels, len(images), str(path), names), report)


def _keys_of(path: Path, arrays: ArrayArchive) -> tuple[str, str | None]:
    by_name = {key.lower(): key for key in arrays}
    for image_name, label_names in KEYS.items():
        if image_name in by_name:
            label_name = next((name for name in label_names if name in by_name), None)
            return by_name[image_name], by_name.get(label_name)
    if len(arrays) == 1:
        return next(iter(arrays)), None
    shapes = arrays.headers()
    chosen = choose_arrays(shapes)
    held = _in_words(shapes)
    if chosen is None:
        way_out = "save it again with np.savez(path, images=…, labels=…)"
    else:
        labels = None if chosen[1] is None else f"f[{chosen[1]!r}]"
        way_out = save_arrays(path, f"np.load({str(path)!r})", f"f[{chosen[0]!r}]", labels)
    raise LongInputError(
        f"{path}: expected the arrays images and labels, or x_train and y_train, got {held}; {way_out}"
    )


def _in_words(shapes: dict[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    """The first names of an archive with their shapes; names are cut, since anybody can write them."""
    named = [f"{key[:LONGEST_NAME]} {shape}" for key, (shape, _) in shapes.items()]
    more = f" and {len(named) - NAMES_SHOWN} more" if len(named) > NAMES_SHOWN else ""
    return ", ".join(named[:NAMES_SHOWN]) + more or "none"


def _checked_array(
    path: Path, keys: tuple[str, str | None] | None, images: np.ndarray, options: ReadingOptions
) -> tuple[np.ndarray | ImagesOnDemand, tuple[str, ...]]:
    """uint8 or uint16 (n, h, w, c), and a description of what was changed.

    keys: those of the images and the labels in an .npz.
    """
    _check_shape(path, keys, images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype.kind == "f":
        return _levels_of(path, images, options)
    if options.value_range is not None:
        raise ValueError(f"{path}: expected floats with a value_range, got {images.dtype}; leave it out")
    try:
        if images.ndim == 4 and 0 in images.shape:
            raise ValueError(f"expected images, got none: the shape is {images.shape}; save at least one")
        # A memory-mapped array in another byte order or layout is copied here; one in the usual layout stays on disk.
        return validate_images(images), ()
    except (ValueError, TypeError) as error:
        expression = _as_images(path, images)
        if expression is None:
            raise type(error)(f"{path}: {error}") from None
        problem = f"expected uint8 or uint16 images (n, height, width, channels), got {images.dtype} {images.shape}"
        order = ", which looks like channels-first" if "moveaxis" in expression else ""
        kind = LongInputTypeError if isinstance(error, TypeError) else LongInputError
        raise kind(f"{path}: {problem}{order}", _save_again(path, keys, expression)) from None


def _as_images(path: Path, images: np.ndarray) -> str | None:
    """What makes images of an array of another type or order of axes, tried on this one, as code around {}."""
    expression = "{}"
    if images.dtype.kind == "b":
        expression = "{}.astype(np.uint8) * 255"
    elif images.dtype.kind in "iu" and images.size and images.dtype.name not in INTEGER_TYPES:
        lowest, highest = _lowest_and_highest(path, images)
        offset = min(lowest, 0.0)  # as Hounsfield units have it: differences stay what they are
        fitting = [name for name in INTEGER_TYPES if highest - offset <= np.iinfo(name).max]
        if not fitting:
            return None
        moved = f"({{}}.astype(np.int64) + {-offset:.0f})" if offset else "{}"
        expression = f"{moved}.astype(np.{fitting[0]})"
    elif images.dtype.kind not in "iu":
        return None
    shape = images.shape
    if images.ndim == 4 and shape[1] in CHANNEL_COUNTS and shape[3] not in CHANNEL_COUNTS:
        expression, shape = f"np.moveaxis({expression}, 1, -1)", (shape[0], *shape[2:], shape[1])
    elif images.ndim == 4 and shape[3] == 2:
        expression, shape = f"{expression}[..., [0, 0, 0, 1]]", (*shape[:3], 4)
    fits = len(shape) == 4 and shape[3] in CHANNEL_COUNTS and 0 not in shape
    return expression if fits and expression != "{}" else None


def _save_again(path: Path, keys: tuple[str, str | None] | None, expression: str) -> str:
    """Advice to save an array changed, with its labels; the array stands for {} in the expression."""
    if keys is None:
        return save_arrays(path, f"np.load({str(path)!r})", expression.format("f"))
    image_key, label_key = keys
    labels = None if label_key is None else f"f[{label_key!r}]"
    return save_arrays(path, f"np.load({str(path)!r})", expression.format(f"f[{image_key!r}]"), labels)


def _check_shape(path: Path, keys: tuple[str, str | None] | None, images: np.ndarray) -> None:
    """Raises ValueError for rows of flat images and for a single image, with advice for this array."""
    reshaped = unflattened(images.shape)
    if reshaped is not None:
        way_out = _save_again(path, keys, f"{{}}{reshaped}")
        raise LongInputError(f"{path}: expected images, got {images.shape}, which looks like flat ones; {way_out}")
    if images.ndim == 3 and images.shape[-1] in (3, 4) and min(images.shape[:2]) > images.shape[-1]:
        raise ValueError(
            f"{path}: expected images, got {images.shape}, which looks like one image; stack several: "
            "np.save(path, np.stack(images))"
        )


def _lowest_and_highest(path: Path, images: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest value. Raises ValueError for NaN and infinity."""
    lowest, highest, finite = np.inf, -np.inf, True
    for piece in _pieces(path, images):
        finite = finite and bool(np.isfinite(piece).all())
        lowest, highest = min(lowest, float(piece.min())), max(highest, float(piece.max()))
    if not finite:
        raise ValueError(f"{path}: expected finite values, got NaN or infinity; leave those images out")
    return lowest, highest


def _levels_of(
    path: Path, images: np.ndarray, options: ReadingOptions
) -> tuple[np.ndarray | ImagesOnDemand, tuple[str, ...]]:
    """Floats as levels: uint8 if all values are among its 256 levels, as in 8-bit images, uint16 otherwise."""
    if images.ndim != 4 or 0 in images.shape or images.shape[3] not in CHANNEL_COUNTS:
        raise ValueError(f"{path}: expected images (n, h, w) or (n, h, w, c) of 1, 3 or 4 channels, got {images.shape}")
    lowest, highest = _lowest_and_highest(path, images)
    if options.value_range is None:
        raise FloatsNeedRange(path, images, (lowest, highest), options.alpha)
    black, white = options.value_range
    if lowest < black or highest > white:
        raise ValueError(
            f"{path}: expected values in {black:g} … {white:g}, the value_range, got {lowest:g} … {highest:g}; widen it"
        )
    sharp = all(are_eight_bits(piece, options.value_range) for piece in _pieces(path, images))
    dtype = np.dtype(np.uint8 if sharp else np.uint16)
    changes = (f"{images.dtype} from {black:g} to {white:g} became {dtype}",)

    def read(numbers: np.ndarray, out: np.ndarray) -> None:
        check_not_cut(images, path)
        out[...] = np.rint(on_levels(images[numbers], options.value_range, np.iinfo(dtype).max))

    if images.size * dtype.itemsize > options.in_memory_bytes:
        return ImagesOnDemand(read, len(images), images.shape[1:], dtype), changes
    levels = np.empty(images.shape, dtype)
    for start in range(0, len(images), _PIECE):
        part = np.arange(start, min(start + _PIECE, len(images)))
        read(part, levels[part[0] : part[-1] + 1])
    return levels, changes


def _pieces(path: Path, images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _PIECE):
        check_not_cut(images, path)
        yield images[start : start + _PIECE]


class FloatsNeedRange(ChoicesNeeded, TypeError):
    """Floats without a declared range; their extremes suggest one."""

    def __init__(self, path: Path, images: np.ndarray, extremes: tuple[float, float], alpha: str | None) -> None:
        black, white = likely_range(*extremes)
        choices: dict[str, object] = {"value_range": (black, white)}
        if images.shape[3] == 4 and alpha is None:
            choices["alpha"] = "white"
        super().__init__(
            f"{path}: expected uint8 or uint16, got {images.dtype} from {extremes[0]:g} to {extremes[1]:g}, which "
            f"looks like {black:g} for black and {white:g} for white",
            choices,
            len(images),
        )
