"""What a finished run leaves, and what it takes from an earlier one."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import QUICKEST
from PIL import Image

import generate
import train
from imaging import load_image
from runs import RunFolder


def test_a_run_leaves_everything_that_is_promised(trained_run):
    names = {path.relative_to(trained_run).as_posix() for path in trained_run.rglob("*") if path.is_file()}
    assert names >= {
        "config.json",
        "preprocessing.json",
        "generator.keras",
        "discriminator.keras",
        "metrics.jsonl",
        "losses.png",
        "progress.gif",
        "samples/epoch_0001.png",
        "samples/epoch_0002.png",
    }
    assert not [name for name in names if ".partial" in name]
    assert load_image(trained_run / "samples" / "epoch_0001.png").shape == (8 * 16 + 7 * 2, 8 * 16 + 7 * 2, 3)
    with Image.open(trained_run / "progress.gif") as animation:
        assert animation.n_frames == 2


def test_metrics_have_one_line_an_epoch(trained_run):
    records = [json.loads(line) for line in (trained_run / "metrics.jsonl").read_text().splitlines()]
    assert [(record["epoch"], record["step"], record["images_seen"]) for record in records] == [(1, 3, 48), (2, 6, 96)]
    for record in records:
        assert record["images_per_second"] > 0 and np.isfinite(record["generator_loss"])


def test_an_epoch_has_the_steps_from_its_first_to_its_last(trained_run):
    run = RunFolder.open(trained_run)
    last = run.steps_per_epoch
    assert [run.epoch_of(step) for step in (0, 1, last, last + 1, 2 * last)] == [0, 1, 1, 2, 2]


def test_config_tells_versions_and_rebuilds_the_run(trained_run):
    document = json.loads((trained_run / "config.json").read_text())
    assert set(document["versions"]) == {"tensorflow", "keras", "numpy"}
    run = RunFolder.open(trained_run)
    assert run.config.batch_size == 16 and run.image_shape == (16, 16, 3) and run.image_dtype == "uint8"


def test_generator_loads_in_stock_keras_from_an_unrelated_directory(trained_run, tmp_path):
    program = (
        "import keras, numpy, sys; network = keras.saving.load_model(sys.argv[1]); "
        "images = network(numpy.zeros((2, 100), 'float32')); print(*images.shape, type(network).__name__)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", program, trained_run / "generator.keras"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["2", "16", "16", "3", "Sequential"]


def test_last_sample_grid_is_what_generate_draws(trained_run, tmp_path, run_script):
    assert run_script(generate, trained_run, "--scale", 1, "--output", tmp_path / "grid.png").status == 0
    np.testing.assert_array_equal(
        load_image(tmp_path / "grid.png"), load_image(trained_run / "samples" / "epoch_0002.png")
    )


def test_runs_are_numbered_and_named_after_their_data(image_file, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    arguments = ("--data", image_file, "--epochs", 1, "--batch-size", 48, *QUICKEST)
    for expected in ("runs/00000-small", "runs/00001-small"):
        outcome = run_script(train, *arguments)
        lines = outcome.stdout.splitlines()
        assert outcome.status == 0 and lines[0] == expected and expected in lines[-1]


def test_dry_run_writes_nothing(image_file, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    outcome = run_script(train, "--data", image_file, "--dry-run", "--batch-size", 16, *QUICKEST)
    assert outcome.status == 0 and list(tmp_path.iterdir()) == []
    assert "48 of 16x16x3 uint8" in outcome.stdout and "steps of 16 images" in outcome.stdout


def test_training_and_drawing_use_the_one_stored_scaling(image_file, tmp_path, run_script):
    """One statistic is changed in preprocessing.json: what training would see changes, and what is drawn changes."""
    run = tmp_path / "run"
    arguments = ("--epochs", 1, "--batch-size", 48, *QUICKEST, "--scaling", "standardize")
    assert run_script(train, "--data", image_file, "--run-dir", run, *arguments).status == 0
    images = np.load(image_file)["images"]

    def seen_and_drawn(name: str) -> tuple[np.ndarray, np.ndarray]:
        assert run_script(generate, run, "--count", 4, "--output", tmp_path / name).status == 0
        return RunFolder.open(run).load_scaler().transform(images), np.load(tmp_path / name).astype(int)

    seen, drawn = seen_and_drawn("before.npy")
    document = json.loads((run / "preprocessing.json").read_text())
    document["statistics"]["mean"][1] += 10.0
    (run / "preprocessing.json").write_text(json.dumps(document))
    changed_seen, changed_drawn = seen_and_drawn("after.npy")
    deviation = document["statistics"]["scale"][1]
    np.testing.assert_allclose(changed_seen[..., 1], seen[..., 1] - 10.0 / deviation, atol=1e-6)
    inside = (drawn[..., 1] > 0) & (drawn[..., 1] < 245)
    np.testing.assert_array_equal(changed_drawn[..., 1][inside], drawn[..., 1][inside] + 10)
    for channel in (0, 2):
        np.testing.assert_array_equal(changed_seen[..., channel], seen[..., channel])
        np.testing.assert_array_equal(changed_drawn[..., channel], drawn[..., channel])


@pytest.mark.parametrize(
    "scaling",
    [
        "normalize",
        "tanh",
        "standardize",
        *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("center", "pca", "zca")),
    ],
)
def test_every_lossless_scaling_trains_with_the_activation_of_its_range(scaling, image_file, tmp_path, run_script):
    run = tmp_path / "run"
    arguments = ("--epochs", 1, "--batch-size", 24, *QUICKEST, "--scaling", scaling)
    assert run_script(train, "--data", image_file, "--run-dir", run, *arguments).status == 0
    expected = {"normalize": "sigmoid", "tanh": "tanh"}.get(scaling, "linear")
    opened = RunFolder.open(run)
    assert opened.load_generator().layers[-1].activation.__name__ == expected
    assert opened.load_scaler().output_activation == expected
