"""What to do with a file that holds images in another form: one command, adapted to the file as far as possible."""

import gzip
import math
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from files import open_regular
from files.kinds import FIRST_BYTES, PICTURE_KINDS, kind_of

MOST_CHANNELS = 4
LONGEST_LINE = 2**20  # characters that are read
_EXPECTED = "expected a folder of images, a .zip of one, an .npy or an .npz"


def advice_for(path: Path) -> str:
    """For a file other than a NumPy file, zip or folder: "expected …, got …; what to do", in one line."""
    with open_regular(path) as file:
        first = file.read(FIRST_BYTES)
    if not first:
        return f"{_EXPECTED}, got {str(path)!r}, an empty file; copy it again"
    kind = kind_of(first)
    if kind is None:
        return f"{_EXPECTED}, got {str(path)!r}, a file of an unknown kind; save its images with np.save"
    if kind in PICTURE_KINDS:
        way_out = "put it into a folder with others, and name the folder"
    else:
        way_out = _way_out(path, kind.name, first) or kind.way_out or "save its images with np.save"
    article = "" if kind.name.startswith(("a ", "an ", "MATLAB")) or kind.name == "text" else "a file of "
    return f"{_EXPECTED}, got {str(path)!r}, {article}{kind.name}; {way_out}"


def run_python(program: str) -> str:
    """Advice to run a line of Python.

    >>> print(run_python("print('one')"))
    run: python -c "print('one')"
    """
    quoted = shlex.quote(program) if set(program) & set('"$`\\!') else f'"{program}"'
    return f"run: python -c {quoted}"


def save_arrays(path: Path, source: str, images: str, labels: str | None = None) -> str:
    """Advice to make an .npz: `source` is an expression for f; `images` and `labels` are expressions that use f."""
    target = f"{path.name.partition('.')[0]}-images.npz"
    label_part = "" if labels is None else f", labels={labels}"
    return (
        run_python(f"import numpy as np; f = {source}; np.savez({target!r}, images={images}{label_part})")
        + f" and pass {target}"
    )


