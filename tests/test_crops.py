"""Several images from each picture file: the center, then random parts of at least half its size."""

import numpy as np
import pytest
from conftest import QUICKEST

import train
from image_datasets import ReadingOptions, load_images
from image_datasets.crops import random_crop
from imaging import fit_image, save_image

CROPS = 5


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    """uint16 (60, 90, 3): each pixel tells its row and its column."""
    rows, columns = np.indices((60, 90), np.uint16)
    return np.stack([rows, columns, 0 * rows], axis=-1)


@pytest.fixture
def folder(tmp_path):
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            noise = np.random.default_rng([ord(label), number]).integers(0, 256, (40, 64, 3), np.uint8)
            save_image(tmp_path / "photos" / label / f"{number}.png", noise)
    return tmp_path / "photos"


@pytest.mark.parametrize(("size", "largest"), [((16, 16), (60, 60)), ((16, 32), (45, 90)), ((60, 60), (60, 60))])
def test_a_crop_is_a_part_of_the_picture_with_the_aspect_of_the_size(places, size, largest):
    sides = []
    for number in range(300):
        crop = random_crop(places, size, "a.png", number).astype(int)
        rows, columns = crop.shape[:2]
        top, left = corner = crop[0, 0, :2]
        np.testing.assert_array_equal(crop[..., :2], np.stack(np.indices((rows, columns)), axis=-1) + corner)
        assert abs(rows / size[0] - columns / size[1]) * max(size) <= max(size) / min(size)  # a pixel
        sides.append((rows, columns, top, left))
    smallest = np.maximum(np.array(largest) // 2, size)
    assert tuple(np.max(sides, axis=0)[:2]) == largest and (np.min(sides, axis=0)[:2] >= smallest - 1).all()
    if size[0] < largest[0]:
        assert (np.min(sides, axis=0)[:2] < 0.55 * np.array(largest)).all(), "the smallest come up, too"
        assert (np.min(sides, axis=0)[2:] == 0).all() and np.add(*np.transpose(sides)[[0, 2]]).max() == 60


def test_a_picture_smaller_than_the_size_is_used_to_its_full_height(places):
    assert random_crop(places[:10, :20], (16, 16), "a.png", 1).shape == (10, 10, 3)


def test_the_first_is_the_center_the_others_are_their_own_and_the_same_each_time(folder):
    whole, center = load_images(folder), load_images(folder, ReadingOptions((16, 16)))
    cut, again = (load_images(folder, ReadingOptions((16, 16), crops=CROPS)) for _ in range(2))
    assert cut.images.shape == (6 * CROPS, 16, 16, 3) and "cut 5 images out of each picture" in cut.report.changes
    np.testing.assert_array_equal(cut.images, again.images)
    np.testing.assert_array_equal(cut.images[::CROPS], center.images)
    np.testing.assert_array_equal(cut.labels, np.repeat(center.labels, CROPS))
    assert len(np.unique(cut.images.reshape(len(cut.images), -1), axis=0)) == len(cut.images)
    expected = fit_image(random_crop(whole.images[4], (16, 16), "b/1.png", 3), (16, 16))
    np.testing.assert_array_equal(cut.images[4 * CROPS + 3], expected)


def test_on_demand_they_are_those_in_memory(folder):
    options = {"image_size": (16, 16), "crops": CROPS}
    resident, streamed = (load_images(folder, ReadingOptions(in_memory_bytes=size, **options)) for size in (2**30, 0))
    chosen = np.random.default_rng(0).permutation(6 * CROPS)
    np.testing.assert_array_equal(streamed.take(chosen), resident.images[chosen])
    assert streamed.fingerprint() == resident.fingerprint()


def test_a_damaged_picture_is_one_however_many_are_cut_from_it(folder):
    (folder / "a" / "9.png").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"got 1 that cannot be read \(a/9\.png\)") as error:
        load_images(folder, ReadingOptions((16, 16), crops=CROPS))
    assert error.value.choices == {"skip_damaged": True} and error.value.image_count == 6 * CROPS
    left = load_images(folder, ReadingOptions((16, 16), crops=CROPS, skip_damaged=True))
    assert len(left.images) == len(left.labels) == 6 * CROPS


@pytest.mark.parametrize(
    ("options", "got"), [({}, "got no size"), ({"image_size": (16, 16), "fit": "pad"}, "got fit 'pad'")]
)
def test_they_need_a_size_to_be_cut_to(options, got):
    with pytest.raises(ValueError, match=got):
        ReadingOptions(crops=2, **options)


def test_an_array_has_no_parts_to_choose(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 32, 32), np.uint8))
    with pytest.raises(ValueError, match=r"expected a folder or a \.zip of pictures for crops, got .*a\.npy"):
        load_images(tmp_path / "a.npy", ReadingOptions((16, 16), crops=2))


def test_a_run_learns_from_them(folder, tmp_path, run_script):
    run = tmp_path / "run"
    common = ("--data", folder, "--image-size", 16, "--crops", CROPS, "--batch-size", 10, *QUICKEST)
    outcome = run_script(train, *common, "--epochs", 1, "--run-dir", run)
    assert outcome.status == 0 and "30 images of 16x16" in outcome.stdout + outcome.stderr
    assert run_script(train, "--run-dir", run, "--resume", "--epochs", 2).status == 0
