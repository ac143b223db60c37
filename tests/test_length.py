"""How long a run is: in images by default, in epochs, or in minutes; and what it says and leaves when it ends."""

import json
import re
import shutil
import signal

import numpy as np
import pytest
from conftest import QUICKEST

import generate
import train
from config import TrainingConfig
from image_datasets import ImageSet, LevelsSeen
from preprocessing import PixelScaler
from runs import RunFolder
from training import failures, loop
from training.history import History
from training.images import reading_summary
from training.recorder import Recorder, Setup
from training.step import TrainStep


@pytest.mark.parametrize(("count", "epochs", "save_every"), [(20_000, 5, 1), (50_000, 2, 1), (482, 207, 10)])
def test_the_default_length_is_a_number_of_images(count, epochs, save_every):
    config = TrainingConfig().lasting({}, count)
    assert (config.epochs, config.save_every) == (epochs, save_every)
    assert TrainingConfig(epochs=3).lasting({"epochs": 3}, count) == TrainingConfig(epochs=3)


@pytest.fixture
def small_run(image_file, tmp_path, run_script):
    """A function that trains on 48 images in steps of 16."""

    def train_with(*options):
        return run_script(
            train, "--data", image_file, "--run-dir", tmp_path / "run", "--batch-size", 16, *QUICKEST, *options
        )

    return train_with


def test_minutes_end_within_a_step_even_amid_an_epoch_and_count_on_when_resumed(small_run, tmp_path, monkeypatch):
    """A step takes a second here, whatever the clock says."""
    add_seconds = History.add_seconds
    monkeypatch.setattr(History, "add_seconds", lambda history, seconds: add_seconds(history, 1.0))
    run = tmp_path / "run"
    assert small_run("--minutes", 4 / 60).status == 0
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_000000004.npz"], "3 steps are an epoch"
    assert [path.name for path in (run / "samples").iterdir()] == ["epoch_0002.png"], "the epoch under way"
    outcome = small_run("--resume")
    assert outcome.status == 0 and "is finished; continue with more" in outcome.stdout
    assert small_run("--resume", "--minutes", 5 / 60).status == 0
    assert (run / "checkpoints" / "step_000000005.npz").exists()


def test_the_pace_of_a_run_with_a_time_follows_the_time():
    config = TrainingConfig(schedule="cosine", minutes=1.0)
    step = TrainStep.__new__(TrainStep)
    step.config, step.total_steps = config, 10**6
    first, _ = step._pace(0, share_done=0.0)
    last, _ = step._pace(1, share_done=1.0)
    assert first == config.learning_rate and last == pytest.approx(0.25 * config.learning_rate)


def test_a_dry_run_says_time_memory_and_disk_and_writes_nothing(small_run, tmp_path):
    outcome = small_run("--dry-run")
    assert outcome.status == 0
    for words in (
        r"time +\d+ \w+ at [\d.e+]+ images/s",
        r"images seen +99,984\n",
        r"first picture +after",
        r"memory +\d\.\d GiB",
        r"disk +\d+ MB",
    ):
        assert re.search(words, outcome.stdout), words
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_how_many_images_its_minutes_will_show(small_run, monkeypatch):
    monkeypatch.setattr("training.dry_run._seconds_per_step", lambda *_: 0.5)
    outcome = small_run("--dry-run", "--minutes", 1)
    assert "\nimages seen    1,920\n" in outcome.stdout  # 120 steps of 16


def test_lines_come_every_save_every_epochs_and_at_the_end(small_run, tmp_path):
    assert small_run("--epochs", 5, "--save-every", 2).status == 0
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [2, 4, 5]
    assert [path.stem for path in sorted((tmp_path / "run" / "samples").iterdir())] == [
        f"epoch_000{epoch}" for epoch in (2, 4, 5)
    ]


@pytest.mark.parametrize(("seconds", "drawn_at"), [(0.0, [1, 2, 2]), (1e9, [1, 2])], ids=["always", "seldom"])
def test_pictures_come_after_the_first_epoch_then_seldom_and_at_the_end(small_run, monkeypatch, seconds, drawn_at):
    """They take a second, so a run of short epochs does not draw them after each."""
    drawn = []
    monkeypatch.setattr("conftest.NO_PICTURES_AMID", ("training.recorder.SECONDS_BETWEEN_PICTURES", seconds))
    monkeypatch.setattr("training.recorder.Recorder._draw", lambda self: drawn.append(len(self._history.records)))
    assert small_run("--epochs", 2).status == 0
    assert drawn == drawn_at


def test_a_run_stopped_in_its_first_epoch_can_be_drawn_from(small_run, tmp_path, run_script, monkeypatch):
    take_steps = loop.Training._take_steps

    def stop_after_the_first(self, *arguments):
        take_steps(self, *arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop.Training, "_take_steps", stop_after_the_first)
    assert small_run("--epochs", 1).status == 128 + signal.SIGTERM
    assert run_script(generate, tmp_path / "run", "--count", 4, "--output", tmp_path / "four.npy").status == 0
    assert np.load(tmp_path / "four.npy").shape == (4, 16, 16, 3)


