"""`.keras` files that both earlier and later versions of Keras can read."""

import inspect
import json
import os
import zipfile

import keras

from files import UnreadableFile, check_keras_file
from files.archives import open_member, open_zip

MOST_METADATA_BYTES = 2**16


def save_network(network: keras.Sequential, path: str | os.PathLike) -> None:
    """Writes `network` without its optimizer; `path` ends in .keras.

    When a new version of Keras adds a keyword to a layer, it writes the default into every file, and no earlier version
    can load the file, because it does not know the keyword. 3.14 did so with Dense (`quantization_config`) and
    BatchNormalization (`renorm`). So keywords with their default values are left out.
    """
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in members:
            if info.filename == "config.json":
                content = json.dumps(without_defaults(json.loads(content))).encode()
            archive.writestr(info, content)


def load_network(path: str | os.PathLike) -> keras.Sequential:
    """Loads a network from a .keras file, which need not be trusted: see `files.check_keras_file`.

    Raises a one-line ValueError if the file holds more than layers and weights, is damaged, or Keras cannot read it.
    """
    try:
        check_keras_file(path)
    except UnreadableFile as error:
        raise UnreadableFile(f"{error}{_written_by(path)}") from error
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds of exception for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: expected a whole Keras file, got one that does not load ({reason}){_written_by(path)}"
        ) from error


def _written_by(path: str | os.PathLike) -> str:
    """A hint to the version of Keras that wrote the file, if the file names it and it differs from this one."""
    try:
        with open_zip(path) as archive, open_member(archive, archive.getinfo("metadata.json"), str(path)) as member:
            version = str(json.loads(member.read(MOST_METADATA_BYTES))["keras_version"])
    except (ValueError, KeyError, TypeError):  # it is damaged, which the message says already
        return ""
    here = keras.version()
    return "" if version == here else f"; Keras {version} wrote it and this is {here}: pip install keras=={version}"


def without_defaults(entry):
    """The configuration of a network without those entries of its layers that equal the keyword's default.

    >>> without_defaults({"module": "keras.layers", "class_name": "Dense", "config": {"units": 3, "use_bias": True}})
    {'module': 'keras.layers', 'class_name': 'Dense', 'config': {'units': 3}}
    """
    if isinstance(entry, list):
        return [without_defaults(part) for part in entry]
    if not isinstance(entry, dict):
        return entry
    kept = {name: without_defaults(part) for name, part in entry.items()}
    if kept.get("module") == "keras.layers":
        keywords = inspect.signature(getattr(keras.layers, kept["class_name"])).parameters
        kept["config"] = {
            name: value
            for name, value in kept["config"].items()
            if name not in keywords or keywords[name].default != value
        }
    return kept
