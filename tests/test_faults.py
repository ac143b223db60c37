"""What can go wrong around a training: signals, a full disk, files that are cut, gone or damaged, a run renamed."""

import dataclasses
import errno
import os
import shutil
import signal
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import train
from files import check_keras_file
from image_datasets import ImagesChanged, ImageSet, ReadingOptions, load_images
from imaging import save_images
from progress import ProgressLines
from runs import RunFolder


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_of_a_file_that_was_cut_are_not_read(tmp_path, dtype):
    """Reading beyond the end of a mapped file ends a process at once."""
    images = (np.arange(64 * 16 * 16) % 256).astype(dtype).reshape(64, 16, 16, 1)
    np.save(tmp_path / "images.npy", images)
    options = ReadingOptions(value_range=(0, 255) if dtype == np.float32 else None, in_memory_bytes=0)
    loaded, changed = (
        load_images(tmp_path / "images.npy", how) for how in (options, dataclasses.replace(options, channels=3))
    )
    np.testing.assert_array_equal(loaded.take(np.array([3, 60])), images[[3, 60]])
    np.testing.assert_array_equal(np.concatenate(list(loaded.blocks())), images)
    fingerprint = ImageSet("in memory", images.astype(np.uint8)).fingerprint()
    assert loaded.fingerprint() == fingerprint
    os.truncate(tmp_path / "images.npy", 4096)
    readings = (lambda: loaded.take(np.array([60])), lambda: list(loaded.blocks()), loaded.fingerprint)
    for read in (*readings, lambda: changed.take(np.array([60]))):
        with pytest.raises(ImagesChanged, match="got a truncated one"):
            read()


