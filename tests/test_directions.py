"""generate.py --direction, and latent vectors as JSON: what an exported page does, in Python."""

import json

import numpy as np
import pytest
from test_export import make_run, sixteen_bits  # noqa: F401 (fixtures)

import generate
from config import PRESETS
from drawing.directions import latent_directions
from models import build_generator
from models.sampling import latents_from_seeds
from runs import RunFolder


@pytest.fixture
def draw(trained_run, run_script, tmp_path):
    """What generate.py draws of the trained run with some arguments, as an array."""

    def run(*arguments, path=trained_run) -> np.ndarray:
        outcome = run_script(generate, path, *arguments, "--output", tmp_path / "drawn.npy")
        assert outcome.status == 0, outcome.stderr
        return np.load(tmp_path / "drawn.npy")

    return run


def test_a_direction_moves_each_seed_evenly_and_leaves_it_in_the_middle(draw, trained_run, tmp_path):
    drawn = draw("--seeds", "4,2", "--direction", 3, "--steps", 5)
    assert len(drawn) == 10
    np.testing.assert_array_equal(drawn[[2, 7]], draw("--seeds", "4,2"))
    direction = latent_directions(RunFolder.open(trained_run).load_generator(), 100)[2]
    latents = latents_from_seeds([4, 2], 100)[:, np.newaxis] + np.float32([[-3], [-1.5], [0], [1.5], [3]]) * direction
    np.save(tmp_path / "z.npy", latents.reshape(10, 100))
    np.testing.assert_array_equal(drawn, draw("--latents", tmp_path / "z.npy"))
    assert (drawn[0] != drawn[4]).mean() > 0.1, "the ends differ"


def test_directions_of_a_conditional_run_keep_the_class(draw, sixteen_bits):  # noqa: F811
    drawn = draw("--seeds", "4,2", "--direction", 1, "--class", "dog,cat", path=sixteen_bits)
    assert len(drawn) == 2 * 2 * 9
    alone = draw("--seeds", "4,2", "--class", "dog,cat", path=sixteen_bits)
    np.testing.assert_array_equal(drawn[4::9], alone)


@pytest.mark.parametrize("preset", PRESETS)
def test_directions_are_at_right_angles_and_the_first_moves_the_first_layer_most(preset):
    network = build_generator((16, 16, 1), 12, preset, class_count=2)
    if hasattr(network.layers[1], "moving_variance"):
        network.layers[1].moving_variance.assign(np.linspace(0.01, 4, network.layers[0].units))
    directions = latent_directions(network, 12)
    np.testing.assert_allclose(directions @ directions.T, np.eye(12), atol=1e-5)
    inputs = np.pad(np.concatenate([np.zeros((1, 12), np.float32), directions]), ((0, 0), (0, 2)))
    answers = inputs
    for layer in network.layers[: 1 if preset == "tutorial" else 2]:  # before the first ReLU
        answers = layer(answers).numpy()
    moved = np.linalg.norm(answers[1:] - answers[0], axis=1)
    assert (np.diff(moved) <= 1e-6).all() and moved[0] > 1.05 * moved[-1]


def test_latents_as_json_are_those_of_an_array(draw, tmp_path):
    latents = latents_from_seeds([4, 2], 100)
    (tmp_path / "z.json").write_text(json.dumps(latents.tolist()))
    np.testing.assert_array_equal(draw("--latents", tmp_path / "z.json"), draw("--seeds", "4,2"))


BAD_USES = {
    "--direction 101": "expected a --direction from 1 to 100, got 101",
    "--direction 0": "expected a whole number from 1",
    "--direction 1 --steps 1": "at least two --steps",
    "--direction 1 --rows 2": "expected no --rows and --columns",
    "--direction 1 --walk 1,2": "expected --direction without --walk",
    "--direction 1 --nearest 2": "expected --direction without --walk",
    "--steps 3": "expected --walk or --direction with --steps",
    "--latents ragged.json": "expected lists of numbers, all of one length",
    "--latents words.json": "expected lists of numbers, all of one length",
    "--latents short.json": "(n, 100), got (1, 3)",
    "--latents broken.json": "expected JSON",
}


@pytest.mark.parametrize("options", BAD_USES)
def test_bad_uses_end_in_one_line(options, trained_run, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "ragged": "[[1, 2], [3]]",
        "words": '{"a": 1}',
        "short": "[[1, 2, 3]]",
        "broken": "[[1,",
    }.items():
        (tmp_path / f"{name}.json").write_text(text)
    outcome = run_script(generate, trained_run, *options.split(), "--output", "grid.png")
    assert outcome.status == 2 and outcome.stderr.count("\n") == 1 and BAD_USES[options] in outcome.stderr
    assert not (tmp_path / "grid.png").exists()