def unflattened(shape: tuple[int, ...]) -> str | None:
    """The expression that turns rows of flat square images into images, to append to the array; None for other rows.

    >>> unflattened((8, 784)), unflattened((8, 3072)), unflattened((8, 10))
    ('.reshape(-1, 28, 28)', '.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)', None)
    """
    if len(shape) != 2:
        return None
    side = math.isqrt(shape[1])
    if side * side == shape[1] and side >= 8:
        return f".reshape(-1, {side}, {side})"
    side = math.isqrt(shape[1] // 3)
    if 3 * side * side == shape[1] and side >= 8:
        return f".reshape(-1, 3, {side}, {side}).transpose(0, 2, 3, 1)"
    return None


def choose_arrays(shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> tuple[str, str | None] | None:
    """Which of several arrays are the images and which the labels, if their shapes leave no doubt."""
    images = [name for name, (shape, dtype) in shapes.items() if _could_be_images(shape) and dtype.kind in "uif"]
    if len(images) != 1:
        return None
    count = shapes[images[0]][0][0]
    labels = [
        name
        for name, (shape, dtype) in shapes.items()
        if name != images[0] and shape in ((count,), (count, 1)) and dtype.kind in "uiSU"
    ]
    return images[0], labels[0] if len(labels) == 1 else None


def _could_be_images(shape: tuple[int, ...]) -> bool:
    return (len(shape) == 3 and min(shape[1:]) > MOST_CHANNELS) or len(shape) == 4 or unflattened(shape) is not None


def _way_out(path: Path, kind: str, first: bytes) -> str:
    name = str(path)
    if kind == "HDF5":
        return _hdf5_way_out(path)
    if kind == "MATLAB's format":
        return (
            "pip install scipy, then "
            + run_python(f"import scipy.io; print(scipy.io.whosmat({name!r}))")
            + (" and save the arrays that it names with np.savez(…, images=…, labels=…)")
        )
    if kind == "an idx file":
        return _idx_way_out(path, "np.fromfile({name!r}, np.uint8)", first)
    if kind == "gzip":
        try:
            with gzip.open(path) as file:
                inner = file.read(FIRST_BYTES)
        except (OSError, EOFError):
            return "copy it again; it is damaged"
        inner_kind = kind_of(inner)
        if inner_kind is not None and inner_kind.name == "an idx file":
            return _idx_way_out(path, "np.frombuffer(__import__('gzip').open({name!r}).read(), np.uint8)", inner)
        return f"run: gunzip -k -S {shlex.quote(path.suffix)} {shlex.quote(name)} and pass what comes out"
    if kind == "a pickle":
        program = (
            f"import pickle; o = pickle.load(open({name!r}, 'rb'), encoding='latin1'); "
            "print(type(o), list(o) if isinstance(o, dict) else getattr(o, 'shape', ''))"
        )
        return (
            "loading it can run any code; if you trust it, "
            + run_python(program)
            + " and save the arrays that it names with np.savez(…, images=…, labels=…)"
        )
    if kind == "text":
        return _table_way_out(path)
    if kind == "a zip archive":
        return f"run: cp {shlex.quote(name)} {shlex.quote(path.with_suffix('.zip').name)} and pass that"
    return ""


def _idx_way_out(path: Path, source: str, first: bytes) -> str:
    axes = first[3]
    shape = tuple(int.from_bytes(first[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    if axes == 1:
        return "it holds labels; pass the file of the images instead, saved as .npy"
    target = f"{path.name.partition('.')[0]}.npy"
    program = (
        f"import numpy as np; np.save({target!r}, {source.format(name=str(path))}[{4 + 4 * axes}:].reshape{shape})"
    )
    return run_python(program) + f" and pass {target}"


def _hdf5_way_out(path: Path) -> str:
    import h5py  # comes with Keras

    shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "uifSU":
            shapes[name] = (tuple(item.shape), item.dtype)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, ValueError, KeyError):
        return "copy it again; it is damaged"
    chosen = choose_arrays(shapes)
    if chosen is None:
        held = ", ".join(f"{name} {shape}" for name, (shape, _) in list(shapes.items())[:8]) or "no array"
        return f"it holds {held}; save its images with np.savez(…, images=…, labels=…)"
    images, labels = chosen
    reshaped = unflattened(shapes[images][0]) or ""
    return save_arrays(
        path,
        f"__import__('h5py').File({str(path)!r})",
        f"f[{images!r}][:]{reshaped}",
        None if labels is None else f"f[{labels!r}][:]",
    )


def _table_way_out(path: Path) -> str:
    """For a table of numbers with one image per row, perhaps with a label first or last, and a header line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [file.readline(LONGEST_LINE).strip() for _ in range(3)]
    separator = next((sign for sign in (",", ";", "\t") if sign in lines[0]), ",")
    named = not _are_numbers(lines[0], separator)
    row = lines[1] if named else lines[0]
    if not _are_numbers(row, separator):
        return "if it is a list of files and classes, pass the folder of the files as the data and this as the labels"
    width = len(row.split(separator))
    source = f"np.loadtxt({str(path)!r}, delimiter={separator!r}, skiprows={int(named)}, ndmin=2)"
    for columns, label in (("", None), ("[:, 1:]", "f[:, 0].astype(int)"), ("[:, :-1]", "f[:, -1].astype(int)")):
        reshaped = unflattened((2, width - (label is not None)))
        if reshaped is not None:
            return save_arrays(path, source, f"f{columns}.astype(np.uint8){reshaped}", label)
    return f"expected one flat, square image per row; its rows have {width} columns: save its images with np.save"


def _are_numbers(line: str, separator: str) -> bool:
    try:
        return all(math.isfinite(float(part)) for part in line.split(separator))
    except ValueError:
        return False
