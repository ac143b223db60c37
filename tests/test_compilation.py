"""XLA takes steps that can be repeated, and is chosen where it is measured to be faster."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import QUICK

import train
from config import TrainingConfig
from image_datasets import ImageSet
from preprocessing import PixelScaler
from runs import RunFolder
from training import compilation
from training.distribution import ONE_DEVICE
from training.losses import gan_loss
from training.networks import build_networks
from training.step import Batch, build_train_step

SHAPE = (16, 16, 3)
PIXELS = np.random.default_rng(0).integers(256, size=(8, *SHAPE), dtype=np.uint8)
BATCH = Batch(PIXELS.astype(np.float32) / 127.5 - 1.0)


def steps_of(xla: str, penalty: float, together: bool = False) -> tuple[list[dict], dict]:
    """What three steps found, taken one by one or in one call, and the state after them."""
    config = TrainingConfig.of(preset="tutorial", r1=penalty, batch_size=8, precision="float32", xla=xla)
    networks = build_networks(config, SHAPE, "tanh")
    step = build_train_step(networks, gan_loss(config.loss), config)
    said = step.together([BATCH] * 3, 0) if together else [step(BATCH, number) for number in range(3)]
    return [{name: np.asarray(value) for name, value in found.items()} for found in said], networks.state()


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_xla_takes_steps_that_can_be_repeated(penalty):
    """One by one or in one call. It draws other latents, so only what the first says of real images can be compared."""
    (without, _), (with_it, state) = (steps_of(xla, penalty) for xla in ("off", "on"))
    again, same = steps_of("on", penalty, together=True)
    np.testing.assert_allclose(with_it[0]["real_logits"], without[0]["real_logits"], rtol=1e-3, atol=1e-5)
    assert not np.array_equal(with_it[0]["generated_logits"], without[0]["generated_logits"]), "was it compiled at all?"
    for name in with_it[2]:
        np.testing.assert_array_equal(with_it[2][name], again[2][name])
    assert all(np.array_equal(state[name], same[name]) for name in state)


@pytest.mark.parametrize("seconds, expected", [({"off": 0.03, "on": 0.01}, 3.0), ({"off": 0.01, "on": 0.02}, 0.5)])
def test_the_gain_is_a_ratio_of_times(monkeypatch, seconds, expected):
    def build_train_step(networks, loss, config, total_steps):
        def step(batches, number):
            time.sleep(seconds[config.xla])
            return [{"generator_loss": 0.0}]

        return SimpleNamespace(together=step)

    monkeypatch.setattr(compilation, "build_train_step", build_train_step)
    config = TrainingConfig.of(preset="dcgan", batch_size=4, precision="float32")
    assert compilation.gain_by_xla(config, SHAPE, "tanh") == pytest.approx(expected, rel=0.2)


def test_the_gain_of_many_steps_in_one_call_is_a_ratio_of_times(monkeypatch):
    def build_train_step(networks, loss, config, total_steps):
        def together(batches, number):
            time.sleep(0.02 + 0.01 * len(batches))
            return [{"generator_loss": 0.0}] * len(batches)

        return SimpleNamespace(together=together)

    monkeypatch.setattr(compilation, "build_train_step", build_train_step)
    config = TrainingConfig.of(preset="dcgan", batch_size=4, precision="float32")
    assert compilation.gain_by_steps_per_execution(config, 4, SHAPE, "tanh") == pytest.approx(2.0, rel=0.2)


def test_a_run_on_a_cpu_is_without_it(image_file, tmp_path, run_script):
    run = tmp_path / "run"
    run_script(train, "--data", image_file, "--run-dir", run, "--epochs", 1, "--batch-size", 16, *QUICK)
    assert RunFolder.open(run).config.xla == "off"


@pytest.mark.parametrize(
    "gain, expected, words",
    [
        (1.5, "on", "1.5 times as fast"),
        (1.0, "off", "1.0 times as fast"),
        (tf.errors.InternalError(None, None, "libdevice not found"), "off", "libdevice not found"),
    ],
    ids=["gains", "does not gain", "cannot compile"],
)
def test_on_a_gpu_it_is_measured(monkeypatch, capsys, gain, expected, words):
    def gain_by_xla(*arguments) -> float:
        if isinstance(gain, Exception):
            raise gain
        return gain

    monkeypatch.setattr(compilation, "gain_by_xla", gain_by_xla)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    images, scaler = ImageSet("pixels", PIXELS, None, ()), PixelScaler("tanh").fit(PIXELS)
    config = compilation.choose_compiler(TrainingConfig(precision="float32"), images, scaler, ONE_DEVICE)
    assert config.xla == expected
    assert words in capsys.readouterr().err
    chosen = TrainingConfig(xla="on")
    assert compilation.choose_compiler(chosen, images, scaler, ONE_DEVICE) is chosen, (
        "what was asked for is not measured"
    )


@pytest.mark.parametrize("gain, interval, expected", [(1.5, 1, 8), (1.5, 3, 9), (1.0, 4, 1)])
def test_on_a_gpu_steps_are_taken_together_where_that_is_faster(monkeypatch, capsys, gain, interval, expected):
    monkeypatch.setattr(compilation, "gain_by_steps_per_execution", lambda *arguments: gain)
    images, scaler = ImageSet("pixels", PIXELS, None, ()), PixelScaler("tanh").fit(PIXELS)
    config = TrainingConfig(precision="float32", xla="off", penalty_interval=interval)
    assert compilation.choose_steps_per_execution(config, images, scaler, ONE_DEVICE) == 1, "there is no GPU here"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert compilation.choose_steps_per_execution(config, images, scaler, ONE_DEVICE) == expected
    assert f"{gain} times as fast" in capsys.readouterr().err
