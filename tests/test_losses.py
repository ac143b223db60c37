"""Every loss equals its formula in NumPy, and its gradients point where the game says."""

import numpy as np
import pytest
import tensorflow as tf

from config import LOSSES
from training.losses import gan_loss

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(0, 3, (64, 1)).astype(np.float32)
GENERATED = RANDOM.normal(0, 3, (64, 1)).astype(np.float32)


def generator_side(loss, real, generated):
    return loss.generator(real, generated) if loss.pairs else loss.generator(generated)


def softplus(values):
    return np.logaddexp(0, values.astype(np.float64))


# Of each loss what the discriminator and the generator pay for REAL and GENERATED, in NumPy.
FORMULAS = {
    "non_saturating": (softplus(-REAL).mean() + softplus(GENERATED).mean(), softplus(-GENERATED).mean()),
    "hinge": (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + GENERATED).mean(), -GENERATED.mean()),
    "wasserstein": (GENERATED.mean() - REAL.mean(), -GENERATED.mean()),
    "relativistic": (softplus(GENERATED - REAL).mean(), softplus(REAL - GENERATED).mean()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_its_formula(name):
    assert name in FORMULAS, f"add the formula of {name} to FORMULAS"
    discriminator, generator = FORMULAS[name]
    loss = gan_loss(name)
    np.testing.assert_allclose(loss.discriminator(REAL, GENERATED), discriminator, rtol=1e-5)
    np.testing.assert_allclose(generator_side(loss, REAL, GENERATED), generator, rtol=1e-5)


def test_non_saturating_is_cross_entropy_on_probabilities():
    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits.astype(np.float64)))

    cross_entropy = -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(GENERATED)).mean()
    np.testing.assert_allclose(gan_loss("non_saturating").discriminator(REAL, GENERATED), cross_entropy, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_each_side_pulls_its_own_way(name):
    loss = gan_loss(name)
    real, generated = tf.zeros((4, 1)), tf.zeros((4, 1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, generated])
        discriminator, generator = loss.discriminator(real, generated), generator_side(loss, real, generated)
    assert (tape.gradient(discriminator, real).numpy() < 0).all(), "real logits should rise"
    assert (tape.gradient(discriminator, generated).numpy() > 0).all(), "generated logits should fall"
    assert (tape.gradient(generator, generated).numpy() < 0).all(), "the generator wants its logits to rise"


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=f"expected loss to be {' or '.join(LOSSES)}, got 'wgan'"):
        gan_loss("wgan")