def test_pictures_of_an_archive_that_was_cut_are_not_what_they_were(tmp_path):
    """Which a training answers by saving its state; another error would lose it."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 64, 64, 3), np.uint8)  # more than a buffer holds
    pictures = [tmp_path / f"{number}.png" for number in range(32)]
    save_images(pictures, noise)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for picture in pictures:
            archive.write(picture, picture.name)
    images = load_images(tmp_path / "a.zip", ReadingOptions(in_memory_bytes=0))
    np.testing.assert_array_equal(np.sort(images.take(np.arange(32)), axis=0), np.sort(noise, axis=0))
    os.truncate(tmp_path / "a.zip", 100)
    with pytest.raises(ImagesChanged, match=r"got \d+\.png of another size or kind; restore"):
        images.take(np.arange(32))


@pytest.mark.parametrize("cut", ["samples.npy", "real.npy"])
def test_evaluating_a_file_that_was_cut_is_one_line(tmp_path, run_script, monkeypatch, cut):
    """It is cut after the images were found, and before their features are computed."""
    import evaluate

    monkeypatch.chdir(tmp_path)
    for name in ("samples.npy", "real.npy"):
        np.save(name, np.zeros((64, 16, 16, 3), np.uint8))
    colors = SimpleNamespace(extract=lambda batches, title, count: [batch.sum() for batch in batches],
                             name="colors", weights_digest="0")  # fmt: skip
    monkeypatch.setattr(evaluate, "open_extractor", lambda *_: os.truncate(cut, 4096) or colors)
    monkeypatch.setattr("evaluation.features.real_features", lambda *_: None)
    outcome = run_script(evaluate, "samples.npy", "--against", "real.npy", "--cache", "cache")
    assert outcome.status == 2 and outcome.stderr.count("\n") == 1, outcome
    assert f"the file of {cut[:-4]} as it was, got a truncated one" in outcome.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"])
def test_signals_are_collected_unless_they_are_ignored(name):
    from training.loop import collected_signals

    number = getattr(signal, name)
    before = signal.getsignal(number)
    try:
        with collected_signals() as signals:
            os.kill(os.getpid(), number)
        assert signals == [number]
        signal.signal(number, signal.SIG_IGN)  # as nohup does
        with collected_signals() as signals:
            os.kill(os.getpid(), number)
        assert signals == [] and signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("losses", [(1e6, 0.7), (0.7, -1e6), (float("nan"), 0.7), (0.7, float("inf"))])
def test_losses_beyond_all_bounds_end_the_training(losses):
    from training.loop import Training, TrainingDiverged

    training = SimpleNamespace(history=SimpleNamespace(step=7), _way_back=lambda: "start anew")
    Training._check_losses(training, (50.0, -50.0))
    with pytest.raises(TrainingDiverged, match="in step 7"):
        Training._check_losses(training, losses)


def test_only_images_that_changed_ask_for_a_repair():
    """Another ValueError is a mistake of the program, and is shown as one."""
    from training.loop import ImagesUnreadable, Training

    def feed(error):
        yield 1
        raise error

    training = SimpleNamespace(_line_is_due=True)
    assert Training._next_batches(training, feed(None), 1) == [1]
    with pytest.raises(ImagesUnreadable, match=r"a\.png is gone; the state is saved; repair"):
        Training._next_batches(training, feed(ImagesChanged("a.png is gone")), 2)
    with pytest.raises(ValueError, match=r"^wrong shape$"):
        Training._next_batches(training, feed(ValueError("wrong shape")), 2)


def test_all_workers_end_alike():
    from training.loop import GOES_ON, TIME_IS_UP, Training

    in_time, too_late = SimpleNamespace(_time_is_up=False), SimpleNamespace(_time_is_up=True)
    endings = [Training._own_ending(*one) for one in ((in_time, []), (too_late, []), (too_late, [15, 2]))]
    assert endings == [GOES_ON, TIME_IS_UP, 15]
    for other, common in ((GOES_ON, 15), (TIME_IS_UP, TIME_IS_UP)):
        replicas = SimpleNamespace(gather=lambda own, other=other: np.array([own, other]))
        worker = SimpleNamespace(replicas=replicas, _own_ending=lambda signals: signals[0])
        assert Training._common_ending(worker, [15]) == common


@pytest.fixture
def run(trained_run, tmp_path) -> Path:
    """A copy of a run of two epochs."""
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


def test_networks_that_were_lost_or_damaged_are_written_again(run, run_script):
    from models.keras_files import load_network

    names = ("generator.keras", "discriminator.keras")
    before = [load_network(run / name).get_weights() for name in names]
    (run / names[0]).unlink()
    (run / names[1]).write_bytes(b"PK")
    assert run_script(train, "--run-dir", run, "--resume").status == 0
    for name, weights in zip(names, before, strict=True):
        check_keras_file(run / name)
        for expected, found in zip(weights, load_network(run / name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_renamed_run_does_not_write_into_another(run, run_script, monkeypatch):
    advance, moved = ProgressLines.advance, run.with_name("moved")

    def rename(self, *words):
        if not moved.exists():
            run.rename(moved)
            shutil.copytree(moved, run)
        return advance(self, *words)

    monkeypatch.setattr(ProgressLines, "advance", rename)
    outcome = run_script(train, "--run-dir", run, "--resume", "--epochs", 3)
    *_, error = outcome.stderr.splitlines()  # after the lines of what was read
    assert outcome.status == 2 and "got another folder or none" in error
    assert len(RunFolder.open(run).load_metrics()) == len(RunFolder.open(moved).load_metrics()) == 2


def test_a_run_that_cannot_be_written_says_what_helps_and_goes_on(run, run_script, monkeypatch):
    def fail(self, records):
        raise OSError(errno.ENOSPC, "No space left on device", str(self.path / "metrics.jsonl"))

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save_metrics", fail)
        outcome = run_script(train, "--run-dir", run, "--resume", "--epochs", 3)
    *_, error = outcome.stderr.splitlines()  # after the lines of what was read
    assert outcome.status == 2 and "metrics.jsonl: no space left on device; free the disk" in error
    assert "continue with --resume" in error
    assert run_script(train, "--run-dir", run, "--resume").status == 0
    assert len(RunFolder.open(run).load_metrics()) == 3
