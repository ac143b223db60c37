"""The train step: randomness follows from (seed, step), each network is trained against the other, traced once."""

import numpy as np
import pytest
import tensorflow as tf

from config import TrainingConfig
from training.losses import GanLoss, gan_loss
from training.networks import Networks, build_networks
from training.step import build_train_step

SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype(np.float32)


def build(
    seed: int = 0, loss: GanLoss | None = None, precision: str = "float32", averaging: float = 0.05
) -> tuple[Networks, object]:
    networks = build_networks(TrainingConfig(seed=seed, precision=precision), SHAPE, "tanh")
    return networks, build_train_step(networks, loss or gan_loss("non_saturating"), seed, averaging)


def state_after(steps: int, **settings) -> dict[str, np.ndarray]:
    networks, step = build(**settings)
    for number in range(steps):
        step(IMAGES, tf.constant(number, tf.int32))
    return networks.state()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_seed_same_bits(precision):
    first, second = state_after(3, precision=precision), state_after(3, precision=precision)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_another_seed_is_another_run():
    first, second = state_after(1, seed=0), state_after(1, seed=1)
    assert not np.array_equal(first["generator/0"], second["generator/0"])


def test_a_restored_state_goes_on_with_the_same_bits():
    networks, step = build()
    for number in range(2):
        step(IMAGES, tf.constant(number, tf.int32))
    stored = networks.state()
    fresh, fresh_step = build(seed=0)
    fresh_step(IMAGES, tf.constant(7, tf.int32))  # anything: the dropout generators must not remember it
    fresh.restore(stored)
    step(IMAGES, tf.constant(2, tf.int32))
    fresh_step(IMAGES, tf.constant(2, tf.int32))
    expected, found = networks.state(), fresh.state()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_dropout_and_latents_change_with_the_step():
    networks, step = build()
    stored = networks.state()
    first = float(step(IMAGES, tf.constant(0, tf.int32))["discriminator_loss"])
    networks.restore(stored)
    again = float(step(IMAGES, tf.constant(0, tf.int32))["discriminator_loss"])
    networks.restore(stored)
    other = float(step(IMAGES, tf.constant(1, tf.int32))["discriminator_loss"])
    assert first == again != other


def test_each_loss_moves_only_its_own_network():
    nothing = lambda *logits: 0.0 * sum(map(tf.reduce_sum, logits))  # noqa: E731
    playing = gan_loss("non_saturating")

    def moved(loss: GanLoss) -> set[str]:
        networks, step = build(loss=loss)
        before = [networks.generator.get_weights()[0], networks.discriminator.get_weights()[0]]
        step(IMAGES, tf.constant(0, tf.int32))
        after = [networks.generator.get_weights()[0], networks.discriminator.get_weights()[0]]
        names = ("generator", "discriminator")
        return {name for name, old, new in zip(names, before, after, strict=True) if not np.array_equal(old, new)}

    assert moved(GanLoss(playing.discriminator, nothing)) == {"discriminator"}
    assert moved(GanLoss(nothing, playing.generator)) == {"generator"}
    assert moved(playing) == {"generator", "discriminator"}


def test_step_runs_the_networks_in_training_mode():
    """Dropout draws in each of the three passes of the discriminator, and batch statistics move."""
    networks, step = build()
    layers = [layer for layer in networks.discriminator.layers if getattr(layer, "seed_generator", None) is not None]
    before = [variable.numpy().copy() for variable in networks.generator.non_trainable_variables]
    step(IMAGES, tf.constant(6, tf.int32))
    assert layers
    for number, layer in enumerate(layers):
        start = [2**31 + number, 6 * 4]
        assert layer.seed_generator.state.numpy().tolist() == [start[0], start[1] + 3]
    after = [variable.numpy() for variable in networks.generator.non_trainable_variables]
    assert all(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_step_is_traced_once():
    _, step = build()
    for number in range(4):
        step(IMAGES, tf.constant(number, tf.int32))
    assert step.experimental_get_tracing_count() == 1


def test_discriminator_learns_to_tell_images_from_noise():
    _, step = build()
    losses = [float(step(IMAGES, tf.constant(number, tf.int32))["discriminator_loss"]) for number in range(12)]
    assert losses[-1] < losses[0]


def test_averaged_generator_follows_with_its_half_life():
    """After step s it keeps 0.5 ** (1 / (share · s)) of the difference; at step 0 it is the live one."""
    networks, step = build(averaging=0.25)
    averages = [networks.averaged_generator.trainable_variables[0].numpy().copy()]
    for number in range(9):
        step(IMAGES, tf.constant(number, tf.int32))
        live = networks.generator.trainable_variables[0].numpy()
        keep = 0.0 if number == 0 else 0.5 ** (1 / (0.25 * number))
        averages.append(live + (averages[-1] - live) * np.float32(keep))
        found = networks.averaged_generator.trainable_variables[0].numpy()
        np.testing.assert_allclose(found, averages[-1], atol=1e-7)
    assert not np.array_equal(found, live)


def test_sampler_has_averaged_weights_and_live_batch_statistics():
    networks, step = build()
    for number in range(40):
        step(IMAGES, tf.constant(number, tf.int32))
    sampler = networks.sampler()
    live, drawn = networks.generator.non_trainable_variables, sampler.non_trainable_variables
    assert all(np.array_equal(one.numpy(), other.numpy()) for one, other in zip(live, drawn, strict=True))
    assert not np.array_equal(sampler.trainable_variables[0].numpy(), networks.generator.trainable_variables[0].numpy())


def test_without_averaging_the_sampler_is_the_live_generator():
    networks, step = build(averaging=0.0)
    for number in range(3):
        step(IMAGES, tf.constant(number, tf.int32))
    pairs = zip(networks.sampler().get_weights(), networks.generator.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
