"""Run folders of earlier commits open, draw what they drew, and go on as they began.

`tests/frozen_runs/COMMIT/` holds runs of two epochs that the commit wrote, and in `drawn.npy` the first eight images
that its generate.py drew. Their networks are an eighth of the usual width, so that the files are small. Of each run the
checkpoint of the first epoch is kept: going on from it leads to the weights that the second epoch had.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICKEST

import generate
import train
from models import ImageLayout
from preprocessing import PixelScaler

FROZEN = Path(__file__).resolve().parent / "frozen_runs" / "db04404"
DATA = {"plain": "shapes.npz", "conditional": "shapes.npz", "deep": "deep.npy"}
# Another processor may sum in another order. On the one that wrote the files the images are equal.
LARGEST_DIFFERENCE = {"uint8": 1, "uint16": 257}


# Their .keras files were written as Keras 3.15 writes them, which 3.13 and earlier do not load.
draws = pytest.mark.skipif(
    tuple(map(int, version("keras").split(".")[:2])) < (3, 14), reason="Keras 3.15 wrote the files"
)


@pytest.fixture
def narrow_networks(monkeypatch):
    """The networks as wide as those of the frozen runs, their statistics of as many batches."""

    def of(cls, image_shape, preset="r1gan", filters=None, smooth=True):
        return cls(*image_shape, largest_base=8 if preset in ("dcgan", "tutorial") else 4, narrowest=4)

    monkeypatch.setattr(ImageLayout, "of", classmethod(of))
    monkeypatch.setattr("conftest.STATISTICS", ("training.networks.STATISTICS_BATCHES", 16))


@pytest.fixture
def copied_run(tmp_path):
    """A function that copies a frozen run and changes its files: entries of config.json or preprocessing.json."""

    def copy(name: str, file: str = "config.json", part: str = "config", change=lambda entries: None) -> Path:
        path = tmp_path / name
        shutil.copytree(FROZEN / name, path)
        document = json.loads((path / file).read_text())
        change(document[part])
        (path / file).write_text(json.dumps(document))
        return path

    return copy


def assert_draws_what_it_drew(run: Path, run_script) -> None:
    outcome = run_script(generate, run, "--count", 8, "--output", run / "now.npy")
    assert outcome.status == 0, outcome.stderr
    then, now = np.load(run / "drawn.npy"), np.load(run / "now.npy")
    assert now.dtype == then.dtype and now.shape == then.shape
    assert np.abs(now.astype(int) - then).max() <= LARGEST_DIFFERENCE[then.dtype.name]


@draws
@pytest.mark.parametrize(
    "name", ["plain", *(pytest.param(one, marks=pytest.mark.slow) for one in ("conditional", "deep"))]
)
def test_a_run_of_an_earlier_commit_goes_on_to_the_same_images(name, copied_run, narrow_networks, run_script):
    run = copied_run(name)
    assert_draws_what_it_drew(run, run_script)
    for weights in run.glob("*.keras"):
        weights.unlink()  # so that what is drawn next was trained here
    outcome = run_script(train, "--run-dir", run, "--resume", "--data", FROZEN / DATA[name])
    assert outcome.status == 0, outcome.stderr
    assert [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert_draws_what_it_drew(run, run_script)


@pytest.mark.parametrize(
    ("missing", "held"), [("maximum", None), ("r1", 0.0), ("xla", "off"), ("averaging", 0.05), ("smooth", False)]
)
def test_a_setting_that_is_missing_is_what_was_done_before_it_was_there(missing, held, copied_run, run_script):
    from runs import RunFolder

    run = RunFolder.open(copied_run("plain", change=lambda config: config.pop(missing, None)))
    assert getattr(run.config, missing) == held and run.unknown_settings == ()


def test_a_value_that_is_no_longer_there_is_what_stands_for_it_today(copied_run):
    from runs import RunFolder

    run = RunFolder.open(copied_run("plain", change=lambda config: config.update(xla="auto")))
    assert run.config.xla == "off" and run.unknown_settings == ()


@draws
def test_a_run_with_a_setting_less_draws_and_goes_on(copied_run, narrow_networks, run_script):
    run = copied_run("plain", change=lambda config: config.pop("maximum"))
    assert_draws_what_it_drew(run, run_script)
    assert run_script(train, "--run-dir", run, "--resume", "--data", FROZEN / "shapes.npz").status == 0
    assert_draws_what_it_drew(run, run_script)


@draws
@pytest.mark.parametrize(
    ("name", "value", "words"), [("sharpness", [1, 2], "got sharpness [1, 2];"), ("loss", "softplus", "got 'softplus'")]
)
def test_a_setting_that_is_not_known_stops_training_and_not_drawing(name, value, words, copied_run, run_script):
    run = copied_run("plain", change=lambda config: config.update({name: value}))
    assert_draws_what_it_drew(run, run_script)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    outcome = run_script(train, "--run-dir", run, "--resume", "--data", FROZEN / "shapes.npz")
    assert outcome.status == 2 and len(outcome.stderr.splitlines()) == 1
    assert words in outcome.stderr and "only generate" in outcome.stderr
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_setting_that_drawing_needs_is_not_guessed(copied_run, run_script):
    run = copied_run("plain", change=lambda config: config.update(latent_dim="four"))
    outcome = run_script(generate, run)
    assert outcome.status == 2 and len(outcome.stderr.splitlines()) == 1 and "config.json" in outcome.stderr


@pytest.mark.parametrize("name", DATA)
def test_a_scaling_without_the_settings_that_came_later_does_the_same(name, copied_run):
    def to_mode_alone(settings: dict) -> None:
        for entry in [entry for entry in settings if entry != "mode"]:
            del settings[entry]

    whole = PixelScaler.load(FROZEN / name / "preprocessing.json")
    run = copied_run(name, "preprocessing.json", "settings", to_mode_alone)
    images = np.load(FROZEN / name / "drawn.npy")
    np.testing.assert_array_equal(
        PixelScaler.load(run / "preprocessing.json").transform(images), whole.transform(images)
    )


def test_a_scaling_with_a_setting_that_is_not_known_is_refused(copied_run):
    run = copied_run("plain", "preprocessing.json", "settings", lambda settings: settings.update(gamma=2.2))
    with pytest.raises(ValueError, match=r"preprocessing\.json.* got gamma 2\.2; use the version that wrote it"):
        PixelScaler.load(run / "preprocessing.json")


# What else runs are asked for; the frozen ones are small


@draws
def test_a_class_may_have_a_comma_in_its_name(copied_run, run_script):
    def rename(images: dict) -> None:
        images["class_names"] = ["cats, small", "dogs"]

    run = copied_run("conditional", part="images", change=rename)
    for asked, count in (("cats, small", 1), ("cats, small,dogs", 2), ("dogs, cats, small", 2)):
        output = run / f"{count}.npz"
        outcome = run_script(generate, run, "--class", asked, "--seeds", 0, "--output", output)
        assert outcome.status == 0, outcome.stderr
        assert len(np.load(output)["images"]) == count
    assert "got cats" in run_script(generate, run, "--class", "cats").stderr


@draws
def test_images_drawn_with_their_classes_can_be_trained_on(copied_run, run_script, tmp_path):
    from image_datasets import load_images

    output = tmp_path / "drawn.npz"
    assert run_script(generate, copied_run("conditional"), "--count", 6, "--output", output).status == 0
    drawn = load_images(output)
    assert drawn.labels.tolist() == [0, 1, 0, 1, 0, 1] and drawn.class_names == ("0", "1")


def test_data_that_has_moved_is_asked_for_by_the_option_that_names_it(copied_run, run_script):
    run = copied_run("plain", change=lambda config: config.update(data="moved/away.npz"))
    outcome = run_script(train, "--run-dir", run, "--resume")
    assert outcome.status == 2 and "'moved/away.npz', got nothing there; pass --data with" in outcome.stderr


def test_a_run_knows_its_data_from_any_folder(narrow_networks, run_script, tmp_path, monkeypatch):
    shutil.copy(FROZEN / "shapes.npz", tmp_path)
    monkeypatch.chdir(tmp_path)
    how = ("--latent-dim", 4, "--batch-size", 16, *QUICKEST)
    assert run_script(train, "--data", "shapes.npz", "--run-dir", "run", *how, "--epochs", 1).status == 0
    monkeypatch.chdir(tmp_path.parent)
    outcome = run_script(train, "--run-dir", tmp_path / "run", "--resume", "--epochs", 2)
    assert outcome.status == 0, outcome.stderr


def test_a_new_image_is_brought_to_the_form_of_the_run(copied_run, run_script, tmp_path):
    from drawing.request import load_targets
    from imaging import save_image
    from runs import RunFolder

    run = RunFolder.open(copied_run("plain", change=lambda config: config.update(image_size=[16, 16], channels=1)))
    save_image(tmp_path / "photo.png", np.full((24, 40, 3), 200, np.uint8))
    assert load_targets(tmp_path / "photo.png", run).shape == (1, 16, 16, 1)
    strict = RunFolder.open(FROZEN / "plain")
    with pytest.raises(ValueError, match="which the run fixes"):
        load_targets(tmp_path / "photo.png", strict)


@draws
@pytest.mark.parametrize("name", ["walk.webp", "walk.apng"])
def test_a_walk_between_own_latents_keeps_every_value(name, copied_run, run_script, tmp_path):
    from PIL import Image

    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32))
    how = ("--walk", tmp_path / "z.npy", "--steps", 3, "--output")
    run = copied_run("plain")
    assert run_script(generate, run, *how, tmp_path / name).status == 0
    assert run_script(generate, run, "--latents", tmp_path / "z.npy", "--output", tmp_path / "ends.npy").status == 0
    ends = np.load(tmp_path / "ends.npy")
    with Image.open(tmp_path / name) as animation:
        assert animation.n_frames == 6
        for number, image in zip((0, 3), ends, strict=True):
            animation.seek(number)
            shown = np.asarray(animation.convert("L"))
            scale = len(shown) // len(image)
            np.testing.assert_array_equal(shown[::scale, ::scale], image[..., 0])


@draws
def test_images_of_before_that_stay_are_mentioned(copied_run, run_script, tmp_path):
    run, folder = copied_run("plain"), tmp_path / "faces"
    assert run_script(generate, run, "--seeds", "0-3", "--output", folder).stderr == ""
    fewer = run_script(generate, run, "--seeds", "2", "--output", folder).stderr
    assert f"still in {folder}: 3 other .png files from before" in fewer
