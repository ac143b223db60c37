"""Laws of a stored scaler: it comes back bit for bit, and a broken file is refused in one line."""

import json
import math

import numpy as np
import pytest
from pixel_arrays import random_images

from preprocessing import MODES, PixelScaler


def fitted_scalers():
    images = random_images(60, 4, 5)
    deep = random_images(60, 4, 5, dtype=np.uint16)
    for mode in MODES:
        yield PixelScaler(mode).fit(images), images
        yield PixelScaler(mode).fit(deep), deep
    yield PixelScaler("standardize", per_channel=False).fit(images), images
    yield PixelScaler("center", centering="before_normalize").fit(images), images
    yield PixelScaler("center", centering="pixels", per_channel=False).fit(images), images
    yield PixelScaler("tanh", maximum="data").fit(deep), deep
    yield PixelScaler("normalize", maximum=60000).fit(deep // 2), deep // 2
    yield PixelScaler("standardize", statistics="imagenet").fit(images), images
    yield PixelScaler("standardize", statistics={"mean": 0.1, "std": 0.3}, dtype="uint8"), images
    yield PixelScaler("tanh", dtype="uint8"), images
    yield PixelScaler("standardize", "image").fit(images), images
    yield PixelScaler("standardize", value_range=(0, 1)).fit((images / 255).astype(np.float32)), images


@pytest.mark.parametrize(("scaler", "images"), list(fitted_scalers()))
def test_save_and_load_change_no_bit(tmp_path, scaler, images):
    scaler.save(tmp_path / "preprocessing.json")
    loaded = PixelScaler.load(tmp_path / "preprocessing.json")
    assert loaded.settings == scaler.settings and loaded.dtype_ == scaler.dtype_
    np.testing.assert_array_equal(loaded.transform(images), scaler.transform(images))
    if scaler.is_lossless:
        np.testing.assert_array_equal(loaded.inverse_transform(loaded.transform(images)), images)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "preprocessing.json").read_bytes()


def test_a_loaded_scaler_goes_on_learning(tmp_path):
    images = random_images()
    PixelScaler("standardize").fit(images[:10]).save(tmp_path / "shard.json")
    loaded = PixelScaler.load(tmp_path / "shard.json").partial_fit(images[10:])
    np.testing.assert_array_equal(loaded.std_, PixelScaler("standardize").fit(images).std_)


