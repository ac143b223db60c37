"""Augmentation: slopes are right, some images stay as they are, the same seed is the same change."""

import numpy as np
import pytest
import tensorflow as tf

from config import AUGMENTATIONS, TrainingConfig
from preprocessing import MODES, PixelScaler
from training.augmentation import CHANCE, MIRROR_CHANCE, augment

SEED = tf.constant([3, 7])
IMAGES = np.random.default_rng(0).uniform(-1, 1, (400, 8, 12, 3)).astype(np.float32)


def changed(kinds: tuple[str, ...], images: np.ndarray = IMAGES, seed: tf.Tensor = SEED) -> np.ndarray:
    return augment(tf.constant(images), kinds, 2.0, seed).numpy()


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_same_seed_same_change_and_shape(kind):
    first = changed((kind,))
    assert first.shape == IMAGES.shape and first.dtype == np.float32
    assert np.array_equal(first, changed((kind,)))
    assert not np.array_equal(first, changed((kind,), seed=tf.constant([3, 8])))


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_the_stated_share_of_images_is_touched(kind):
    touched = (changed((kind,)) != IMAGES).any(axis=(1, 2, 3)).mean()
    still = 1 / 15 if kind == "translation" else 0.0  # a move by nothing: 3 x 5 moves are possible here
    chance = MIRROR_CHANCE if kind == "mirror" else CHANCE
    assert touched == pytest.approx(chance * (1 - still), abs=0.08)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_slopes_are_those_of_finite_differences(kind):
    """Each kind is linear in the image, so a difference of any length gives its slope exactly."""
    images = tf.constant(IMAGES[:16])
    weights = np.random.default_rng(1).normal(size=images.shape).astype(np.float32)
    direction = np.random.default_rng(2).normal(size=images.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = tf.reduce_sum(augment(images, (kind,), 2.0, SEED) * weights)
    expected = np.sum((changed((kind,), images + direction) - changed((kind,), images)) * weights)
    slope = tape.gradient(score, images).numpy()
    assert np.abs(slope).sum() > 0
    np.testing.assert_allclose(np.sum(slope * direction), expected, rtol=1e-3)


def test_mirror_exchanges_left_and_right_or_leaves_the_image():
    mirrored = changed(("mirror",))
    touched = (mirrored != IMAGES).any(axis=(1, 2, 3))
    assert np.array_equal(mirrored[touched], IMAGES[touched][:, :, ::-1])
    assert 0 < touched.sum() < len(IMAGES)


def test_translation_moves_whole_pixels_and_repeats_the_edge():
    """By up to an eighth of either side, rounded: every move that is possible occurs, and no other."""
    rows, columns = np.indices((8, 12))
    numbered = np.repeat((100.0 * rows + columns)[np.newaxis, ..., np.newaxis], 400, axis=0).astype(np.float32)
    moves = {
        (down, right): numbered[0][np.clip(rows + down, 0, 7), np.clip(columns + right, 0, 11)]
        for down in (-1, 0, 1)
        for right in (-2, -1, 0, 1, 2)
    }
    found = [
        [move for move, image in moves.items() if np.array_equal(image, moved)]
        for moved in changed(("translation",), numbered)
    ]
    assert all(len(names) == 1 for names in found)
    assert {names[0] for names in found} == set(moves)


def test_cutout_covers_a_rectangle_with_the_mean_color():
    """Of half of either side, of which the border may cut off a half."""
    images = IMAGES + np.array([0.5, 0.0, -0.3], np.float32)
    cut = changed(("cutout",), images)
    covered = (cut != images).any(axis=-1)
    assert covered.any(axis=(1, 2)).sum() > 200
    for image, result, mask in zip(images, cut, covered, strict=True):
        assert np.array_equal(result[~mask], image[~mask])
        if mask.any():
            np.testing.assert_allclose(result[mask] - image.mean(axis=(0, 1)), 0.0, atol=1e-6)
            sides = mask.any(axis=1), mask.any(axis=0)
            assert np.array_equal(mask, np.outer(*sides))
            assert 2 <= sides[0].sum() <= 4 and 3 <= sides[1].sum() <= 6


def test_color_is_brightness_saturation_and_contrast():
    """An image of a grey pattern and a colour cast: b + c · (pattern + s · cast), each number spread over its range."""
    pattern = np.indices((8, 12)).sum(axis=0)[..., np.newaxis] % 2 - 0.5
    cast = np.array([0.4, -0.1, -0.3])
    images = np.repeat((pattern + cast)[np.newaxis], 400, axis=0).astype(np.float32)
    result = changed(("color",), images).astype(np.float64)
    brightness = result.mean(axis=(1, 2, 3))
    contrast = (result * pattern).mean(axis=(1, 2, 3)) / (pattern**2).mean()
    saturation = (result * cast).mean(axis=(1, 2, 3)) / (cast**2).mean() / contrast
    parts = (values[:, np.newaxis, np.newaxis, np.newaxis] for values in (brightness, contrast, saturation))
    b, c, s = parts
    np.testing.assert_allclose(result, b + c * (pattern + s * cast), atol=1e-5)
    for values, lowest, highest in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0.0, 2.0)):
        reach = highest - lowest
        assert lowest - 1e-5 <= values.min() < lowest + 0.05 * reach
        assert highest - 0.05 * reach < values.max() <= highest + 1e-5


@pytest.mark.parametrize("scaling", MODES)
def test_color_is_refused_where_the_range_has_no_bound(scaling):
    """Brightness is a share of the range."""
    if all(np.isfinite(PixelScaler(scaling).output_range)):
        assert TrainingConfig(scaling=scaling, augmentation=("color",)).scaling == scaling
    else:
        with pytest.raises(ValueError, match="expected augmentation='color' with a scaling of known range"):
            TrainingConfig(scaling=scaling, augmentation=("cutout", "color"))
        assert TrainingConfig(scaling=scaling, augmentation=("translation", "cutout")).scaling == scaling


def test_kinds_follow_each_other_and_unknown_ones_are_refused():
    assert np.array_equal(changed(()), IMAGES)
    both = changed(("color", "cutout"))
    assert not np.array_equal(both, changed(("color",))) and not np.array_equal(both, changed(("cutout",)))
    with pytest.raises(ValueError, match="expected augmentations of color"):
        changed(("flip",))
