"""Laws of the pixel scaler: exact formulas, an exact way back, one object for training and inference."""

import inspect
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pixel_arrays import TYPES, random_images

from preprocessing import CENTERINGS, MODES, NotFittedError, PixelScaler, scale_image

LOSSLESS = [
    ("normalize", "pixels"),
    ("tanh", "pixels"),
    *(("center", one) for one in CENTERINGS),
    ("standardize", "pixels"),
]


def all_levels(dtype, channels):
    """(1, levels, 1, channels): every level in every channel."""
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    return np.repeat(levels, channels).reshape(1, -1, 1, channels)


# As scikit-learn has it


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"mode": "zca", "epsilon": 2.5},
        {"scope": "image", "maximum": "data", "value_range": [0, 1], "dtype": np.uint16},
        {"mode": "standardize", "per_channel": False, "statistics": {"mean": 3, "std": 4}},
        {"mode": "center", "centering": "pixels"},
    ],
)
def test_parameters_come_back_as_they_were_given(arguments):
    """scikit-learn's `clone` compares them by identity."""
    scaler = PixelScaler(**arguments)
    parameters = scaler.get_params()
    assert set(parameters) == set(inspect.signature(PixelScaler).parameters)
    assert all(parameters[name] is value for name, value in arguments.items())
    copy = PixelScaler(**parameters)
    assert copy.settings == scaler.settings
    assert all(value is parameters[name] for name, value in copy.get_params().items())


def test_set_params_changes_the_scaling_and_forgets():
    images = random_images()
    scaler = PixelScaler().fit(images)
    assert scaler.set_params() is scaler and scaler.mean_.shape == (3,)
    assert scaler.set_params(mode="standardize", per_channel=False) is scaler
    with pytest.raises(NotFittedError):
        scaler.transform(images)
    expected = PixelScaler("standardize", per_channel=False).fit(images).transform(images)
    np.testing.assert_array_equal(scaler.fit_transform(images), expected)
    for wrong, words in (({"modes": "tanh"}, r"got \['modes'\]"), ({"mode": "tan"}, "expected mode to be one of")):
        with pytest.raises(ValueError, match=words):
            scaler.set_params(**wrong)
    np.testing.assert_array_equal(scaler.transform(images), expected)
    assert scaler.get_params()["mode"] == "standardize"


def test_a_loaded_scaler_has_its_parameters(tmp_path):
    PixelScaler("standardize", maximum=300).fit(random_images()).save(tmp_path / "preprocessing.json")
    parameters = PixelScaler.load(tmp_path / "preprocessing.json").get_params()
    assert parameters == PixelScaler("standardize", maximum=300).get_params()


def test_the_maximum_of_each_image_is_not_one_number():
    with pytest.raises(NotFittedError, match="scope='dataset'"):
        _ = PixelScaler("normalize", "image", maximum="data").fit(random_images()).maximum_


# Formulas


def reference(images, mode, mean, std):
    """The definitions, in float64, rounded once."""
    values, white = images.astype(np.float64), float(np.iinfo(images.dtype).max)
    scaled = {
        "normalize": lambda: values / white,
        "tanh": lambda: (values - white / 2) / (white / 2),
        "center": lambda: (values - mean) / white,
        "standardize": lambda: (values - mean) / std,
        "positive_standardize": lambda: (np.clip((values - mean) / std, -1, 1) + 1) / 2,
    }[mode]()
    return scaled.astype(np.float32)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("pca", "zca")])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_transform_is_the_formula_bit_for_bit(mode, per_channel, dtype):
    images = random_images(70, 16, 17, dtype=dtype)
    scaler = PixelScaler(mode, per_channel=per_channel).fit(images)
    scaled = scaler.transform(images)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, reference(images, mode, scaler.mean_, scaler.std_))
    low, high = scaler.output_range
    assert low <= scaled.min() and scaled.max() <= high
    out = np.full_like(scaled, np.nan)
    assert scaler.transform(images, out=out) is out
    np.testing.assert_array_equal(out, scaled)


