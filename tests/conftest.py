"""Small images and a small trained run, shared by the tests; scripts run inside the test process."""

import contextlib
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tests that run side by side share the cores. With all cores for each, threads wait for one another, and all takes a
# seventh longer.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
if WORKERS > 1:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

NARROW = ("--precision", "float32", "--filters", "8")  # an eighth of the filters, less to store and to compute
WHOLE = ("--preset", "dcgan", "--precision", "float32")  # all the filters, as many as the text has
QUICK = ("--preset", "dcgan", *NARROW)  # half as many layers to compile as the default, and dropout
QUICKEST = ("--preset", "tutorial", *NARROW)  # fewer still, where the law is not about networks
# What takes half the time of a small run: batch statistics over 16 batches, of which test_step.py has the law, and
# pictures amid a run, of which test_length.py has it.
STATISTICS = ("training.networks.STATISTICS_BATCHES", 1)
NO_PICTURES_AMID = ("training.recorder.SECONDS_BETWEEN_PICTURES", math.inf)
CURVES = ("training.pictures.plot_losses", "training.pictures.plot_scores")  # drawn where a run outlives a test
# The files whose slow tests take longest together, longest first.
LONG = (
    *("notebooks", "documentation", "distribution", "recipe_starts", "benchmarks", "resume", "soak", "projection"),
    *("step", "models", "sharing", "exported_page", "bad_input"),
)


@pytest.hookimpl(trylast=True)  # when tests are chosen
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first, so that no core waits at the end for a file that another has just begun.

    Of the quick tests those files are long that have many.
    """
    counts = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(LONG)}

    def place(item: pytest.Item) -> tuple[int, int]:
        return ranks.get(item.path.name, len(LONG)) if item.path in slow else len(LONG), -counts[item.path]

    items.sort(key=place)


@dataclass(frozen=True)
class Outcome:
    """What a script left: its exit status and what it printed."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard():
    """Tests send themselves signals, which a shell's & and nohup make every process below them ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture
def run_script(capfd, monkeypatch):
    """A function that runs train or generate with arguments, as its command line would, without a new process."""

    def run(script, *arguments) -> Outcome:
        from command_line import run_command

        if script.__name__ == "train":
            monkeypatch.setattr(*STATISTICS)
            monkeypatch.setattr(*NO_PICTURES_AMID)
            for name in CURVES:
                monkeypatch.setattr(name, lambda *_: None)
        monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            run_command(script.main)
        captured = capfd.readouterr()
        return Outcome(left.value.code or 0, captured.out, captured.err)

    return run


def small_images(count: int = 48, size: tuple[int, int] = (16, 16), channels: int = 3, dtype=np.uint8) -> np.ndarray:
    """Random soft blobs, so that a network has something to learn."""
    from image_datasets.glyphs import draw_glyphs

    images, _ = draw_glyphs(count, size)
    images = images[..., :channels]
    return images if dtype == np.uint8 else images.astype(dtype) * 257


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """The same operations without compiling them, for a few steps; one with a penalty then wants tensors."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def image_file(tmp_path_factory) -> Path:
    """An .npz of 48 RGB images of 16×16 with labels."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=small_images(), labels=np.arange(48) % 3)
    return path


def train_here(*arguments) -> None:
    """train.py in this process, for fixtures that outlive a test; a test itself has `run_script`."""
    import train

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        monkeypatch.setattr(*STATISTICS)
        monkeypatch.setattr(*NO_PICTURES_AMID)
        assert train.main() == 0


@pytest.fixture(scope="session")
def trained_run(image_file, tmp_path_factory) -> Path:
    """A finished run of two epochs on the images of `image_file`, with networks that can be searched."""
    path = tmp_path_factory.mktemp("runs") / "small"
    train_here("--data", image_file, "--run-dir", path, "--epochs", 2, "--batch-size", 16, *WHOLE)
    return path


@pytest.fixture
def obey():
    """A function that runs the command in a message, from "run: " on, as a shell would. It must work."""
    import subprocess

    def run(message: str) -> None:
        command = message.partition("run: ")[2].partition(" and pass ")[0]
        assert command, message
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{message}\n{result.stderr}"

    return run
