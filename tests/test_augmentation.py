"""Augmentation: slopes are right, some images stay as they are, the same seed is the same change."""

import numpy as np
import pytest
import tensorflow as tf

from config import AUGMENTATIONS
from training.augmentation import CHANCE, augment

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
    still = 1 / 9 if kind == "translation" else 0.0  # a move by nothing: 3 x 3 moves are possible here
    assert touched == pytest.approx(CHANCE * (1 - still), abs=0.08)


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


def test_translation_moves_whole_pixels():
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32)[None, None, :, None], (200, 8, 12, 3))
    moved = changed(("translation",), np.ascontiguousarray(ramp))
    offsets = {float(image[4, 6, 0]) - 6 for image in moved}
    assert offsets == {-2.0, -1.0, 0.0, 1.0, 2.0}  # an eighth of 12 pixels, rounded
    assert all(set(np.unique(image)) <= set(range(12)) for image in moved)


def test_cutout_covers_at_most_a_quarter():
    covered = (changed(("cutout",)) != IMAGES).any(axis=-1).mean(axis=(1, 2))
    assert 0.2 < covered.max() <= 0.25 and covered[covered > 0].min() < 0.12


def test_colour_keeps_the_order_of_greys():
    """It is affine in each image: the mean moves by at most the stated part of the range."""
    moves = changed(("colour",)).mean(axis=(1, 2, 3)) - IMAGES.mean(axis=(1, 2, 3))
    assert 0.4 < np.abs(moves).max() <= 0.5


def test_kinds_follow_each_other_and_unknown_ones_are_refused():
    assert np.array_equal(changed(()), IMAGES)
    both = changed(("colour", "cutout"))
    assert not np.array_equal(both, changed(("colour",))) and not np.array_equal(both, changed(("cutout",)))
    with pytest.raises(ValueError, match="expected augmentations of colour"):
        changed(("flip",))