def test_large_images_in_any_layout():
    """Images larger than a block are cut between rows when they do not lie in order."""
    images = random_images(3, 300, 301)
    scaler = PixelScaler("standardize").fit(images)
    for view in (images[:, ::-1], images[::-1, :, ::2], np.asfortranarray(images), images.astype(">u2") * 257):
        plain = np.ascontiguousarray(view, view.dtype.newbyteorder("="))
        own = scaler if view.dtype == np.uint8 else PixelScaler("standardize").fit(view)
        scaled = own.transform(plain)
        np.testing.assert_array_equal(own.transform(view), scaled)
        odd = np.asfortranarray(scaled)
        np.testing.assert_array_equal(own.inverse_transform(odd), plain)


def test_division_by_white_not_multiplication_by_its_inverse():
    levels = all_levels(np.uint8, 1)
    scaled = PixelScaler("normalize").fit(levels).transform(levels).ravel()
    np.testing.assert_array_equal(scaled, np.arange(256, dtype=np.float32) / np.float32(255))
    multiplied = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    assert np.count_nonzero(scaled != multiplied) == 126


def test_center_before_and_after_normalization():
    images = random_images()
    after = PixelScaler("center").fit(images).transform(images)
    assert np.abs(after.mean(axis=(0, 1, 2), dtype=np.float64)).max() < 1e-7 and after.min() < 0
    before = PixelScaler("center", centering="before_normalize").fit(images).transform(images)
    np.testing.assert_array_equal(before.min(axis=(0, 1, 2)), [0] * 3)
    np.testing.assert_array_equal(before.max(axis=(0, 1, 2)), [1] * 3)
    pixels = PixelScaler("center", centering="pixels").fit(images).transform(images)
    np.testing.assert_allclose(pixels, after * 255, atol=1e-4)


def test_activation_follows_the_range():
    activations = {mode: PixelScaler(mode).output_activation for mode in MODES}
    assert activations == {
        "normalize": "sigmoid",
        "tanh": "tanh",
        "center": "linear",
        "standardize": "linear",
        "positive_standardize": "sigmoid",
        "pca": "linear",
        "zca": "linear",
    }
    assert PixelScaler("center", centering="before_normalize").output_range == (0.0, 1.0)
    assert PixelScaler("standardize").output_range == (-math.inf, math.inf)


def test_the_maximum_is_the_types_unless_told_otherwise():
    images = np.full((1, 2, 2, 1), 4000, np.uint16)
    assert PixelScaler("normalize").fit(images).transform(images).max() == np.float32(4000 / 65535)
    assert PixelScaler("normalize", maximum="data").fit(images).transform(images).max() == 1
    assert PixelScaler("tanh", maximum="data").fit(images).transform(images).max() == 1
    assert PixelScaler("normalize", maximum=4095).fit(images).transform(images).max() == np.float32(4000 / 4095)
    with pytest.raises(ValueError, match="up to maximum 3000, got 4000"):
        PixelScaler("normalize", maximum=3000).fit(images)
    black = np.zeros((1, 2, 2, 1), np.uint8)
    assert (PixelScaler("normalize", maximum="data").fit(black).transform(black) == 0).all()


def test_imagenet_statistics_by_name():
    images = random_images()
    scaler = PixelScaler("standardize", statistics="imagenet").fit(images)
    np.testing.assert_allclose(scaler.mean_, [123.675, 116.28, 103.53], rtol=1e-15)
    np.testing.assert_allclose(scaler.std_, [58.395, 57.12, 57.375], rtol=1e-15)
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(scaler.transform(images), expected, rtol=1e-5, atol=1e-6)
    ready = PixelScaler("standardize", statistics="imagenet", dtype="uint8")
    np.testing.assert_array_equal(ready.transform(images), scaler.transform(images))
    deep = PixelScaler("standardize", statistics="imagenet").fit(random_images(dtype=np.uint16))
    np.testing.assert_allclose(deep.mean_, np.array([0.485, 0.456, 0.406]) * 65535)
    with pytest.raises(ValueError, match=r"expected images of shape \(n, h, w, 3\)"):
        ready.transform(random_images(channels=1))


