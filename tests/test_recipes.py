"""Every recipe trains from the command line to a run that can be drawn from; what is asked for is what the run has."""

import json

import numpy as np
import pytest
from conftest import QUICKEST

import train
from config import LOSSES, TrainingConfig
from imaging import load_image
from runs import RunFolder

RECIPES = {
    # Each loss as it comes, unless more is said below; that of the default is in "small" and "conditional".
    **{name: (["--loss", name], {"loss": name}) for name in LOSSES if name != TrainingConfig.loss},
    "wasserstein": (["--loss", "wasserstein"], {"gradient_penalty": 10.0, "beta_1": 0.0}),
    "relativistic": (["--loss", "relativistic", "--r2", "0.1"], {"r1": 0.5, "r2": 0.1}),
    "hinge": (["--loss", "hinge", "--spectral-normalization"], {"spectral_normalization": True}),
    "small": (
        ["--augmentation", "color,cutout", "--r1", "1", "--penalty-interval", "2"],
        {"augmentation": ["color", "cutout"], "penalty_interval": 2},
    ),
    "conditional": (["--conditional", "--schedule", "cosine"], {"conditional": True, "schedule": "cosine"}),
}


QUICK_RECIPES = ("small", "conditional")


@pytest.mark.parametrize(
    "recipe", [name if name in QUICK_RECIPES else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_recipe_trains_and_is_kept(recipe, image_file, tmp_path, run_script):
    options, kept = RECIPES[recipe]
    path = tmp_path / "run"
    how = ["--data", image_file, "--run-dir", path, "--epochs", 1, "--batch-size", 16, *QUICKEST]
    outcome = run_script(train, *how, *options)
    assert outcome.status == 0, outcome.stderr
    config = json.loads((path / "config.json").read_text())["config"]
    assert {name: config[name] for name in kept} == kept
    run = RunFolder.open(path)
    assert run.load_generator().input_shape[-1] == 100 + run.class_count == 100 + 3 * (recipe == "conditional")
    assert load_image(path / "samples" / "epoch_0001.png").ndim == 3
    record = json.loads((path / "metrics.jsonl").read_text())
    assert np.isfinite([record["generator_loss"], record["discriminator_loss"]]).all()


def test_cosine_schedule_fixes_the_length(image_file, tmp_path, run_script):
    path = tmp_path / "run"
    how = ["--data", image_file, "--run-dir", path, "--batch-size", 16, *QUICKEST]
    assert run_script(train, *how, "--epochs", 1, "--schedule", "cosine").status == 0
    for longer, words in (
        (("--epochs", 2), "--epochs 2 (the run has 1)"),
        (("--minutes", 2), "--minutes 2 (the run has none)"),
    ):
        outcome = run_script(train, "--run-dir", path, "--resume", *longer)
        assert outcome.status == 2 and words in outcome.stderr
    outcome = run_script(train, "--run-dir", path, "--resume")
    assert outcome.status == 0 and f"go on in a new run with --start-from {path}" in outcome.stdout
