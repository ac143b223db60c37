"""The .keras files of a run load in other versions of Keras; see also benchmarks/keras_versions.py."""

import json
import zipfile

import keras
import numpy as np
import pytest

from models import build_discriminator, build_generator
from models.keras_files import load_network, save_network, without_defaults

# What Keras 3.14 and 3.15 write and 3.3 to 3.13 refuse.
LATER_KEYWORDS = {"quantization_config", "renorm", "renorm_clipping", "renorm_momentum"}
SHAPE = (16, 16, 3)


def networks(dtype: str) -> list[keras.Sequential]:
    return [
        build_generator(SHAPE, 8, "dcgan", dtype=dtype),
        build_generator(SHAPE, 8, dtype=dtype, class_count=3),
        build_discriminator(SHAPE, "dcgan", dtype, class_count=3, spectral_normalization=True),
    ]


def entries_of(document) -> set[str]:
    if isinstance(document, list):
        return set().union(*map(entries_of, document))
    return set(document).union(*map(entries_of, document.values())) if isinstance(document, dict) else set()


def as_json(network: keras.Sequential) -> str:
    return json.dumps(keras.saving.serialize_keras_object(network), sort_keys=True)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_file_holds_nothing_that_only_later_versions_know_and_loads_the_same(dtype, tmp_path):
    for network in networks(dtype):
        save_network(network, tmp_path / "network.keras")
        with zipfile.ZipFile(tmp_path / "network.keras") as archive:
            written = json.loads(archive.read("config.json"))
        assert not entries_of(written) & LATER_KEYWORDS
        loaded = load_network(tmp_path / "network.keras")
        assert as_json(loaded) == as_json(network)  # what was left out is what it was
        inputs = np.random.default_rng(0).normal(size=(4, *network.input_shape[1:])).astype(np.float32)
        np.testing.assert_array_equal(loaded(inputs), network(inputs))


def test_only_defaults_of_layers_are_left_out():
    layer = {
        "module": "keras.layers",
        "class_name": "BatchNormalization",
        "config": {"name": "norm", "momentum": 0.9, "epsilon": 0.001, "axis": 1, "scale": True},
    }
    other = {"module": "keras.initializers", "class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.02}}
    kept = without_defaults({"layers": [layer], "initializer": other})
    assert kept["layers"][0]["config"] == {"name": "norm", "momentum": 0.9, "axis": 1}
    assert kept["initializer"] == other


def test_a_file_that_does_not_load_says_both_versions(tmp_path):
    with zipfile.ZipFile(tmp_path / "later.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "99.1.0"}))
        archive.writestr("config.json", json.dumps({"module": "keras.layers", "class_name": "Thought", "config": {}}))
    with pytest.raises(
        ValueError, match=r"later\.keras: expected .* Keras 99\.1\.0 wrote it and this is 3\."
    ) as raised:
        load_network(tmp_path / "later.keras")
    assert "\n" not in str(raised.value)
