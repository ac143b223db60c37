"""benchmarks/recipes.py trains and judges our recipe and the tutorials', keeps readings, and draws them."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import STATISTICS, small_images

from config import TrainingConfig
from imaging import image_grid

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ("tutorial+loss=relativistic+conditional=true+schedule=cosine", "tensorflow-tutorial", "pytorch-example")


@pytest.fixture
def recipes(monkeypatch):
    """The module, with fewer images to judge and a classifier that hardly trains."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import recipes

    monkeypatch.setattr(recipes, "COUNT", 64)
    monkeypatch.setattr(recipes, "RECALL_COUNT", 32)
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 15)
    monkeypatch.setattr(*STATISTICS)
    return recipes


@pytest.mark.slow
def test_every_kind_of_recipe_is_trained_judged_and_drawn(recipes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, output = tmp_path / "small.npz", tmp_path / "out"
    np.savez(data, images=small_images(256), labels=np.arange(256) % 2)

    def run(*more) -> None:
        words = ["--data", data, "--minutes", 1e-4, "--readings", 1, "--seeds", 0, "--output", output, *more]
        monkeypatch.setattr(sys, "argv", ["recipes.py", *map(str, words)])
        recipes.main()

    judges, open_judges = [], recipes.open_judges

    def open_once(*of_whom) -> list:
        judges.extend([] if judges else open_judges(*of_whom))
        return judges

    monkeypatch.setattr(recipes, "open_judges", open_once)
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
    assert "| recipe | seeds | images seen | the project's classifier | second classifier | recall |" in (
        output / "table.md"
    ).read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="choose another --output"):
        run("--clock", "cpu")


def test_a_recipe_is_a_name_with_options(recipes):
    assert recipes.parse_recipe("default") == TrainingConfig.of()
    expected = TrainingConfig.of(**recipes.costs.EARLIER, augmentation=("color", "mirror"), loss="hinge")
    assert recipes.parse_recipe('earlier+augmentation=["color","mirror"]+loss=hinge') == expected
    with pytest.raises(SystemExit, match=r"expected a recipe of default, earlier, .*, got 'later'"):
        recipes.parse_recipe("later+loss=hinge")


def test_each_step_is_told_the_share_that_is_done(recipes, tmp_path, monkeypatch):
    shares = []

    def build(*_):
        network = argparse.Namespace(save=lambda path: path)
        return 16, lambda images, chosen, number, share: shares.append(share), lambda: network, None

    monkeypatch.setattr(recipes, "build_ours", build)
    monkeypatch.setattr(recipes, "generate_batches", lambda *_: [small_images(64)])
    monkeypatch.setattr(recipes, "open_judges", lambda *_: [])
    data = tmp_path / "small.npz"
    np.savez(data, images=small_images(64))
    words = ["--data", data, "--images", 64, "--readings", 1, "--output", tmp_path, "--one", "default", 0]
    monkeypatch.setattr(sys, "argv", ["recipes.py", *map(str, words)])
    recipes.main()
    assert shares == [0.0, 0.25, 0.5, 0.75]


def test_readings_come_evenly_or_each_after_twice_the_time(recipes):
    arguments = argparse.Namespace(minutes=8, images=None, readings=4, marks="even")
    assert recipes.when_to_read(arguments) == [120, 240, 360, 480]
    arguments.marks = "doubling"
    assert recipes.when_to_read(arguments) == [60, 120, 240, 480]
    arguments.images = 8_000
    assert recipes.when_to_read(arguments) == [1_000, 2_000, 4_000, 8_000]


def test_only_a_recipe_far_behind_at_a_quarter_of_its_time_is_dropped(recipes, tmp_path):
    """Compared with what others of its seed had reached by then."""
    arguments = argparse.Namespace(minutes=8, images=None, output=tmp_path)
    mine = {"recipe": "new", "seed": 0, "minutes": 2.001}
    others = [
        ("old", 0, 1.0, 9.0),
        ("old", 0, 2.0, 7.0),
        ("old", 0, 8.0, 1.0),
        ("old", 1, 2.0, 2.0),
        ("new", 0, 1.0, 3.0),
    ]
    names = ("recipe", "seed", "minutes", "distance")
    lines = [json.dumps(dict(zip(names, values, strict=True))) + "\n" for values in others]
    (tmp_path / "readings.jsonl").write_text("".join(lines))
    assert recipes.best_of_others(arguments, mine) == 7.0
    assert recipes.best_of_others(arguments, mine | {"minutes": 4.0}) is None
    dropped = mine | {"dropped": "more than 3 times as far as 7.0"}
    (tmp_path / "readings.jsonl").write_text(json.dumps(dropped) + "\n")
    assert recipes.finished(tmp_path / "readings.jsonl", "new", 0, arguments)
    assert not recipes.finished(tmp_path / "readings.jsonl", "new", 1, arguments)


def test_a_checkerboard_is_measured_where_it_is(monkeypatch):
    """A grid is taken apart again, and the pattern raises the power of its own place by far the most."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import checkerboard

    smooth = small_images(16) // 2
    rows, columns = np.indices((16, 16))
    patterned = smooth + (8 * ((rows + columns) % 2))[np.newaxis, :, :, np.newaxis].astype(np.uint8)
    grid = image_grid(patterned, 4, 4)
    assert np.array_equal(checkerboard.from_grid(grid, 16, 16), patterned)
    one_pixel, stripes, _ = checkerboard.powers(patterned) / checkerboard.powers(smooth)
    assert one_pixel > 1.5 and one_pixel > 5 * abs(stripes - 1)
