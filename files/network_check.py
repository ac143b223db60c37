"""Checks a .keras file before Keras opens it: it may hold layers of known kinds and numbers, and nothing else.

Keras rebuilds a network by importing what the file names. Its `safe_mode` refuses some of what could run code, and
there are published ways around it in versions before 3.12. This check treats the file as data: only listed classes are
allowed, nothing registered or imported by name, and the weights must be in the file itself.
"""

import io
import json
import os
import re
import zipfile
from typing import BinaryIO

from files.archives import open_member, open_zip
from files.opening import UnreadableFile, brief

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
MOST_CONFIG_BYTES = 2**22
# Keras layers that only compute.
# fmt: off
LAYERS = frozenset((
    "Activation", "AveragePooling2D", "BatchNormalization", "Conv2D", "Conv2DTranspose", "Cropping2D", "Dense",
    "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "GlobalAveragePooling2D", "GroupNormalization", "InputLayer",
    "LayerNormalization", "LeakyReLU", "MaxPooling2D", "PReLU", "Permute", "ReLU", "Reshape", "SeparableConv2D",
    "SpectralNormalization", "UpSampling2D", "ZeroPadding2D",
))
INITIALIZERS = frozenset((
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Ones",
    "OrthogonalInitializer", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling",
    "Zeros",
))
# fmt: on
_KNOWN = {
    "keras": frozenset({"Sequential", "DTypePolicy"}),
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
}
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_]*")


def check_keras_file(path: str | os.PathLike) -> None:
    """Raises UnreadableFile for a .keras file that is damaged or holds more than the layers and weights of a network.

    Raises FileNotFoundError if it does not exist.
    """
    with open_zip(path, "Keras file") as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if set(infos) != MEMBERS or len(infos) != len(archive.infolist()):
            names = ", ".join(sorted(set(infos) ^ MEMBERS)) or "the same name twice"
            raise _refusal(path, f"an archive that differs in {names}")
        config = _read_config(archive, infos["config.json"], path)
        if not isinstance(config, dict) or config.get("class_name") != "Sequential":
            raise _refusal(path, "another kind of network")
        _check_config(config, path)
        with open_member(archive, infos["model.weights.h5"], f"{path}, model.weights.h5") as weights:
            _check_weights(weights, path)


def _read_config(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | os.PathLike) -> object:
    if info.file_size > MOST_CONFIG_BYTES:
        raise _refusal(path, f"a description of {info.file_size:,} bytes")
    with open_member(archive, info, f"{path}, config.json") as member:
        data = member.read()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, f"a description that is not JSON ({brief(error)})") from None


def _check_config(config: object, path: str | os.PathLike) -> None:
    """Checks everything in the description; json.loads has already limited its depth."""
    left = [config]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        if not isinstance(part, dict):
            continue
        left += part.values()
        if "class_name" in part:
            module, name = part.get("module"), part["class_name"]
            if not isinstance(module, str) or not isinstance(name, str) or name not in _KNOWN.get(module, ()):
                raise _refusal(path, f"{module}.{name}")
            if part.get("registered_name") is not None:
                raise _refusal(path, f"something registered, {part['registered_name']}")
        for key, value in part.items():  # Keras looks up such strings among registered objects: "package>name"
            looked_up = key.endswith(("activation", "initializer", "regularizer", "constraint", "dtype"))
            if looked_up and isinstance(value, str) and not _PLAIN_WORD.fullmatch(value):
                raise _refusal(path, f"{key} {value}")


def _check_weights(weights: BinaryIO, path: str | os.PathLike) -> None:
    """Checks that all weights are in this file: no links, no external storage, no more values than bytes."""
    import h5py  # comes with Keras

    data = weights.read()
    total, left, seen = 0, ["/"], set()
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            while left:
                place = left.pop()
                item = file[place]
                if item.id in seen:
                    raise _refusal(path, "weights that contain themselves")
                seen.add(item.id)
                if isinstance(item, h5py.Group):
                    for name in item:
                        if not isinstance(item.get(name, getlink=True), h5py.HardLink):
                            raise _refusal(path, f"weights stored elsewhere, {place}/{name}")
                        left.append(f"{place.rstrip('/')}/{name}")
                elif not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
                    raise _refusal(path, f"weights that are not numbers, {place}")
                elif item.external or item.is_virtual:
                    raise _refusal(path, f"weights stored in other files, {place}")
                else:
                    total += item.nbytes
    except UnreadableFile:
        raise
    except Exception as error:  # HDF5 raises a different exception for each kind of damage
        raise _refusal(path, f"damaged weights ({brief(error)})") from error
    if total > len(data):
        raise _refusal(path, f"weights of {total:,} bytes in a file of {len(data):,}")


def _refusal(path: str | os.PathLike, got: str) -> UnreadableFile:
    return UnreadableFile(
        f"{path}: expected the layers and weights of a network as train.py writes them, got {got}; it was not loaded"
    )
