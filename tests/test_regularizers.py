"""Penalties equal their closed forms on discriminators whose slopes are known."""

import numpy as np
import pytest
import tensorflow as tf

from training.regularizers import gradient_norm_penalty, zero_centered_penalty

IMAGES, OTHERS = np.random.default_rng(0).normal(size=(2, 5, 4, 4, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(48, 1)).astype(np.float32)


def linear(images):
    return tf.reshape(images, (-1, 48)) @ WEIGHTS


def quadratic(images):
    """½ ‖image‖², whose slope is the image itself."""
    return 0.5 * tf.reduce_sum(tf.square(images), axis=(1, 2, 3))[:, tf.newaxis]


def test_slope_of_a_linear_discriminator_is_its_weights():
    logits, penalty = zero_centered_penalty(linear, tf.constant(IMAGES))
    np.testing.assert_allclose(penalty, np.sum(WEIGHTS**2), rtol=1e-5)
    np.testing.assert_allclose(logits, linear(IMAGES), rtol=1e-6)


def test_slope_of_a_quadratic_discriminator_is_the_image():
    _, penalty = zero_centered_penalty(quadratic, tf.constant(IMAGES))
    np.testing.assert_allclose(penalty, np.square(IMAGES).sum(axis=(1, 2, 3)).mean(), rtol=1e-5)


def test_gradient_norm_is_pulled_to_one():
    shares = tf.zeros((5, 1, 1, 1))
    unit = WEIGHTS / np.linalg.norm(WEIGHTS)
    at_one = gradient_norm_penalty(lambda images: tf.reshape(images, (-1, 48)) @ unit, IMAGES, OTHERS, shares)
    np.testing.assert_allclose(at_one, 0.0, atol=1e-10)
    found = gradient_norm_penalty(linear, IMAGES, OTHERS, shares)
    np.testing.assert_allclose(found, (np.linalg.norm(WEIGHTS) - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_gradient_norm_is_taken_between_real_and_generated(share):
    """The quadratic discriminator tells where it was asked: its slope there is the point itself."""
    found = gradient_norm_penalty(quadratic, tf.constant(IMAGES), tf.constant(OTHERS), tf.fill((5, 1, 1, 1), share))
    norms = np.linalg.norm((IMAGES + share * (OTHERS - IMAGES)).reshape(5, -1), axis=1)
    np.testing.assert_allclose(found, np.square(norms - 1).mean(), rtol=1e-5)


def test_penalty_can_be_trained_against():
    """Its slope with regard to the weights of a linear discriminator is twice the weights."""
    weights = tf.Variable(WEIGHTS)
    with tf.GradientTape() as tape:
        _, penalty = zero_centered_penalty(lambda images: tf.reshape(images, (-1, 48)) @ weights, tf.constant(IMAGES))
    np.testing.assert_allclose(tape.gradient(penalty, weights), 2 * WEIGHTS, rtol=1e-5)


def test_flat_discriminator_has_a_finite_penalty():
    weights = tf.Variable(np.zeros((48, 1), np.float32))
    with tf.GradientTape() as tape:
        penalty = gradient_norm_penalty(
            lambda images: tf.reshape(images, (-1, 48)) @ weights, IMAGES, OTHERS, tf.zeros((5, 1, 1, 1))
        )
    assert np.isfinite(tape.gradient(penalty, weights).numpy()).all()
