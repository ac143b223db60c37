"""benchmarks/recipes.py trains and judges our recipe and the tutorials', keeps readings, and draws them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import small_images

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ("default", "default+loss=relativistic+conditional=true", "tensorflow-tutorial", "pytorch-example")


@pytest.fixture
def recipes(monkeypatch):
    """The module, with fewer images to judge and a classifier that hardly trains."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import recipes

    monkeypatch.setattr(recipes, "COUNT", 64)
    monkeypatch.setattr(recipes, "RECALL_COUNT", 32)
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 15)
    return recipes


@pytest.mark.slow
def test_every_kind_of_recipe_is_trained_judged_and_drawn(recipes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, output = tmp_path / "small.npz", tmp_path / "out"
    np.savez(data, images=small_images(256, (32, 32)), labels=np.arange(256) % 2)

    def run(*more) -> None:
        words = ["--data", data, "--minutes", 1e-4, "--readings", 1, "--seeds", 0, "--output", output, *more]
        monkeypatch.setattr(sys, "argv", ["recipes.py", *map(str, words)])
        recipes.main()

    for recipe in RECIPES:  # in this process, where main would start one for each
        run("--one", recipe, 0)
    monkeypatch.setattr(recipes.subprocess, "run", lambda *_, **__: pytest.fail("what is finished is done again"))
    run("--recipes", *RECIPES)
    entries = [json.loads(line) for line in (output / "readings.jsonl").read_text().splitlines()]
    assert [entry["recipe"] for entry in entries] == list(RECIPES)
    for entry in entries:
        assert entry["distance"] > 0 and entry["second_distance"] > 0 and 0 <= entry["recall"] <= 1
        assert entry["images"] >= 5 * 32 and entry["data"] == "small"
    for name in ("distance.png", "distance-by-images.png", "samples.png"):
        assert (output / name).stat().st_size > 5_000
    assert all(f"| {recipe} | 0 |" in (output / "table.md").read_text(encoding="utf-8") for recipe in RECIPES)
    with pytest.raises(SystemExit, match="choose another --output"):
        run("--clock", "cpu")