def test_a_finished_run_says_so_before_its_images_are_read(trained_run, run_script, monkeypatch):
    monkeypatch.setattr(train, "load_data", None)
    outcome = run_script(train, "--run-dir", trained_run, "--resume")
    assert outcome.status == 0 and f"{trained_run} is finished; continue with more --epochs" in outcome.stdout


def test_a_discriminator_that_sees_nothing_is_said_once(capsys):
    training = loop.Training.__new__(loop.Training)
    training.warned, training.replicas = False, type("Chief", (), {"is_chief": True})
    blind, seeing = (0.01, 0.02, 0.0, 0.02), (1.2, 0.8, -0.9, 0.5)
    for scores, said in ((seeing, False), (blind, True)):
        training.history, training.warned = History(step=499, scores=[scores] * 499), False
        training._warn_if_blind()
        assert capsys.readouterr().err == "", "too early to say"
        training.history.add_step((0.7, 1.386), scores)
        training._warn_if_blind()
        training._warn_if_blind()
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == said and all("the generator learns nothing; start again" in line for line in lines)


def test_a_generator_of_one_image_is_said():
    """Whatever the image: a generator whose samples differ as real images do is not."""
    random = np.random.default_rng(0)
    real = random.integers(0, 256, (64, 16, 16, 3), np.uint8)
    one = np.repeat(real[:1], 64, axis=0)
    almost_one = one // 2 + random.integers(0, 10, one.shape, np.uint8)
    assert failures.collapsed_generator(499, one, real) is None, "too early to say"
    for samples in (one, almost_one):
        assert "samples look alike" in failures.collapsed_generator(500, samples, real)
    two = np.concatenate([one[:32], np.repeat(real[1:2], 32, axis=0)])
    assert failures.collapsed_generator(500, two, real), "two are as bad"
    assert failures.collapsed_generator(500, real[::-1] // 2, real) is None


def test_a_collapse_is_told_once(trained_run, capsys):
    run = RunFolder.open(trained_run)
    images = run.load_training_images()
    history = History(step=500, scores=[(0.0, 0.01, 0.1, 0.01)] * 500)
    recorder = Recorder(Setup(run, images, run.load_scaler(), None, history))
    one = np.repeat(images.images[:1], 64, axis=0)
    recorder._warn_if_collapsed(one)
    assert capsys.readouterr().err == "", "the discriminator sees nothing, which is told elsewhere"
    history.scores[:] = [(0.5, 0.9, -0.5, 0.3)] * 500
    for samples, lines in ((images.images[:40], 0), (one, 1), (one, 0)):
        recorder._warn_if_collapsed(samples)
        assert capsys.readouterr().err.count("look alike") == lines


def test_the_first_steps_say_what_the_rest_takes(capsys, monkeypatch):
    """Steps that compile are left out: here the first eight take a minute each, and the others a second."""
    training = loop.Training.__new__(loop.Training)
    config = TrainingConfig(epochs=10, batch_size=16)
    training.run = type("Run", (), {"config": config, "steps_per_epoch": 40})
    training.history, training.replicas = History(), type("Chief", (), {"is_chief": True})
    training.marks, training.first_step, training.networks = [], 0, None
    monkeypatch.setattr(loop, "disk_space", lambda networks: "9 MB of disk")
    for step in range(40):
        training.history.add_step((0.7, 1.4), (0.0, 1.0, 0.0, 1.0))
        training.history.add_seconds(60.0 if step < 8 else 1.0)
        training._say_what_it_takes(1)
    line = capsys.readouterr().err
    assert line.startswith("6 min at 16 images/s, a picture in 24 s; ") and line.endswith("9 MB of disk\n")


@pytest.mark.slow
def test_a_long_epoch_leaves_a_picture_and_a_checkpoint_on_its_way_and_the_same_weights(
    small_run, tmp_path, monkeypatch
):
    """Here a step takes a second, an epoch three, and two are the longest wait."""
    add_seconds = History.add_seconds
    monkeypatch.setattr(History, "add_seconds", lambda history, seconds: add_seconds(history, 1.0))
    run, with_statistics = tmp_path / "run", ("--epochs", 2, "--preset", "dcgan")
    assert small_run(*with_statistics).status == 0
    whole = dict(np.load(run / "checkpoints" / "step_000000006.npz"))
    shutil.rmtree(run)
    monkeypatch.setattr(loop, "LONGEST_WAIT", 2.0)
    assert small_run(*with_statistics).status == 0
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(record["step"], record["epoch"]) for record in records] == [(2, 1), (3, 1), (5, 2), (6, 2)]
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == [
        f"step_00000000{step}.npz" for step in (5, 6)
    ]
    for name, values in np.load(run / "checkpoints" / "step_000000006.npz").items():
        assert name == "progress/seconds" or (values == whole[name]).all(), name


def test_few_images_are_said_unless_they_are_changed():
    """Only where the recipe can still be chosen: of a run that is resumed, nothing was looked at."""
    images = ImageSet("few", np.full((40, 16, 16, 3), 200, np.uint8))
    levels = LevelsSeen(PixelScaler())

    def is_said(config: TrainingConfig) -> bool:
        return any("40 images are few" in line for line in reading_summary(images, levels, config))

    assert not is_said(TrainingConfig()), "nothing was looked at, as when a run is resumed"
    levels(images.images)
    assert is_said(TrainingConfig()) and not is_said(TrainingConfig(augmentation=("cutout",)))
