"""train.py --tensorboard: what the event files hold, and that a resumed run holds each step once."""

import io
import signal

import numpy as np
import pytest
from conftest import QUICKEST, train_here
from PIL import Image
from test_resume import finish, start

import train
from imaging import load_image
from training.tensorboard import Board, read_events

EPOCHS, STEPS_PER_EPOCH = 4, 8


@pytest.fixture(scope="module")
def command(image_file):
    def arguments(run) -> list[str]:
        values = ["--data", image_file, "--run-dir", run, "--epochs", EPOCHS, "--batch-size", 6, "--seed", 5]
        return list(map(str, [*values, *QUICKEST, "--tensorboard"]))

    return arguments


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory):
    run = tmp_path_factory.mktemp("board") / "run"
    train_here(*command(run))
    return run


def values(run) -> list[tuple[str, int, object]]:
    """(tag, step, value) in the order of the files, and within them."""
    found = []
    for path in sorted((run / "tensorboard").iterdir()):
        for event in read_events(path):
            found += [(value.tag, event.step, value) for value in event.summary.value]
    return found


def points(run, *left_out: str) -> dict[tuple[str, int], bytes]:
    kept = [(tag, step, value) for tag, step, value in values(run) if not tag.startswith(left_out or ("\0",))]
    assert len({(tag, step) for tag, step, _ in kept}) == len(kept), "a step is there twice"
    return {(tag, step): value.SerializeToString(deterministic=True) for tag, step, value in kept}


def test_curves_grids_histograms_and_configuration(whole):
    by_tag: dict[str, list[tuple[int, object]]] = {}
    for tag, step, value in values(whole):
        by_tag.setdefault(tag, []).append((step, value))
    epochs = [STEPS_PER_EPOCH * (epoch + 1) for epoch in range(EPOCHS)]
    for tag in ("loss/generator", "loss/discriminator", "score/real", "score/generated"):
        assert [step for step, _ in by_tag[tag]] == [10, 20, 30]
        assert all(np.isfinite(value.simple_value) for _, value in by_tag[tag])
    for tag in ("samples", "logits/real", "logits/generated", "speed/images_per_second"):
        assert [step for step, _ in by_tag[tag]] == epochs
    with np.load(sorted((whole / "checkpoints").iterdir())[-1]) as state:
        losses, scores = state["progress/losses"], state["progress/scores"]
    assert by_tag["loss/generator"][1][1].simple_value == pytest.approx(losses[10:20, 0].mean(), rel=1e-5)
    assert by_tag["score/generated"][1][1].simple_value == pytest.approx(scores[10:20, 2].mean(), rel=1e-4, abs=1e-6)
    histogram = by_tag["logits/real"][-1][1].histo
    assert histogram.num == sum(histogram.bucket) == STEPS_PER_EPOCH * 6
    assert histogram.sum / histogram.num == pytest.approx(scores[-STEPS_PER_EPOCH:, 0].mean(), rel=1e-4, abs=1e-6)
    with Image.open(io.BytesIO(by_tag["samples"][-1][1].image.encoded_image_string)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), load_image(whole / "samples" / "epoch_0004.png"))
    assert b"|batch_size|6|" in by_tag["configuration"][0][1].tensor.string_val[0]


# Killed in epoch 4, when steps after the last checkpoint, at 24, are in the file, the last of them half-written.
KILL_IN_EPOCH_4 = """
import os, signal, training.tensorboard
def die(self, losses, *rest):
    show(self, losses, *rest)
    if len(losses) == 30:
        self.flush()
        run = sys.argv[sys.argv.index("--run-dir") + 1]
        with open(f"{run}/tensorboard/events.out.tfevents.0000000000", "ab") as file:
            file.write(bytes(7))
        os.kill(os.getpid(), signal.SIGKILL)
show, training.tensorboard.Board.show_step = training.tensorboard.Board.show_step, die
"""


def test_killed_and_resumed_holds_each_step_once(whole, command, tmp_path, run_script):
    run = tmp_path / "run"
    assert finish(start(command(run), KILL_IN_EPOCH_4)) == -signal.SIGKILL
    assert ("loss/generator", 30) in points(run), "steps after the checkpoint were there"
    resumed = [argument for argument in command(run) if argument != "--tensorboard"]
    assert run_script(train, *resumed, "--resume").status == 0
    clocked = ("speed", "configuration")
    assert points(run, *clocked) == points(whole, *clocked)


def test_a_board_begun_twice_at_one_step(whole, tmp_path):
    from runs import RunFolder

    config = RunFolder.open(whole).config
    rows, logits = [(1.0, 2.0)] * 10, np.zeros((6, 1))
    for _ in range(2):
        board = Board(tmp_path / "tensorboard", config, 0)
        board.show_step(rows, [(1.0, 0.0, 2.0, 0.0)] * 10, logits, logits)
        board.close()
    assert sorted(step for _, step in points(tmp_path)) == [0, 10, 10, 10, 10]


def test_without_the_option_nothing_is_written(trained_run):
    assert not (trained_run / "tensorboard").exists()