def edited(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("entry", ["mean", "scale"])
def test_the_stored_number_is_the_one_in_use(tmp_path, entry):
    """One stored statistic, changed by hand, changes training and inference alike."""
    images = random_images()
    scaler = PixelScaler("standardize").fit(images)
    scaler.save(tmp_path / "preprocessing.json")

    def change(document):
        document["statistics"][entry][0] += 20

    loaded = PixelScaler.load(edited(tmp_path / "preprocessing.json", change))
    scaled = scaler.transform(images)
    assert (loaded.transform(images) != scaled)[..., 0].mean() > 0.99
    assert (loaded.inverse_transform(scaled) != images)[..., 0].mean() > 0.5
    np.testing.assert_array_equal(loaded.transform(images)[..., 1:], scaled[..., 1:])
    np.testing.assert_array_equal(loaded.inverse_transform(loaded.transform(images)), images)
    with pytest.raises(ValueError, match="whose statistics were edited"):
        loaded.partial_fit(images)


def set_entry(*path, value):
    def change(document):
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return change


def drop_entry(*path):
    def change(document):
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return change


BROKEN = [
    (set_entry("format", value="something"), "expected format 'pixelwright-scaling'"),
    (set_entry("version", value=2), "expected version 1, got 2"),
    (set_entry("version", value="1"), "expected version 1, got '1'"),
    (set_entry("version", value=True), "expected version 1, got True"),
    (drop_entry("version"), "expected version 1, got None"),
    (set_entry("statistics", "mean", 0, value=math.nan), "NaN where finite numbers are expected"),
    (set_entry("statistics", "mean", 0, value=math.inf), "Infinity where finite numbers are expected"),
    (set_entry("statistics", "mean", 0, value=None), "expected finite numbers for mean"),
    (set_entry("statistics", "mean", 0, value="125"), "expected finite numbers for mean"),
    (set_entry("statistics", "mean", 0, value=True), "expected finite numbers for mean"),
    (set_entry("statistics", "scale", 1, value=0), "expected positive scales"),
    (set_entry("statistics", "scale", 1, value=-3.5), "expected positive scales"),
    (set_entry("statistics", "scale", value=[1.0]), "expected 3 numbers for scale"),
    (set_entry("statistics", "constant", 0, value=0), "for constant"),
    (set_entry("statistics", "lowest", 0, value=300), "expected lowest <= highest"),
    (set_entry("statistics", value=None), "expected statistics for this mode"),
    (set_entry("settings", "mode", value="tan"), "expected mode to be one of"),
    (set_entry("settings", "scope", value="epoch"), "expected scope to be one of"),
    (set_entry("settings", "mode", value=["tanh"]), "expected mode to be one of"),
    (set_entry("settings", "maximum", value=0), "expected a positive finite number for maximum, got 0"),
    (set_entry("settings", "value_range", value=[1, 0]), "expected finite low < high"),
    (set_entry("settings", value=None), "expected a saved scaling"),
    (set_entry("dtype", value="float32"), "expected dtype to be one of"),
    (set_entry("channels", value=2), "expected 1, 3 or 4 channels, got 2"),
    (set_entry("sums", "pixels", value="0"), "expected a saved scaling"),
    (set_entry("sums", "sums", 0, value="many"), "expected a saved scaling"),
    *((drop_entry(name), f"expected an entry '{name}'") for name in ("settings", "dtype", "channels", "statistics")),
    *((drop_entry("statistics", name), f"expected an entry '{name}'") for name in ("mean", "scale", "constant")),
    (drop_entry("settings", "mode"), "expected mode to be one of"),
]


@pytest.mark.parametrize(("change", "words"), BROKEN)
def test_load_refuses_a_broken_file(tmp_path, change, words):
    path = tmp_path / "preprocessing.json"
    PixelScaler("standardize").fit(random_images()).save(path)
    with pytest.raises(ValueError) as caught:
        PixelScaler.load(edited(path, change))
    assert words in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_entry("whitening", "variances", 0, value=-1.0), "expected positive variances"),
        (set_entry("whitening", "epsilon", value=-1e9), "expected positive variances"),
        (set_entry("whitening", "epsilon", value="1"), "expected a finite number for epsilon"),
        (set_entry("whitening", "mean", value=[1.0]), "expected shape (27,) for the whitening mean, got (1,)"),
        (set_entry("whitening", "mean", 0, value=None), "whitening mean"),
        (set_entry("whitening", "components", value="AAAA"), "expected a saved scaling"),
        (set_entry("whitening", "components", value="AAAAAAAA8D8="), "expected shape (729,)"),
        (set_entry("image_shape", value=[3, 3]), "expected image_shape"),
        (set_entry("image_shape", value=[300, 300, 3]), "at most 4096 values"),
        (drop_entry("whitening", "components"), "expected an entry 'components'"),
    ],
)
def test_load_refuses_a_broken_whitening(tmp_path, change, words):
    path = tmp_path / "preprocessing.json"
    PixelScaler("zca").fit(random_images(50, 3, 3)).save(path)
    with pytest.raises(ValueError) as caught:
        PixelScaler.load(edited(path, change))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"format": "pixelwright-scaling"', "\x00\xff"])
def test_load_refuses_what_is_not_json_of_ours(tmp_path, text):
    (tmp_path / "preprocessing.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError) as caught:
        PixelScaler.load(tmp_path / "preprocessing.json")
    assert "\n" not in str(caught.value)
