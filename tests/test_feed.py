"""The feed gives the batches that (seed, step) ask for, whatever else happens in the background."""

import threading
import time
import zipfile

import numpy as np
import pytest
from conftest import small_images

from image_datasets import ImageSet, ReadingOptions, epoch_order, load_images
from imaging import save_image
from preprocessing import PixelScaler
from training.feed import BatchPlan, Feed

COUNT, BATCH_SIZE, SEED = 50, 8, 3
STEPS_PER_EPOCH = COUNT // BATCH_SIZE  # two images are left over in each epoch


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return ImageSet("blobs", small_images(COUNT), np.arange(COUNT, dtype=np.int64) % 7, tuple("abcdefg"))


@pytest.fixture(scope="module")
def scaler(images) -> PixelScaler:
    return PixelScaler("standardize").fit(images.images)


def read_all(images: ImageSet, scaler: PixelScaler, batch_size: int, steps: range, second: bool = False) -> list:
    with Feed(images, scaler, BatchPlan(batch_size, SEED, second), steps) as feed:
        return list(feed)


def feed_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("feed")]


def test_batches_are_those_of_the_order_of_their_epoch(images, scaler):
    batches = read_all(images, scaler, BATCH_SIZE, range(2 * STEPS_PER_EPOCH))
    assert len(batches) == 2 * STEPS_PER_EPOCH
    for step, batch in enumerate(batches):
        epoch, position = divmod(step, STEPS_PER_EPOCH)
        chosen = epoch_order(COUNT, SEED, epoch)[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        np.testing.assert_array_equal(batch.images, scaler.transform(images.images[chosen]))
        np.testing.assert_array_equal(batch.labels, images.labels[chosen])
        assert batch.second_images is None


def test_batches_are_contiguous_float32_of_their_own(images, scaler):
    batches = read_all(images, scaler, BATCH_SIZE, range(4), second=True)
    arrays = [array for batch in batches for array in (batch.images, batch.second_images)]
    for array in arrays:
        assert array.dtype == np.float32 and array.flags.c_contiguous and array.shape == (BATCH_SIZE, 16, 16, 3)
    assert not any(np.shares_memory(one, other) for one in arrays for other in arrays if one is not other)
    assert all(batch.labels.dtype == np.int64 for batch in batches)


@pytest.mark.parametrize("first", [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2])
def test_a_resumed_run_gets_the_batches_it_would_have_got(images, scaler, first):
    last = 2 * STEPS_PER_EPOCH + 1
    whole = read_all(images, scaler, BATCH_SIZE, range(last), second=True)
    resumed = read_all(images, scaler, BATCH_SIZE, range(first, last), second=True)
    assert len(resumed) == last - first
    for one, other in zip(whole[first:], resumed, strict=True):
        for name in one._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def numbered_images(count: int) -> tuple[np.ndarray, PixelScaler]:
    """Each image is one shade, its number."""
    images = np.arange(count, dtype=np.uint8).repeat(256).reshape(count, 16, 16, 1)
    return images, PixelScaler("tanh").fit(images)


def orders_of(batches: list, scaler: PixelScaler) -> list[np.ndarray]:
    """The numbers of the images, of the second ones."""
    return [
        np.concatenate([scaler.inverse_transform(getattr(batch, name))[:, 0, 0, 0] for batch in batches])
        for name in ("images", "second_images")
    ]


def test_the_second_images_are_others_in_an_order_of_their_own():
    count = 64
    numbered, scaler = numbered_images(count)
    images = ImageSet("numbered", numbered)
    batches = read_all(images, scaler, 16, range(8), second=True)  # two epochs
    orders = [epoch for order in orders_of(batches, scaler) for epoch in np.split(order, 2)]
    for order in orders:
        assert sorted(order) == list(range(count)), "a permutation in each epoch"
    assert len({order.tobytes() for order in orders}) == 4, "all different"
    np.testing.assert_array_equal(orders[2], epoch_order(count, SEED, 0, draw=1))
    alone = read_all(images, scaler, 16, range(8))
    for one, other in zip(alone, batches, strict=True):
        np.testing.assert_array_equal(one.images, other.images)


def test_the_second_images_have_the_classes_of_the_first():
    count, classes = 60, np.array([0] * 40 + [1] * 15 + [2] * 5)
    numbered, scaler = numbered_images(count)
    labels = np.random.default_rng(0).permutation(classes)
    batches = read_all(ImageSet("numbered", numbered, labels), scaler, 20, range(6), second=True)
    first, second = orders_of(batches, scaler)
    np.testing.assert_array_equal(labels[first], np.concatenate([batch.labels for batch in batches]))
    np.testing.assert_array_equal(labels[first], labels[second])
    for epoch in np.split(second, 2):
        assert sorted(epoch) == list(range(count)), "a permutation in each epoch"
    assert np.mean(first == second) < 0.2, "seldom an image with itself"


def test_without_labels_there_are_none(images, scaler):
    (batch,) = read_all(ImageSet("blobs", images.images), scaler, BATCH_SIZE, range(5, 6), second=True)
    assert batch.labels is None and batch.second_images is not None


def test_scope_batch_scales_each_batch_by_itself(images):
    scaler = PixelScaler("standardize", scope="batch", per_channel=False).fit(images.images)
    for batch in read_all(images, scaler, BATCH_SIZE, range(3)):
        assert abs(batch.images.mean(dtype=np.float64)) < 1e-6 and abs(batch.images.std(dtype=np.float64) - 1) < 1e-6


@pytest.mark.parametrize("packed", [False, True])
def test_streaming_gives_the_batches_of_memory(tmp_path, packed):
    path = tmp_path / "pictures"
    for number, image in enumerate(small_images(COUNT)):
        (path / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        save_image(path / f"{number % 3}" / f"{number}.png", image)
    if packed:
        with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
            for file in path.rglob("*.png"):
                archive.write(file, file.relative_to(path))
        path = tmp_path / "pictures.zip"
    resident, streamed = load_images(path), load_images(path, ReadingOptions(in_memory_bytes=0))
    assert isinstance(resident.images, np.ndarray) and not isinstance(streamed.images, np.ndarray)
    scaler = PixelScaler("standardize").fit(resident.images)
    pairs = (
        read_all(images, scaler, BATCH_SIZE, range(2 * STEPS_PER_EPOCH), second=True) for images in (resident, streamed)
    )
    for one, other in zip(*pairs, strict=True):
        for name in one._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


class Failing:
    """Images of which all but the first few cannot be read."""

    def __init__(self, images: np.ndarray, good: int) -> None:
        self._images, self._good, self.shape = images, good, images.shape
        self.asked = 0

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, chosen):
        self.asked += 1
        if self.asked > self._good:
            raise OSError("the disk is gone")
        return self._images[chosen]


def test_errors_reach_the_caller_as_they_are_and_end_the_threads(images, scaler):
    with Feed(ImageSet("bad", Failing(images.images, 2)), scaler, BatchPlan(BATCH_SIZE, SEED), range(6)) as feed:
        next(feed), next(feed)
        with pytest.raises(OSError, match="the disk is gone"):
            next(feed)
        assert not feed_threads()
        assert next(feed, None) is None


def test_only_a_few_batches_are_made_ahead(images, scaler):
    counted = Failing(images.images, 10**6)
    with Feed(ImageSet("counted", counted), scaler, BatchPlan(2, SEED), range(1000)) as feed:
        next(feed)
        time.sleep(0.2)
        assert 1 < counted.asked < 12


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_threads_end_when_the_consumer_stops(images, scaler, error):
    with pytest.raises(error), Feed(images, scaler, BatchPlan(BATCH_SIZE, SEED), range(10**6)) as feed:
        next(feed)
        assert feed_threads()
        raise error
    assert not feed_threads()


def test_threads_end_when_the_feed_is_forgotten(images, scaler):
    feed = Feed(images, scaler, BatchPlan(BATCH_SIZE, SEED), range(10**6))
    next(feed)
    del feed
    patience = time.monotonic() + 10
    while feed_threads() and time.monotonic() < patience:
        time.sleep(0.01)
    assert not feed_threads()


def test_batches_are_made_while_the_step_runs(images, scaler):
    """A slow reader and a slow step take the time of one of them, not of both."""

    class Slow(Failing):
        def __getitem__(self, chosen):
            time.sleep(0.05)
            return super().__getitem__(chosen)

    start = time.perf_counter()
    with Feed(ImageSet("slow", Slow(images.images, 100)), scaler, BatchPlan(2, SEED), range(20)) as feed:
        for _ in feed:
            time.sleep(0.05)
    assert time.perf_counter() - start < 1.6  # 2.0 one after the other


def test_refuses_what_cannot_be_fed(images, scaler):
    with pytest.raises(ValueError, match="from 1 to the 50 images"):
        Feed(images, scaler, BatchPlan(51, SEED), range(1))
    with pytest.raises(ValueError, match="expected steps such as"):
        Feed(images, scaler, BatchPlan(8, SEED), range(2, 1))
    assert read_all(images, scaler, 8, range(4, 4)) == []
