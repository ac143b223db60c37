"""A .keras file is data: what could run code, read or write other files is refused before Keras sees it."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from config import PRESETS
from files import UnreadableFile, check_keras_file
from models import build_discriminator, build_generator


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small generator as train.py writes it."""
    path = tmp_path_factory.mktemp("keras") / "generator.keras"
    build_generator((16, 16, 1), 4, "tutorial", "tanh").save(path)
    return path


@pytest.mark.parametrize("preset", PRESETS)
def test_all_our_networks_pass(tmp_path, preset):
    networks = [
        build_generator((16, 16, 3), 4, preset, "tanh", "mixed_bfloat16", 3),
        build_discriminator((16, 16, 3), preset, "float32", 3),
    ]
    for network in networks:
        network.save(tmp_path / "network.keras")
        check_keras_file(tmp_path / "network.keras")


def test_spectral_normalization_passes(tmp_path):
    network = build_discriminator((16, 16, 1), "tutorial", "float32", 0, True)
    network.save(tmp_path / "network.keras")
    check_keras_file(tmp_path / "network.keras")


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def layer(module, class_name, registered=None, **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


HOSTILE_LAYERS = [
    layer("keras.layers", "Lambda", name="code"),
    layer("keras.layers", "TFSMLayer", filepath="model"),
    layer("keras.layers", "TorchModuleWrapper", pickled="AAAA"),
    layer("os", "system"),
    layer("builtins", "function", config="exec"),
    layer(None, "Dense", registered="stranger>Dense"),
    layer("keras.layers", "Dense", registered="stranger>Dense"),
    layer("keras.layers", ["Dense"]),
    layer("keras.layers", "Dense", activation="stranger>run"),
    layer("keras.layers", "Dense", kernel_initializer=layer("keras.utils", "get_file", origin="http://stranger")),
    layer("keras.layers", "Dense", extra=[{"deep": {"class_name": "__lambda__", "config": {"value": "AAAA"}}}]),
    {"class_name": "Dense"},
]


@pytest.mark.parametrize("hostile", HOSTILE_LAYERS, ids=lambda hostile: str(hostile["class_name"]))
def test_layers_of_other_kinds_are_refused(tmp_path, saved, hostile):
    members = members_of(saved)
    config = json.loads(members["config.json"])
    config["config"]["layers"].append(hostile)
    members["config.json"] = json.dumps(config)
    path = rewritten(tmp_path / "generator.keras", members)
    with pytest.raises(UnreadableFile, match="it was not loaded"):
        check_keras_file(path)


def test_files_of_other_forms_are_refused(tmp_path, saved):
    members = members_of(saved)
    path = tmp_path / "generator.keras"
    others = [
        {name: content for name, content in members.items() if name != "config.json"},
        members | {"../outside": b"x"},
        members | {"assets/code.py": b"x"},
        members | {"config.json": b"[" * 100_000},
        members | {"config.json": b"[]"},
        members | {"config.json": b'{"class_name": "Functional", "module": "keras"}'},
        members | {"config.json": b" " * 5_000_000},
        members | {"model.weights.h5": b"no weights"},
        members | {"model.weights.h5": members["model.weights.h5"][:3000]},
    ]
    for other in others:
        with pytest.raises(UnreadableFile, match="expected the layers and weights"):
            check_keras_file(rewritten(path, other))
    path.write_bytes(saved.read_bytes()[:-200])
    with pytest.raises(UnreadableFile, match="expected a whole Keras file"):
        check_keras_file(path)


def external(file, folder):
    file.create_dataset("w", (3,), "f4", external=[(str(folder / "secret.bin"), 0, 12)])


def external_link(file, folder):
    file["w"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def soft_link(file, folder):
    file["w"] = h5py.SoftLink("/layers")


def virtual(file, folder):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "w", (3,))
    file.create_virtual_dataset("w", layout)


def huge(file, folder):
    file.create_dataset("w", (10**12,), "f4", chunks=(1024,))


def words(file, folder):
    file.create_dataset("w", data=["text"])


def cycle(file, folder):
    file.create_group("a")["again"] = file["/"]


@pytest.mark.parametrize("change", [external, external_link, soft_link, virtual, huge, words, cycle])
def test_weights_lie_in_the_file_itself(tmp_path, saved, change):
    members = members_of(saved)
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        change(file, tmp_path)
    members["model.weights.h5"] = content.getvalue()
    with pytest.raises(UnreadableFile, match="weights"):
        check_keras_file(rewritten(tmp_path / "generator.keras", members))


def test_what_passes_is_what_keras_loads(saved):
    network = keras.saving.load_model(saved, compile=False)
    assert np.isfinite(network(np.zeros((1, 4), np.float32))).all()