def test_explicit_statistics():
    images = random_images()
    scaler = PixelScaler("standardize", statistics={"mean": [1, 2, 3], "std": [10, 20, 30]}).fit(images)
    np.testing.assert_array_equal(scaler.transform(images), reference(images, "standardize", [1, 2, 3], [10, 20, 30]))
    one = PixelScaler("center", per_channel=False, statistics={"mean": 100}, centering="pixels").fit(images)
    assert one.mean_ == 100 and one.transform(images)[0, 0, 0, 0] == float(images[0, 0, 0, 0]) - 100


# The way back


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("mode", "centering"), LOSSLESS)
@pytest.mark.parametrize("maximum", [None, "data"])
def test_round_trip_is_the_identity_on_all_levels(mode, centering, per_channel, dtype, maximum):
    fitted_on = random_images(dtype=dtype) // np.array([1, 2, 4], dtype)
    scaler = PixelScaler(mode, per_channel=per_channel, centering=centering, maximum=maximum).fit(fitted_on)
    levels = all_levels(dtype, 3)
    back = scaler.inverse_transform(scaler.transform(levels))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, levels)
    assert scaler.is_lossless and scaler.loss_reason is None
    scaler.check_trainable()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip_whatever_the_fit_saw(data):
    """Fitted on anything at all, even one pixel, every level of every channel comes back, and is_lossless knows."""
    dtype = data.draw(st.sampled_from(TYPES))
    mode, centering = data.draw(st.sampled_from(LOSSLESS))
    channels = data.draw(st.sampled_from([1, 3]))
    shape = (*data.draw(st.tuples(*[st.integers(1, 4)] * 3)), channels)
    images = data.draw(hnp.arrays(dtype, shape))
    per_channel = data.draw(st.booleans())
    scaler = PixelScaler(mode, per_channel=per_channel, centering=centering).fit(images)
    levels = all_levels(dtype, channels)
    np.testing.assert_array_equal(scaler.inverse_transform(scaler.transform(levels)), levels)
    assert scaler.is_lossless


