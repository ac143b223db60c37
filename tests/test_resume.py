"""A run that is stopped or killed, at any moment, and resumed ends with the bits of one that never was."""

import functools
import io
import json
import os
import random
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import NARROW, QUICK, QUICKEST, STATISTICS, train_here
from processes import Process

import train
from image_datasets import ImagesChanged
from progress import ProgressLines

EPOCHS = 4


def command(image_file: Path, run: Path, precision: str) -> list[str]:
    arguments = ["--data", image_file, "--run-dir", run, "--epochs", EPOCHS, "--batch-size", 12, "--seed", 5]
    how = QUICK if precision == "float32" else (*NARROW, "--precision", precision)  # the latter with the default preset
    return [*map(str, arguments), *how]


def start(arguments: list[str], sabotage: str = "") -> Process:
    """train.py in a process of its own; `sabotage` is Python that runs before it."""
    program = "import sys; sys.argv[0] = 'train.py'\n"
    program += "import train, command_line; command_line.import_tensorflow()\n"
    program += f"import {STATISTICS[0].rpartition('.')[0]}; {STATISTICS[0]} = {STATISTICS[1]}\n{sabotage}\n"
    program += "command_line.run_command(train.main)"
    return Process(program, *arguments)


def finish(process: Process) -> int:
    ended = process.end()
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.status


def final_state(run: Path) -> dict[str, np.ndarray]:
    newest = sorted((run / "checkpoints").glob("step_*.npz"))[-1]
    with np.load(newest) as archive:
        return {name: archive[name] for name in archive.files if name != "progress/seconds"}


