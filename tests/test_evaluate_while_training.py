"""train.py --evaluate-every: distances in metrics.jsonl, the best weights kept, the same after a kill."""

import json

import numpy as np
import pytest
from conftest import QUICKEST, train_here
from test_resume import network_weights, readings

import evaluate
import train
from runs import RunFolder
from training.history import History

EPOCHS = 4


@pytest.fixture(scope="module", autouse=True)
def short_training():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 15)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def command(image_file, cache):
    def arguments(run) -> list[str]:
        values = ["--data", image_file, "--run-dir", run, "--epochs", EPOCHS, "--batch-size", 12, "--seed", 5]
        values += [*QUICKEST, "--evaluate-every", 1, "--cache", cache]
        return list(map(str, values))

    return arguments


@pytest.fixture(scope="module")
def measured_run(command, tmp_path_factory):
    """A finished run of four epochs, measured after each."""
    run = tmp_path_factory.mktemp("measured") / "run"
    train_here(*command(run))
    return run


def test_records_tell_the_distance_and_which_was_best(measured_run):
    records = readings(measured_run)
    smallest = np.inf
    for record in records:
        assert record["frechet_distance"] > 0 and 0 <= record["recall"] <= 1 and 0 <= record["coverage"] <= 1
        assert record["best"] == (record["frechet_distance"] < smallest)
        smallest = min(smallest, record["frechet_distance"])
    for name in ("losses.png", "scores.png", "distance.png", "comparison.png"):
        assert (measured_run / name).stat().st_size > 5_000


def test_evaluate_py_finds_the_recorded_distances(measured_run, cache, run_script, tmp_path):
    """The best weights have the best distance of the records, the last ones the last."""
    distances = [record["frechet_distance"] for record in readings(measured_run)]
    for options, expected in ((["--best"], min(distances)), ([], distances[-1])):
        path = tmp_path / "scores.json"
        common = (measured_run, "--count", 48, "--no-floor", "--cache", cache, "--json", path)
        assert run_script(evaluate, *common, *options).status == 0
        document = json.loads(path.read_text())
        assert document["scores"]["frechet_distance"] == pytest.approx(expected, rel=1e-5)
        assert document["images"]["weights"] == ("best" if options else "last")


def test_a_conditional_run_is_measured_as_evaluate_py_does(image_file, cache, run_script, tmp_path, monkeypatch):
    """Both draw the classes as often as they are in the real images."""
    common = ("--data", image_file, "--batch-size", 12, *QUICKEST, "--epochs", 1, "--conditional")
    run, scores = tmp_path / "run", tmp_path / "scores.json"
    outcome = run_script(train, *common, "--run-dir", run, "--evaluate-every", 1, "--cache", cache)
    assert outcome.status == 0
    assert f"epoch 1: distance {readings(run)[0]['frechet_distance']:.4g}, the smallest so far\n" in outcome.stderr
    assert run_script(evaluate, run, "--count", 48, "--no-floor", "--cache", cache, "--json", scores).status == 0
    found = json.loads(scores.read_text())["scores"]
    for name in ("frechet_distance", "recall", "coverage"):
        assert found[name] == pytest.approx(readings(run)[0][name], rel=1e-5), name


class Killed(BaseException):
    """Ends training where it is raised, since nothing handles it; test_resume.py kills real processes."""


def test_killed_and_resumed_gives_the_same_records_and_best_weights(
    measured_run, command, tmp_path, run_script, monkeypatch
):
    """Before the checkpoint of epoch 2, and between the checkpoint of the best epoch and the weights kept of it."""
    run = tmp_path / "run"
    best = min(readings(measured_run), key=lambda record: record["frechet_distance"])
    save_checkpoint, save_network = RunFolder.save_checkpoint, RunFolder.save_network

    def die_at_step_8(self, step, state):
        if step == 8:
            raise Killed
        save_checkpoint(self, step, state)

    def die_before_the_best(self, name, network):
        if name == "generator_best" and self.load_metrics()[-1]["step"] == best["step"]:
            raise Killed
        save_network(self, name, network)

    for name, die in (("save_checkpoint", die_at_step_8), ("save_network", die_before_the_best)):
        resume = ["--resume"] if (run / "config.json").exists() else []
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(RunFolder, name, die)
            run_script(train, *command(run), *resume)
    assert run_script(train, *command(run), "--resume").status == 0
    assert readings(run) == readings(measured_run)
    assert network_weights(run / "generator_best.keras") == network_weights(measured_run / "generator_best.keras") != []
    assert network_weights(run / "generator.keras") == network_weights(measured_run / "generator.keras")