@pytest.mark.parametrize("mode", ["center", "standardize", "normalize"])
@pytest.mark.parametrize("scope", ["image", "batch"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_own_statistics_come_back_when_handed_back(mode, scope, per_channel):
    images = random_images(6, dtype=np.uint16)
    images[2] //= 50
    scaler = PixelScaler(mode, scope, per_channel, maximum="data").fit(images)
    scaled, statistics = scaler.transform(images, return_statistics=True)
    assert len(statistics.mean) == (6 if scope == "image" else 1)
    np.testing.assert_array_equal(scaler.inverse_transform(scaled, statistics=statistics), images)
    with pytest.raises(
        ValueError, match=f"expected the statistics of each {scope}, got none; .*return_statistics=True"
    ):
        scaler.inverse_transform(scaled)
    with pytest.raises(ValueError, match=f"statistics of each {scope}"):
        scaler.check_trainable()
    assert not scaler.is_lossless
    if scope == "image":
        with pytest.raises(ValueError, match="expected 2 rows of statistics for 2 images, got 6"):
            scaler.inverse_transform(scaled[:2], statistics=statistics)


def test_scopes_take_the_statistics_they_say():
    images = random_images(5)
    by_image = PixelScaler("standardize", "image").fit(images).transform(images)
    for index in range(5):
        alone = PixelScaler("standardize").fit(images[index : index + 1])
        np.testing.assert_array_equal(by_image[index], alone.transform(images[index : index + 1])[0])
    by_batch = PixelScaler("standardize", "batch").fit(images)
    np.testing.assert_array_equal(by_batch.transform(images), PixelScaler("standardize").fit(images).transform(images))
    assert not np.array_equal(by_batch.transform(images[:2]), by_batch.transform(images)[:2])


@pytest.mark.parametrize("mode", ["normalize", "tanh"])
def test_scope_does_not_matter_without_statistics(mode):
    images = random_images()
    for scope in ("image", "batch"):
        scaler = PixelScaler(mode, scope).fit(images)
        np.testing.assert_array_equal(scaler.transform(images), PixelScaler(mode).fit(images).transform(images))
        scaler.check_trainable()


def test_positive_standardize_says_what_it_loses():
    images = random_images()
    scaler = PixelScaler("positive_standardize").fit(images)
    assert not scaler.is_lossless and "clipped" in scaler.loss_reason
    with pytest.raises(ValueError, match=r"expected a lossless scaling to train a generator.*clipped"):
        scaler.check_trainable()
    back = scaler.inverse_transform(scaler.transform(images))
    inside = np.abs(images - scaler.mean_) < scaler.std_ - 1
    np.testing.assert_array_equal(back[inside], images[inside])
    assert not np.array_equal(back, images)


def test_is_lossless_is_found_by_trying():
    """A given standard deviation of 1e60 sends every level to zero in float32."""
    scaler = PixelScaler("standardize", statistics={"mean": 0, "std": 1e60}, dtype="uint8")
    assert not scaler.is_lossless
    assert scaler.loss_reason.startswith("255 of 256 levels are not restored")
    scaler = PixelScaler("standardize", statistics={"mean": 0, "std": 1e-60}, dtype="uint8")
    assert not scaler.is_lossless and "overflow" in scaler.loss_reason


def test_the_way_back_rounds_and_clips_and_never_cuts():
    scaler = PixelScaler("normalize", dtype="uint8")
    values = np.array([-0.3, 0.4, 0.6, 6.6, 254.4, 254.6, 255.4, 400]) / 255
    back = scaler.inverse_transform(values.astype(np.float32).reshape(1, -1, 1, 1))
    assert back.ravel().tolist() == [0, 0, 1, 7, 254, 255, 255, 255]


@pytest.mark.parametrize("mode", ["tanh", "standardize", "zca"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_way_back_refuses_what_is_no_number(mode, bad):
    images = random_images(20, 3, 3)
    scaler = PixelScaler(mode).fit(images)
    scaled = scaler.transform(images)
    scaled[3, 1, 2, 0] = bad
    with pytest.raises(ValueError, match=r"got 1 (NaN|infinite), the first -?(nan|inf) at index \(3, 1, 2, 0\)"):
        scaler.inverse_transform(scaled)


def test_the_way_back_refuses_integers_and_other_shapes():
    images = random_images()
    scaler = PixelScaler().fit(images)
    with pytest.raises(TypeError, match="expected scaled floats, got uint8"):
        scaler.inverse_transform(images)
    with pytest.raises(ValueError, match=r"got \(40, 7, 9, 1\)"):
        scaler.inverse_transform(scaler.transform(images)[..., :1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_way_back_from_other_floats(dtype):
    images = random_images()
    scaler = PixelScaler("tanh").fit(images)
    back = scaler.inverse_transform(scaler.transform(images).astype(dtype))
    assert np.abs(back.astype(int) - images).max() <= (1 if dtype is np.float16 else 0)


# Whitening


@pytest.mark.parametrize("mode", ["pca", "zca"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [3, 400])
def test_whitening_returns_the_identical_image(mode, dtype, count):
    """Also of images it never saw, of fewer images than values, and of the extremes."""
    images = random_images(count, 4, 5, dtype=dtype)
    scaler = PixelScaler(mode).fit(images)
    white = np.iinfo(dtype).max
    unseen = np.random.default_rng(1).choice([0, white // 3, white], (200, 4, 5, 3)).astype(dtype)
    for some in (images, unseen):
        scaled = scaler.transform(some)
        assert scaled.shape == some.shape and scaled.dtype == np.float32
        np.testing.assert_array_equal(scaler.inverse_transform(scaled), some)
    assert scaler.is_lossless
    scaler.check_trainable()


@pytest.mark.parametrize("mode", ["pca", "zca"])
def test_whitening_leaves_uncorrelated_values_of_variance_one(mode):
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(3000, 12)) @ generator.normal(size=(12, 12)) * 12 + 128
    images = np.clip(np.rint(mixed), 0, 255).astype(np.uint8).reshape(-1, 2, 2, 3)
    scaler = PixelScaler(mode, epsilon=1e-9).fit(images)
    flat = scaler.transform(images).reshape(len(images), -1).astype(np.float64)
    np.testing.assert_allclose(np.cov(flat.T, bias=True), np.eye(12), atol=1e-4)
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-5)
    wide = images.reshape(len(images), -1).astype(np.float64)
    np.testing.assert_allclose(scaler.mean_.ravel(), wide.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scaler.std_.ravel(), wide.std(axis=0), rtol=1e-10)


def test_zca_stays_closest_to_the_image():
    images = random_images(500, 3, 3)
    closeness = {}
    for mode in ("pca", "zca"):
        scaled = PixelScaler(mode).fit(images).transform(images).reshape(500, -1)
        standard = PixelScaler("standardize").fit(images).transform(images).reshape(500, -1)
        closeness[mode] = np.corrcoef(scaled.ravel(), standard.ravel())[0, 1]
    assert closeness["zca"] > 0.9 > abs(closeness["pca"])


def test_whitening_shards_and_limits():
    images = random_images(50, 3, 3)
    whole = PixelScaler("zca").fit(images)
    parts = PixelScaler("zca").fit(images[30:])
    assert not np.array_equal(parts.transform(images), whole.transform(images))  # used before it goes on learning
    parts.partial_fit(images[:30])
    merged = PixelScaler("zca").fit(images[:9]).merge(PixelScaler("zca").fit(images[9:]))
    for scaler in (parts, merged):
        np.testing.assert_array_equal(scaler.transform(images), whole.transform(images))
    with pytest.raises(ValueError, match=r"at most 4096 values per image for whitening, got 6912 from \(48, 48, 3\)"):
        PixelScaler("pca").fit(random_images(2, 48, 48))
    with pytest.raises(ValueError, match=r"expected images of shape \(3, 3, 3\) as in fit, got \(4, 3, 3\)"):
        whole.transform(random_images(2, 4, 3))
    with pytest.raises(ValueError, match=r"expected images of shape \(3, 3, 3\) as before"):
        whole.partial_fit(random_images(2, 4, 3))
    constant = np.full((4, 2, 2, 1), 9, np.uint8)
    assert (PixelScaler("pca").fit(constant).transform(constant) == 0).all()


# Bad use


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", ["image", "batch", "dataset"])
def test_everything_before_fit_is_refused(tmp_path, mode, scope):
    if mode in ("pca", "zca") and scope != "dataset":
        return
    scaler = PixelScaler(mode, scope)
    images = random_images(2, 3, 3)
    for use in (
        lambda: scaler.transform(images),
        lambda: scaler.inverse_transform(np.zeros(images.shape, np.float32)),
        lambda: scaler.save(tmp_path / "preprocessing.json"),
        lambda: scaler.mean_,
        lambda: scaler.std_,
        lambda: scaler.dtype_,
    ):
        with pytest.raises(NotFittedError, match=r"expected a .*fit"):
            use()
    assert issubclass(NotFittedError, ValueError) and not hasattr(scaler, "mean_")
    assert not (tmp_path / "preprocessing.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "minmax"}, "expected mode to be one of"),
        ({"scope": "epoch"}, "expected scope to be one of"),
        ({"per_channel": "yes"}, "expected per_channel to be one of"),
        ({"mode": "center", "centering": "never"}, "expected centering to be one of"),
        ({"maximum": 0}, "positive finite number for maximum"),
        ({"maximum": "highest"}, "positive finite number for maximum"),
        ({"maximum": math.nan}, "positive finite number for maximum"),
        ({"dtype": "float32"}, "expected dtype to be one of"),
        ({"dtype": "pixels"}, "expected dtype to be one of"),
        ({"value_range": (1, 1)}, "expected finite low < high"),
        ({"statistics": "cifar"}, "expected statistics to be one of"),
        ({"mode": "standardize", "statistics": {"mean": 1}}, 'expected statistics={"mean"'),
        ({"mode": "standardize", "statistics": {"mean": 1, "std": 0}}, "positive stds"),
        ({"mode": "standardize", "statistics": {"mean": [1, 2], "std": [1, 2]}}, "expected 1, 3 or 4 numbers"),
        ({"mode": "standardize", "statistics": {"mean": "a", "std": 1}}, "expected numbers of the same length"),
        ({"statistics": "imagenet", "per_channel": False}, "expected per_channel=True"),
        ({"statistics": "imagenet", "scope": "image"}, "expected scope='dataset'"),
        ({"statistics": "imagenet", "maximum": "data"}, "expected learned extremes"),
        ({"mode": "zca", "scope": "batch"}, "expected scope='dataset', per_channel=True"),
        ({"mode": "pca", "per_channel": False}, "expected scope='dataset', per_channel=True"),
        ({"mode": "pca", "epsilon": 0}, "positive finite number for epsilon"),
        ({"mode": "tanh", "epsilon": 1}, "expected epsilon only with"),
    ],
)
def test_settings_that_do_not_go_together(arguments, words):
    with pytest.raises(ValueError) as caught:
        PixelScaler(**arguments)
    assert words in str(caught.value) and "got" in str(caught.value) and "\n" not in str(caught.value)


def test_another_type_or_channel_count_is_refused():
    images = random_images()
    scaler = PixelScaler("standardize").fit(images)
    with pytest.raises(TypeError, match="expected uint8, got uint16"):
        scaler.transform(images.astype(np.uint16))
    with pytest.raises(TypeError, match="expected uint8, got uint16"):
        scaler.partial_fit(images.astype(np.uint16))
    with pytest.raises(ValueError, match=r"expected images of shape \(n, h, w, 3\), got \(40, 7, 9, 1\)"):
        scaler.transform(images[..., :1])
    with pytest.raises(TypeError, match="float32 without a declared range"):
        scaler.transform(images.astype(np.float32))
    with pytest.raises(ValueError, match="got 1 outside, the first 300"):
        bright = images.astype(np.float32)
        bright[0, 0, 0, 0] = 300
        PixelScaler("standardize", value_range=(0, 255)).fit(bright)
    for bad, words in ((300, "got 1 outside, the first 300"), (np.nan, "got 1 NaN")):
        floats = images.astype(np.float32)
        floats[1, 2, 3, 0] = bad
        own = PixelScaler("standardize", value_range=(0, 255)).fit(images)
        with pytest.raises(ValueError, match=words):
            own.transform(floats)
    with pytest.raises(TypeError, match="expected statistics of uint8, got uint16"):
        scaler.merge(PixelScaler("standardize").fit(images.astype(np.uint16)))
    with pytest.raises(ValueError, match="same settings"):
        scaler.merge(PixelScaler("center").fit(images))
    with pytest.raises(ValueError, match="expected out to be"):
        scaler.transform(images, out=np.empty(images.shape))
    with pytest.raises(ValueError, match="at least one batch"):
        scaler.fit_batches(iter([]))


def test_a_refused_batch_leaves_the_statistics_as_they_were():
    images = random_images()
    scaler = PixelScaler("standardize").fit(images)
    before = scaler.mean_.copy()
    with pytest.raises(TypeError):
        scaler.partial_fit(images.astype(np.uint16))
    scaler.mean_[:] = 0  # a copy: what is handed out does not reach back in
    np.testing.assert_array_equal(scaler.mean_, before)


def test_no_images_become_no_images():
    scaler = PixelScaler().fit(random_images())
    assert scaler.inverse_transform(scaler.transform(np.zeros((0, 7, 9, 3), np.uint8))).shape == (0, 7, 9, 3)


def test_the_input_is_never_modified():
    images = random_images()
    for array, value_range in ((images, None), (images.astype(np.float64), (0, 255)), (images / 255, (0, 1))):
        before = array.copy()
        array.flags.writeable = False
        scaler = PixelScaler("positive_standardize", value_range=value_range).fit(array)
        scaled = scaler.transform(array)
        scaled.flags.writeable = False
        scaler.inverse_transform(scaled)
        np.testing.assert_array_equal(array, before)


def test_threads_share_one_scaler():
    images = random_images(64, 8, 8)
    for mode in ("standardize", "zca"):
        expected = PixelScaler(mode).fit(images).transform(images)
        scaler = PixelScaler(mode).fit(images)
        gate = threading.Barrier(8)

        def work(_, scaler=scaler, gate=gate):
            gate.wait()
            return scaler.transform(images)

        with ThreadPoolExecutor(8) as pool:
            for scaled in pool.map(work, range(8)):
                np.testing.assert_array_equal(scaled, expected)


# One image


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("pca", "zca")])
@pytest.mark.parametrize("per_channel", [True, False])
def test_scale_image_uses_the_images_own_statistics(mode, per_channel):
    image = random_images(1)[0]
    axes = (0, 1) if per_channel else None
    mean, std = (getattr(image.astype(np.float64), name)(axis=axes) for name in ("mean", "std"))
    np.testing.assert_allclose(scale_image(image, mode, per_channel), reference(image, mode, mean, std), atol=1e-6)
    gray = scale_image(image[..., 0], mode, per_channel)
    assert gray.shape == image.shape[:2]
    np.testing.assert_array_equal(gray, scale_image(image[..., :1], mode, per_channel)[..., 0])


def test_scale_image_refuses():
    with pytest.raises(
        ValueError, match=r"expected images of shape \(h, w, 1 or 3 or 4\), got \(3, 4, 5\); .*channels-first"
    ):
        scale_image(np.zeros((3, 4, 5), np.uint8))
    with pytest.raises(ValueError, match="needs many images"):
        scale_image(np.zeros((4, 5), np.uint8), "zca")
    with pytest.raises(TypeError, match="masked"):
        scale_image(np.ma.array(np.zeros((4, 5), np.uint8)))
    with pytest.raises(TypeError, match="got int64"):
        scale_image(np.zeros((4, 5), np.int64))


def test_scale_image_with_arguments():
    image = random_images(1)[0]
    floats = (image / 255).astype(np.float32)
    np.testing.assert_array_equal(scale_image(floats, "tanh", value_range=(0, 1)), scale_image(image, "tanh"))
    assert scale_image(image, "normalize", maximum="data").max() == 1
    assert scale_image(image, "standardize", statistics="imagenet").shape == image.shape


# The house


def test_importing_is_quick_and_light():
    code = "import sys, preprocessing; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("tensorflow", "keras", "PIL", "matplotlib", "scipy", "sklearn"):
        assert f"'{heavy}'" not in listed


def test_a_small_batch_is_scaled_in_a_moment():
    """In the training feed; several times less than an eager NumPy formula, so a lost block path would show."""
    images = random_images(128, 32, 32)
    scaler = PixelScaler("standardize").fit(images)
    out = np.empty(images.shape, np.float32)

    def seconds(work):
        best = math.inf
        for _ in range(20):
            start = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - start)
        return best

    plain = seconds(lambda: ((images.astype(np.float64) - scaler.mean_) / scaler.std_).astype(np.float32))
    assert seconds(lambda: scaler.transform(images, out=out)) < plain / 1.5
