"""Writes a run's files while it trains."""

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np

from evaluation.yardstick import Yardstick
from image_datasets import ImageSet
from imaging import image_grid, on_checkers
from preprocessing import PixelScaler
from runs import RunFolder, RunIsBusy
from training.failures import STEPS_TO_SEE, blind_discriminator, collapsed_generator
from training.history import History
from training.networks import Networks
from training.pictures import (
    SAMPLE_COLUMNS,
    draw_curves,
    draw_real_beside_samples,
    draw_samples,
    real_images_to_compare,
)
from training.plots import animate_samples
from training.report import write_report
from training.tensorboard import Board

SECONDS_BETWEEN_PICTURES = 15.0  # minimum; drawing them takes about one second


class Setup(NamedTuple):
    """What a training run consists of."""

    run: RunFolder  # its folder and config
    images: ImageSet  # the real images
    scaler: PixelScaler  # fitted to them, or loaded from the run
    networks: Networks  # built for the devices that share each batch
    history: History  # new, or what `restore_history` returned


class SilentRecorder:
    """Writes nothing: the recorder of a worker that is not the chief."""

    @contextlib.contextmanager
    def opened(self, tensorboard: bool) -> Iterator[None]:
        """Open while the run trains. tensorboard: also write event files; a run that has some continues them anyway."""
        yield

    def show_step(self, real_logits: np.ndarray, generated_logits: np.ndarray) -> None:
        """Called after each step, which is already in the history; logits float32 (batch, 1)."""

    def save_epoch(self, record: dict, state: dict[str, np.ndarray], pictures: bool, measured: bool) -> None:
        """Called after each epoch, or within a long one, with its line for metrics.jsonl, the state for the checkpoint,
        whether there is time for pictures, and whether to measure the distance."""

    def save_state(self, state: dict[str, np.ndarray]) -> None:
        """Called when the run stops within an epoch."""

    def finish(self, complete: bool) -> None:
        """Draws the last pictures of a run that is complete, or that stops."""


class Recorder(SilentRecorder):
    """Writes everything: the recorder of the chief.

    yardstick: measures the generator every config.evaluate_every epochs. Raises ValueError if it is missing.
    """

    def __init__(self, setup: Setup, yardstick: Yardstick | None = None) -> None:
        if setup.run.config.evaluate_every and yardstick is None:
            raise ValueError("expected a yardstick with evaluate_every, got none; open_yardstick makes one")
        self._run, self._images, self._scaler, self._networks, self._history = setup
        self._yardstick = yardstick
        self._board: Board | None = None
        self._pictures_at = -math.inf
        self._warned = False
        self._place: tuple[int, int] | None = None  # identifies the run's folder
        self._statistics_step = -1  # the step to whose weights the averaged generator's batch statistics belong

    @contextlib.contextmanager
    def opened(self, tensorboard: bool) -> Iterator[None]:
        run, history = self._run, self._history
        self._place = run.identity()
        run.clean_after(history.step)
        if history.step:
            self._mend_networks()
        if history.records and history.records[-1]["step"] == history.step:
            self._keep_best()  # the process may have been killed between the checkpoint and this
        with contextlib.ExitStack() as stack:
            if tensorboard or run.board_folder.exists():
                board = Board(run.board_folder, run.config, history.step)
                self._board = stack.enter_context(contextlib.closing(board))
            yield

    def show_step(self, real_logits: np.ndarray, generated_logits: np.ndarray) -> None:
        if self._board is not None:
            self._board.show_step(self._history.losses, self._history.scores, real_logits, generated_logits)

    def save_epoch(self, record: dict, state: dict[str, np.ndarray], pictures: bool, measured: bool) -> None:
        """Writes the checkpoint last, so that its existence proves the others complete. Only the best weights follow,
        since a resumed run can write them again from the checkpoint."""
        self._check_place()
        run, history, generator = self._run, self._history, self._generator()
        if measured:
            record |= self._yardstick.measure(generator, self._scaler)
            record["best"] = history.best is None or record["frechet_distance"] < history.best["frechet_distance"]
            best = ", the smallest so far" if record["best"] else ""
            print(f"epoch {record['epoch']}: distance {record['frechet_distance']:.4g}{best}", file=sys.stderr)
        history.records.append(record)
        samples = draw_samples(run, self._scaler, generator)
        self._warn_if_collapsed(samples)
        run.save_sample(record["epoch"], image_grid(on_checkers(samples), columns=SAMPLE_COLUMNS))
        run.save_metrics(history.records)
        self._save_networks()
        if self._board is not None:
            self._board.show_epoch(record, run.samples()[-1])
        run.save_checkpoint(history.step, state)
        self._keep_best()
        if pictures and time.perf_counter() - self._pictures_at > SECONDS_BETWEEN_PICTURES:
            self._draw()
            self._pictures_at = time.perf_counter()

    def save_state(self, state: dict[str, np.ndarray]) -> None:
        if self._board is not None:
            self._board.flush()  # a resumed run expects all steps before its checkpoint in the event files
        self._check_place()
        self._save_networks()  # so that generate.py works for a run stopped in its first epoch
        self._run.save_checkpoint(self._history.step, state)

    def finish(self, complete: bool) -> None:
        self._check_place()
        self._draw()
        if complete:
            animate_samples(self._run.path / "progress.gif", self._run.samples(), self._scaler.maximum_)
            write_report(self._run, self._images)

    def _check_place(self) -> None:
        """Raises RunIsBusy if the run's path now holds another folder, perhaps another run, or none."""
        if self._run.identity() != self._place:
            raise RunIsBusy(
                f"expected the run at {self._run.path}, got another folder or none; resume it where it is now"
            )

    def _warn_if_collapsed(self, samples: np.ndarray) -> None:
        """Warns once if the samples of an epoch are all the same image although the discriminator works."""
        step, scores = self._history.step, np.array(self._history.scores[-100:])
        if self._warned or step < STEPS_TO_SEE or blind_discriminator(step, scores):
            return
        line = collapsed_generator(step, samples, real_images_to_compare(self._run, self._images))
        if line:
            self._warned = True
            print(line, file=sys.stderr)

    def _save_networks(self) -> None:
        self._run.save_network("generator", self._generator())
        self._run.save_network("discriminator", self._networks.discriminator_to_store())

    def _mend_networks(self) -> None:
        """Rewrites lost or damaged networks from the restored state."""
        networks = {"generator": self._generator, "discriminator": self._networks.discriminator_to_store}
        for name, network in networks.items():
            if not self._run.has_network(name):
                self._run.save_network(name, network())

    def _draw(self) -> None:
        draw_curves(self._run, self._history)
        generator = self._generator()
        draw_real_beside_samples(self._run, self._images, self._scaler, generator, self._history.step)

    def _keep_best(self) -> None:
        """Writes generator_best.keras if the last epoch is the best one measured."""
        if self._history.records[-1].get("best"):
            self._run.save_network("generator_best", self._generator())

    def _generator(self) -> keras.Sequential:
        """The generator to sample from; computes its batch statistics at most once per step."""
        if self._statistics_step != self._history.step:
            self._networks.update_batch_statistics()
            self._statistics_step = self._history.step
        return self._networks.averaged_generator