def test_a_worse_epoch_keeps_the_best_weights(image_file, cache, tmp_path, run_script, monkeypatch):
    """Distances are made up: 3, 2, 2, 9. The weights kept are those of epoch 2."""
    from evaluation.yardstick import Yardstick

    distances = iter([3.0, 2.0, 2.0, 9.0])
    made_up = {"recall": 0.5, "coverage": 0.5}
    monkeypatch.setattr(Yardstick, "measure", lambda *_: {"frechet_distance": next(distances), **made_up})
    common = ("--data", image_file, "--batch-size", 24, *QUICKEST, "--cache", cache)
    run = tmp_path / "run"
    assert run_script(train, *common, "--run-dir", run, "--epochs", 4, "--evaluate-every", 1).status == 0
    assert [record["best"] for record in readings(run)] == [True, True, False, False]
    assert History(records=readings(run)).best["epoch"] == 2
    assert run_script(train, *common, "--run-dir", tmp_path / "two", "--epochs", 2).status == 0
    assert network_weights(run / "generator_best.keras") == network_weights(tmp_path / "two" / "generator.keras")


def test_measuring_can_begin_when_a_run_is_resumed(image_file, cache, tmp_path, run_script, monkeypatch):
    common = ("--data", image_file, "--batch-size", 24, *QUICKEST, "--run-dir", tmp_path / "run")
    assert run_script(train, *common, "--epochs", 1).status == 0
    how = ("--epochs", 3, "--resume", "--evaluate-every", 2, "--cache", cache)
    assert run_script(train, *common, *how).status == 0
    assert ["frechet_distance" in record for record in readings(tmp_path / "run")] == [False, True, False]
    assert (tmp_path / "run" / "generator_best.keras").exists() and (tmp_path / "run" / "distance.png").exists()


def test_measuring_changes_no_training_and_counts_no_time(image_file, cache, tmp_path, run_script, monkeypatch):
    import time

    from evaluation.yardstick import Yardstick

    measure = Yardstick.measure

    def slowly(*arguments):
        time.sleep(30 if len(clock) == 0 else 0)
        return measure(*arguments)

    clock = []
    tick = time.perf_counter
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(seconds))
    monkeypatch.setattr(time, "perf_counter", lambda: tick() + sum(clock))
    monkeypatch.setattr(Yardstick, "measure", slowly)
    common = ("--data", image_file, "--batch-size", 24, *QUICKEST, "--epochs", 2)
    more = ("--evaluate-every", 2, "--cache", cache)
    assert run_script(train, *common, *more, "--run-dir", tmp_path / "measured").status == 0
    assert run_script(train, *common, "--run-dir", tmp_path / "plain").status == 0
    assert network_weights(tmp_path / "measured" / "generator.keras") == network_weights(
        tmp_path / "plain" / "generator.keras"
    )
    records = [json.loads(line) for line in (tmp_path / "measured" / "metrics.jsonl").read_text().splitlines()]
    assert clock == [30] and records[-1]["seconds"] < 30
    assert "frechet_distance" not in records[0] and "frechet_distance" in records[1]
    assert not (tmp_path / "plain" / "generator_best.keras").exists()


def test_without_labels_and_weights_it_fails_before_the_run_is_made(tmp_path, cache, run_script, monkeypatch):
    import keras

    def no_network(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "InceptionV3", no_network)
    monkeypatch.setattr("evaluation.efficientnet.MODULE", "no_such_package")
    np.save(
        tmp_path / "plain.npy", np.zeros((8, 16, 16, 3), np.uint8) + np.arange(8, dtype=np.uint8)[:, None, None, None]
    )
    common = ("--data", tmp_path / "plain.npy", "--batch-size", 4, *QUICKEST, "--cache", cache)
    outcome = run_script(train, *common, "--run-dir", tmp_path / "run", "--evaluate-every", 1)
    assert outcome.status == 2 and len(outcome.stderr.strip().splitlines()) == 1
    assert "InceptionV3" in outcome.stderr and "--evaluate-every" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_best_weights_that_are_not_there(trained_run):
    with pytest.raises(ValueError, match="has measured no distance"):
        RunFolder.open(trained_run).load_generator(best=True)