def network_weights(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        found: list[bytes] = []
        weights.visititems(
            lambda name, item: found.append(item[()].tobytes()) if isinstance(item, h5py.Dataset) else None
        )
    return found


def readings(run: Path) -> list[dict]:
    """metrics.jsonl without what a clock measured."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: record[name] for name in record if "second" not in name} for record in records]


def assert_same_bits(expected: Path, found: Path) -> None:
    first, second = final_state(expected), final_state(found)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name
    for name in ("generator.keras", "discriminator.keras"):
        assert network_weights(expected / name) == network_weights(found / name) != []
    for expected_grid in sorted((expected / "samples").iterdir()):
        assert expected_grid.read_bytes() == (found / "samples" / expected_grid.name).read_bytes()
    assert readings(expected) == readings(found)
    assert [record["epoch"] for record in readings(found)] == list(range(1, EPOCHS + 1))
    assert not list(found.rglob("*.partial*"))


each_precision = pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def uninterrupted(image_file, tmp_path_factory) -> Callable[[str], Path]:
    """The run of a precision that was never stopped, trained once."""

    @functools.cache
    def trained(precision: str) -> Path:
        run = tmp_path_factory.mktemp("whole") / "run"
        train_here(*command(image_file, run, precision))
        return run

    return trained


# Each kills its process with SIGKILL, which nothing can catch, at a moment that matters.
KILL_IN_HALF_A_CHECKPOINT = """
import os, signal, numpy
whole = numpy.savez
def half(path, **arrays):
    whole(path, **arrays)
    if "step_000000008" in str(path):
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
numpy.savez = half
"""
KILL_BEFORE_THE_CHECKPOINT = """
import os, signal, runs
def die(self, step, state):
    if step == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    keep(self, step, state)
keep, runs.RunFolder.save_checkpoint = runs.RunFolder.save_checkpoint, die
"""
KILL_BETWEEN_CHECKPOINT_AND_CLEANING = """
import os, signal, pathlib
def die(self, *arguments, **options):
    if self.suffix == ".npz":
        os.kill(os.getpid(), signal.SIGKILL)
    remove(self, *arguments, **options)
remove, pathlib.Path.unlink = pathlib.Path.unlink, die
"""


@each_precision
def test_many_steps_in_one_call_end_with_the_same_bits(precision, uninterrupted, image_file, tmp_path, run_script):
    """Three do not fit into the four steps of an epoch, so some are taken one by one; so are those after the pause."""
    run = tmp_path / "run"
    arguments = [*command(image_file, run, precision), "--epochs", "2"]
    together = ["--steps-per-execution", "3" if precision == "float32" else "4"]
    assert run_script(train, *arguments, *together).status == 0
    assert run_script(train, "--run-dir", run, "--resume", "--epochs", EPOCHS).status == 0
    assert_same_bits(uninterrupted(precision), run)


@pytest.mark.parametrize(
    "sabotages",
    [
        [KILL_IN_HALF_A_CHECKPOINT],
        pytest.param([KILL_BEFORE_THE_CHECKPOINT, KILL_BETWEEN_CHECKPOINT_AND_CLEANING], marks=pytest.mark.slow),
    ],
    ids=["half", "around"],
)
def test_killed_at_the_worst_moments(sabotages, uninterrupted, image_file, tmp_path, run_script):
    """Between epochs; test_many_steps_in_one_call resumes the default preset and bfloat16 there, too.

    The quick suite kills one process; test_evaluate_while_training.py ends others by an exception.
    """
    run = tmp_path / "run"
    arguments = command(image_file, run, "float32")
    for sabotage in sabotages:
        resume = ["--resume"] if (run / "config.json").exists() else []
        assert finish(start([*arguments, *resume], sabotage)) == -signal.SIGKILL
    assert run_script(train, *arguments, "--resume").status == 0
    assert_same_bits(uninterrupted("float32"), run)


@pytest.mark.slow
def test_killed_at_random_moments(uninterrupted, image_file, tmp_path):
    """Two moments each time; benchmarks/soak.py has many."""
    whole, run = uninterrupted("float32"), tmp_path / "run"
    seed = random.randrange(2**32)
    print(f"moments drawn with seed {seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    arguments = command(image_file, run, "float32")
    killed_in_training = 0
    for _ in range(2):
        process = start([*arguments, *(["--resume"] if (run / "config.json").exists() else [])])
        first_line = process.first_line()
        if "is finished" in first_line:
            break
        assert first_line == str(run)  # training begins now
        time.sleep(chance.uniform(0.0, 1.5))
        process.kill()
        status = process.end().status
        killed_in_training += status == -signal.SIGKILL
        print(f"stopped with {status} after {len(list((run / 'samples').iterdir()))} epochs")
    assert killed_in_training
    assert finish(start([*arguments, "--resume"])) == 0
    assert_same_bits(whole, run)


@pytest.mark.parametrize(
    ("signal_number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_signals_save_and_leave(uninterrupted, image_file, tmp_path, run_script, monkeypatch, signal_number, status):
    """The signal comes in the middle of an epoch: while the bar is told of step 6."""
    run, advance, told = tmp_path / "run", ProgressLines.advance, []

    def tell(self, *words):
        told.append(words)
        if len(told) == 6:
            os.kill(os.getpid(), signal_number)
        return advance(self, *words)

    monkeypatch.setattr(ProgressLines, "advance", tell)
    arguments = command(image_file, run, "float32")
    outcome = run_script(train, *arguments)
    assert outcome.status == status
    assert "--resume" in outcome.stderr.strip().splitlines()[-1]
    assert (run / "checkpoints" / "step_000000006.npz").exists()
    assert run_script(train, *arguments, "--resume").status == 0
    assert_same_bits(uninterrupted("float32"), run)


def test_more_epochs_go_on_and_a_finished_run_stays(image_file, tmp_path, run_script, monkeypatch):
    """Batch statistics, which take as long as many steps, are measured once an epoch and no more at the end."""
    from training.networks import Networks

    update, updated = Networks.update_batch_statistics, []
    monkeypatch.setattr(Networks, "update_batch_statistics", lambda self: updated.append(update(self)))
    common = ("--data", image_file, "--batch-size", 24, *QUICKEST)
    assert run_script(train, *common, "--run-dir", tmp_path / "long", "--epochs", 2).status == 0
    assert len(updated) == 2
    assert run_script(train, *common, "--run-dir", tmp_path / "short", "--epochs", 1).status == 0
    assert run_script(train, "--run-dir", tmp_path / "short", "--resume", "--epochs", 2).status == 0
    first, second = final_state(tmp_path / "long"), final_state(tmp_path / "short")
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    before = (tmp_path / "short" / "generator.keras").stat().st_mtime_ns
    assert run_script(train, "--run-dir", tmp_path / "short", "--resume").status == 0
    assert (tmp_path / "short" / "generator.keras").stat().st_mtime_ns == before


def test_diverged_training_says_step_values_and_checkpoint(image_file, tmp_path, run_script, monkeypatch):
    import train
    from preprocessing import PixelScaler

    scale, calls = PixelScaler.transform, []

    def poisoned(self, images, **options):
        scaled = scale(self, images, **options)
        if len(images) == 16:  # a batch; the scaler also checks itself on other arrays
            calls.append(images)
        return scaled if len(calls) < 4 else np.full_like(scaled, np.nan)

    monkeypatch.setattr(PixelScaler, "transform", poisoned)
    common = ("--data", image_file, "--batch-size", 16, *QUICKEST, "--run-dir", tmp_path / "run")
    outcome = run_script(train, *common, "--epochs", 3)
    assert outcome.status == 1
    line = outcome.stderr.strip().splitlines()[-1]
    assert "nan" in line and "in step 3" in line and "step_000000003.npz" in line


def test_weights_that_break_in_the_last_step_of_an_epoch_replace_nothing(image_file, tmp_path, run_script, monkeypatch):
    """The losses of that step are still finite; the weights it leaves are not."""
    import training.networks
    from training.networks import Networks

    whole, calls = Networks.state, []

    def broken(self):
        state = whole(self)
        calls.append(state)
        if len(calls) == 2:
            state["discriminator/0"][0] = np.nan
        return state

    monkeypatch.setattr(training.networks.Networks, "state", broken)
    common = ("--data", image_file, "--batch-size", 16, *QUICKEST, "--run-dir", tmp_path / "run")
    outcome = run_script(train, *common, "--epochs", 3)
    assert outcome.status == 1
    assert "nan in discriminator/0 after step 6" in outcome.stderr and "step_000000003.npz" in outcome.stderr
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["epoch_0001.png"]
    assert len(readings(tmp_path / "run")) == 1


def test_resume_scales_by_the_stored_statistics(image_file, tmp_path, run_script, monkeypatch):
    """Fitting anew on resume would hide a change of preprocessing.json from training."""
    from preprocessing import PixelScaler

    run, fed, scale = tmp_path / "run", [], PixelScaler.transform
    common = ("--batch-size", 48, *QUICKEST, "--run-dir", run)
    assert run_script(train, "--data", image_file, *common, "--scaling", "standardize", "--epochs", 1).status == 0
    document = json.loads((run / "preprocessing.json").read_text())
    document["statistics"]["mean"][0] += 1000.0
    (run / "preprocessing.json").write_text(json.dumps(document))

    def watched(self, images, **options):
        scaled = scale(self, images, **options)
        fed.append(scaled.mean(axis=(0, 1, 2)))
        return scaled

    monkeypatch.setattr(PixelScaler, "transform", watched)
    assert run_script(train, "--run-dir", run, "--resume", "--epochs", 2).status == 0
    assert fed[-1][0] < -5 and abs(fed[-1][1]) < 1e-3


def test_a_run_is_trained_by_one_process_at_a_time(trained_run, tmp_path, run_script):
    from runs import RunFolder

    run = shutil.copytree(trained_run, tmp_path / "run")
    (run / "report.html").unlink()  # so that it is not finished
    with RunFolder.open(run).locked():
        outcome = run_script(train, "--run-dir", run, "--resume")
    assert outcome.status == 2 and "which another process trains" in outcome.stderr


def test_a_start_that_was_cut_short_can_be_started_again(image_file, tmp_path, run_script):
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    (run / "preprocessing.json").write_text("{")
    common = ("--data", image_file, "--batch-size", 48, *QUICKEST, "--epochs", 1)
    assert run_script(train, *common, "--run-dir", run).status == 0


def test_data_may_move_between_start_and_resume(image_file, tmp_path, run_script):
    run, moved = tmp_path / "run", tmp_path / "moved.npz"
    common = ("--batch-size", 48, *QUICKEST, "--run-dir", run)
    assert run_script(train, "--data", image_file, *common, "--epochs", 1).status == 0
    moved.write_bytes(image_file.read_bytes())
    outcome = run_script(train, "--resume", "--data", moved, *common, "--epochs", 2)
    assert outcome.status == 0, outcome.stderr
    assert json.loads((run / "config.json").read_text())["config"]["data"] == str(moved)


def test_a_file_that_goes_while_training_costs_nothing(image_file, tmp_path, run_script, monkeypatch):
    """The state is saved after the last step that had its images, one line says which file, and the run goes on."""
    from training.feed import Feed

    take, taken = Feed.__next__, []

    def fail_at_the_sixth(self):
        taken.append(self)
        if len(taken) == 6:
            raise ImagesChanged("photos/5.png: expected the image that was there, got none")
        return take(self)

    arguments = [*command(image_file, tmp_path / "run", "float32"), *QUICKEST, "--epochs", 2]
    monkeypatch.setattr(Feed, "__next__", fail_at_the_sixth)
    outcome = run_script(train, *arguments)
    *_, error = outcome.stderr.splitlines()  # after the lines of what was read
    assert outcome.status == 2 and "photos/5.png" in error and "--resume" in error
    assert (tmp_path / "run" / "checkpoints" / "step_000000005.npz").exists()
    assert run_script(train, "--run-dir", tmp_path / "run", "--resume").status == 0
