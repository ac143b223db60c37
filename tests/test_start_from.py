"""A run that begins from another: what both have is taken over bit for bit, the rest begins anew; resume is exact."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import WHOLE

import train
from config import TrainingConfig
from runs import RunFolder
from training.networks import build_networks
from training.start import begin_from, take_over

OLD_RUN = Path(__file__).resolve().parent / "frozen_runs" / "db04404" / "plain"


def networks(side: int, filters: int, seed: int, channels: int = 3, classes: int = 0):
    config = TrainingConfig(
        preset="r1gan", filters=filters, seed=seed, latent_dim=8, precision="float32", conditional=classes > 0
    )
    return build_networks(config, (side, side, channels), "tanh", classes)


def weights(network: keras.Sequential) -> list[list[np.ndarray]]:
    """Of the layers that have some, from the first to the last."""
    return [layer.get_weights() for layer in network.layers if layer.weights]


def equal(layer: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(layer) == len(other) and all(map(np.array_equal, layer, other))


def test_the_same_size_takes_everything_over_bit_for_bit():
    old, new = networks(16, 4, seed=1), networks(16, 4, seed=2)
    words = take_over(new, old.generator, old.discriminator, 8)
    for ours, theirs in ((new.generator, old.generator), (new.discriminator, old.discriminator)):
        assert equal(ours.get_weights(), theirs.get_weights())
    assert equal(new.averaged_generator.get_weights(), old.generator.get_weights())
    assert words == "generator 9 of 9 layers, discriminator 5 of 5 layers"


def test_twice_the_size_takes_over_every_layer_but_those_beside_the_image():
    old, new = networks(16, 8, seed=1), networks(32, 4, seed=2)
    fresh = weights(new.generator), weights(new.discriminator)
    words = take_over(new, old.generator, old.discriminator, 8)
    assert words == "generator 8 of 11 layers, discriminator 4 of 7 layers; the others are new"
    assert all(map(equal, weights(new.generator)[:8], weights(old.generator)[:8]))
    assert all(map(equal, weights(new.generator)[8:], fresh[0][8:]))
    assert all(map(equal, weights(new.discriminator)[-4:], weights(old.discriminator)[-4:]))
    assert all(map(equal, weights(new.discriminator)[:-4], fresh[1][:-4]))


def test_other_classes_keep_the_latent_vector_and_the_mean_of_the_logits():
    old, new = networks(16, 4, seed=1), networks(16, 4, seed=2, classes=3)
    class_rows = weights(new.generator)[0][0][8:]
    take_over(new, old.generator, old.discriminator, 8)
    kernel = weights(new.generator)[0][0]
    assert np.array_equal(kernel[:8], weights(old.generator)[0][0]) and np.array_equal(kernel[8:], class_rows)
    assert all(map(equal, weights(new.generator)[1:], weights(old.generator)[1:]))
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    judged = np.asarray(new.discriminator(images))
    np.testing.assert_allclose(judged, np.repeat(old.discriminator(images), 3, axis=1), atol=1e-5)


def test_other_channels_and_latent_vectors_leave_their_own_layers_anew():
    old, new = networks(16, 4, seed=1, channels=1), networks(16, 4, seed=2)
    assert take_over(new, old.generator, old.discriminator, 0).startswith("generator 8 of 9 layers, discriminator 4 of")
    assert equal(weights(new.generator)[0], weights(old.generator)[0])


def test_networks_of_another_width_stay_as_they_were_built():
    old, new = networks(16, 4, seed=1), networks(16, 8, seed=2)
    fresh = weights(new.generator)
    assert take_over(new, old.generator, old.discriminator, 8).startswith("generator 0 of ")
    assert all(map(equal, weights(new.generator), fresh))


def test_a_run_from_before_doublings_were_smooth_keeps_its_layers(trained_run):
    """Their kernels are 4×4, and fit no others."""
    choices = train.explicit_choices(train.build_parser().parse_args(["--start-from", str(OLD_RUN)]))
    assert not TrainingConfig.of(**choices, **train.inherited(choices)).smooth
    assert TrainingConfig.of().smooth and not TrainingConfig.of(preset="dcgan").smooth
    other = RunFolder.open(trained_run).config
    assert other.preset == "dcgan" and train.inherited({"start_from": trained_run}) == {}, "its weights do not fit"


def test_weights_other_than_those_it_began_from_are_refused(trained_run):
    source = RunFolder.open(trained_run)
    config = source.config
    new = build_networks(config, source.image_shape, "tanh")
    line, sha256 = begin_from(source, new, config.latent_dim, None)
    assert str(trained_run) in line and begin_from(source, new, config.latent_dim, sha256) == (line, sha256)
    with pytest.raises(ValueError, match="expected the weights that the run started from"):
        begin_from(source, new, config.latent_dim, "0" * 64)


def test_a_run_that_began_from_another_names_it_and_resumes_to_the_same_bits(
    trained_run, image_file, tmp_path, run_script
):
    """Once there is a checkpoint, the other run is not needed any more."""
    source = tmp_path / "source"
    source.symlink_to(trained_run)
    options = ["--data", image_file, "--batch-size", 16, "--seed", 5, *WHOLE, "--start-from", source]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    outcome = run_script(train, "--run-dir", whole, *options, "--epochs", 2)
    assert outcome.status == 0 and f"started from {source}: generator 7 of 7 layers" in outcome.stderr
    run_script(train, "--run-dir", parts, *options, "--epochs", 1)
    source.unlink()
    assert run_script(train, "--run-dir", parts, "--resume", "--epochs", 2).status == 0
    for name in ("generator", "discriminator"):
        pair = [keras.saving.load_model(run / f"{name}.keras").get_weights() for run in (whole, parts)]
        assert equal(*pair)
    config = json.loads((whole / "config.json").read_text())["config"]
    assert config["start_from"] == str(source) and len(config["start_sha256"]) == 64
