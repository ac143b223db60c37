"""Laws of a scaler's statistics: exact, the same in any order and in parts, in little memory."""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pixel_arrays import TYPES, random_images

from pixels import statistics as pixel_statistics
from preprocessing import PixelScaler


def exact_moments(values):
    """Mean and standard deviation by Python's fractions, from any list of integers."""
    values = [int(value) for value in values]
    mean = Fraction(sum(values), len(values))
    variance = Fraction(sum(value * value for value in values), len(values)) - mean**2
    return float(mean), math.sqrt(variance)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_equal_fractions(dtype, channels):
    images = random_images(channels=channels, dtype=dtype)
    scaler = PixelScaler("standardize").fit(images)
    for channel in range(channels):
        mean, std = exact_moments(images[..., channel].ravel())
        assert scaler.mean_[channel] == mean
        assert scaler.std_[channel] == pytest.approx(std, rel=3e-16)
    whole = PixelScaler("standardize", per_channel=False).fit(images)
    mean, std = exact_moments(images.ravel())
    assert whole.mean_ == mean and np.ndim(whole.mean_) == 0
    assert whole.std_ == pytest.approx(std, rel=3e-16)


def test_statistics_of_sizes_around_the_blocks():
    """Pixels beyond the last whole row and block are counted too, up to several blocks."""
    pixels_in_block = pixel_statistics.BLOCK_ROWS * pixel_statistics.BLOCK_PIXELS
    for pixels in (
        1,
        255,
        256,
        257,
        pixels_in_block - 1,
        pixels_in_block,
        pixels_in_block + 1,
        2 * pixels_in_block + 300,
    ):
        for dtype in TYPES:
            images = np.random.default_rng(pixels).integers(0, np.iinfo(dtype).max + 1, (1, 1, pixels, 3)).astype(dtype)
            measured = pixel_statistics.measure(images)
            wide = images.reshape(-1, 3).astype(np.int64)
            assert measured.pixels == pixels
            assert measured.sums == tuple(wide.sum(axis=0).tolist())
            assert measured.squares == tuple((wide**2).sum(axis=0).tolist())
            assert measured.lowest == tuple(wide.min(axis=0)) and measured.highest == tuple(wide.max(axis=0))


@pytest.mark.parametrize("dtype", TYPES)
def test_the_brightest_images_do_not_overflow(dtype):
    white = np.iinfo(dtype).max
    measured = pixel_statistics.measure(np.full((9, 128, 256, 1), white, dtype))
    assert measured.sums == (9 * 128 * 256 * white,)
    assert measured.squares == (9 * 128 * 256 * white**2,)


def test_running_columns_are_emptied_in_time(monkeypatch):
    monkeypatch.setattr(pixel_statistics, "BLOCKS_BEFORE_FLUSH", 2)
    monkeypatch.setattr(pixel_statistics, "BLOCK_ROWS", 2)
    images = random_images(50, 16, 16)
    accumulator = pixel_statistics._IntegerAccumulator(3, images.dtype)
    block = images.reshape(-1)[: 2 * pixel_statistics.BLOCK_PIXELS * 3]
    for blocks in range(1, 5):
        accumulator.add(block)
        assert accumulator._columns.any() == (blocks % 2 == 1)
    assert pixel_statistics.measure(images).sums == tuple(images.sum(axis=(0, 1, 2), dtype=np.int64).tolist())


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_shards_in_any_order_equal_the_whole(data):
    dtype = data.draw(st.sampled_from(TYPES))
    count = data.draw(st.integers(1, 12))
    images = data.draw(hnp.arrays(dtype, (count, 3, 2, 3)))
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=5))) if count > 1 else []
    shards = data.draw(st.permutations(np.split(images, cuts)))
    whole = PixelScaler("standardize").fit(images)
    by_parts = PixelScaler("standardize")
    merged = PixelScaler("standardize")
    for shard in shards:
        by_parts.partial_fit(shard)
        merged.merge(PixelScaler("standardize").fit(shard))
    batches = PixelScaler("standardize").fit_batches(iter(shards))
    for scaler in (by_parts, merged, batches):
        np.testing.assert_array_equal(scaler.mean_, whole.mean_)
        np.testing.assert_array_equal(scaler.std_, whole.std_)
        np.testing.assert_array_equal(scaler.transform(images), whole.transform(images))


def test_shards_may_have_different_sizes():
    small, large = random_images(5, 4, 4), random_images(5, 9, 11)
    scaler = PixelScaler("standardize").partial_fit(small).partial_fit(large)
    pixels = np.concatenate([small.reshape(-1, 3), large.reshape(-1, 3)])
    np.testing.assert_array_equal(scaler.mean_, PixelScaler("standardize").fit(pixels[None, None]).mean_)


def test_fit_forgets_what_was_learned_before():
    first, second = random_images(seed=1), random_images(seed=2)
    np.testing.assert_array_equal(PixelScaler().fit(first).fit(second).mean_, PixelScaler().fit(second).mean_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_whole_levels_as_floats_give_the_same_statistics(dtype):
    images = random_images()
    exact = PixelScaler("standardize").fit(images)
    bytes_range = PixelScaler("standardize", value_range=(0, 255)).fit(images.astype(dtype))
    unit_range = PixelScaler("standardize", value_range=(0, 1)).fit((images / 255).astype(dtype))
    for scaler in (bytes_range, unit_range):
        np.testing.assert_array_equal(scaler.mean_, exact.mean_)
        np.testing.assert_array_equal(scaler.std_, exact.std_)
    np.testing.assert_array_equal(unit_range.transform((images / 255).astype(dtype)), exact.transform(images))
    assert unit_range.inverse_transform(unit_range.transform((images / 255).astype(dtype))).dtype == np.uint8


def test_fractional_floats_near_a_constant_keep_their_small_spread():
    """The textbook formula, mean of squares less square of mean, has no correct digit left here."""
    images = (200 + np.random.default_rng(0).normal(0, 1e-4, (10, 8, 8, 1))).astype(np.float32)
    scaler = PixelScaler("standardize", value_range=(0, 255)).fit(images)
    assert scaler.std_[0] == pytest.approx(images.astype(np.float64).std(), rel=1e-9)
    assert scaler.mean_[0] == pytest.approx(images.astype(np.float64).mean(), abs=1e-12)


def test_float32_sums_do_not_stall():
    """The mean of a long float32 data set is right, where a float32 running sum stops growing."""
    images = np.full((300, 256, 256, 1), 200, np.float32)
    images[::2] = 201
    assert PixelScaler(value_range=(0, 255)).fit(images).mean_[0] == 200.5


def test_memory_stays_bounded_for_a_file_larger_than_the_blocks(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "images.npy", mode="w+", dtype=np.uint16, shape=(64, 256, 256, 3))
    mapped[:] = np.arange(64, dtype=np.uint16)[:, None, None, None]
    for images in (mapped, mapped[::-1], mapped[:, :, ::2]):
        tracemalloc.start()
        scaler = PixelScaler("standardize").fit(images)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * 2**20
        np.testing.assert_array_equal(scaler.mean_, [31.5] * 3)


@pytest.mark.parametrize("mode", ["center", "standardize"])
@pytest.mark.parametrize("scope", ["dataset", "batch", "image"])
@pytest.mark.parametrize("level", [0, 1, 77, 255])
def test_constant_images_become_zeros_and_come_back(mode, scope, level):
    images = np.full((3, 4, 5, 3), level, np.uint8)
    scaler = PixelScaler(mode, scope).fit(images)
    scaled, statistics = scaler.transform(images, return_statistics=True)
    assert (scaled == 0).all()
    np.testing.assert_array_equal(scaler.inverse_transform(scaled, statistics=statistics), images)


def test_one_constant_channel_leaves_the_others_alone():
    images = random_images()
    images[..., 1] = 40
    scaler = PixelScaler("standardize").fit(images)
    assert scaler.std_[1] == 0 and (scaler.std_[[0, 2]] > 1).all()
    assert (scaler.transform(images)[..., 1] == 0).all()
    assert scaler.is_lossless
    floats = (np.full((2, 3, 3, 1), 0.1, np.float32), (0, 1))
    assert (PixelScaler("standardize", value_range=floats[1]).fit(floats[0]).transform(floats[0]) == 0).all()
