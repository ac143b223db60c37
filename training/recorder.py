"""What a run leaves in its folder while it trains."""

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
from training.failures import blind_discriminator, collapsed_generator
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

SECONDS_BETWEEN_PICTURES = 15.0  # at least; they take about one


class Setup(NamedTuple):
    """What a run trains with."""

    run: RunFolder  # its folder and config
    images: ImageSet  # the real ones
    scaler: PixelScaler  # fitted to them, or read back from the run
    networks: Networks  # built for the devices that share each batch
    history: History  # new, or what `restore_history` returned


class SilentRecorder:
    """Leaves nothing: what a worker has that is not the chief."""

    @contextlib.contextmanager
    def opened(self, tensorboard: bool) -> Iterator[None]:
        """While the run trains. tensorboard: write event files, too; a run that has some goes on with them anyway."""
        yield

    def show_step(self, real_logits: np.ndarray, generated_logits: np.ndarray) -> None:
        """After each step, which is in the history already; logits float32 (batch, 1)."""

    def save_epoch(self, record: dict, state: dict[str, np.ndarray], pictures: bool, measured: bool) -> None:
        """After each epoch, or amid a long one: its line for metrics.jsonl, the state for the checkpoint, whether there
        is time for pictures, and whether to measure the distance."""

    def save_state(self, state: dict[str, np.ndarray]) -> None:
        """Amid an epoch, when the run stops."""

    def finish(self, complete: bool) -> None:
        """The last pictures, of a run that is complete or one that stops."""


class Recorder(SilentRecorder):
    """Leaves everything: what the chief has.

    yardstick: measures the generator every config.evaluate_every epochs. Raises ValueError where it is missing.
    """

    def __init__(self, setup: Setup, yardstick: Yardstick | None = None) -> None:
        if setup.run.config.evaluate_every and yardstick is None:
            raise ValueError("expected a yardstick with evaluate_every, got none; open_yardstick makes one")
        self._run, self._images, self._scaler, self._networks, self._history = setup
        self._yardstick = yardstick
        self._board: Board | None = None
        self._pictures_at = -math.inf
        self._warned = False
        self._place: tuple[int, int] | None = None  # which folder the run is
        self._statistics_step = -1  # whose weights the batch statistics of the averaged generator belong to

    @contextlib.contextmanager
    def opened(self, tensorboard: bool) -> Iterator[None]:
        run, history = self._run, self._history
        self._place = run.identity()
        run.clean_after(history.step)
        if history.step:
            self._mend_networks()
        if history.records and history.records[-1]["step"] == history.step:
            self._keep_best()  # a kill may have come between the checkpoint and this
        with contextlib.ExitStack() as stack:
            if tensorboard or run.board_folder.exists():
                board = Board(run.board_folder, run.config, history.step)
                self._board = stack.enter_context(contextlib.closing(board))
            yield

    def show_step(self, real_logits: np.ndarray, generated_logits: np.ndarray) -> None:
        if self._board is not None:
            self._board.show_step(self._history.losses, self._history.scores, real_logits, generated_logits)

    def save_epoch(self, record: dict, state: dict[str, np.ndarray], pictures: bool, measured: bool) -> None:
        """The checkpoint comes last: it vouches for the rest. Only the best weights come after it, since a resumed run
        can write them again from the checkpoint."""
        self._check_place()
        run, history, generator = self._run, self._history, self._generator()
        if measured:
            record |= self._yardstick.measure(generator, self._scaler)
            record["best"] = history.best is None or record["frechet_distance"] < history.best["frechet_distance"]
        history.records.append(record)
        samples = draw_samples(run, self._scaler, generator)
        self._warn_if_collapsed(samples)
        run.save_sample(record["epoch"], image_grid(on_checkers(samples), columns=SAMPLE_COLUMNS))
        run.save_metrics(history.records)
        run.save_network("generator", generator)
        run.save_network("discriminator", self._networks.discriminator_to_store())
        if self._board is not None:
            self._board.show_epoch(record, run.samples()[-1])
        run.save_checkpoint(history.step, state)
        self._keep_best()
        if pictures and time.perf_counter() - self._pictures_at > SECONDS_BETWEEN_PICTURES:
            self._draw()
            self._pictures_at = time.perf_counter()

    def save_state(self, state: dict[str, np.ndarray]) -> None:
        if self._board is not None:
            self._board.flush()  # a resumed run begins at the checkpoint, and expects the steps before it there
        self._check_place()
        self._run.save_network(
            "generator", self._generator()
        )  # so that a run stopped in its first epoch can be drawn from
        self._run.save_network("discriminator", self._networks.discriminator_to_store())
        self._run.save_checkpoint(self._history.step, state)

    def finish(self, complete: bool) -> None:
        self._check_place()
        self._draw()
        if complete:
            animate_samples(self._run.path / "progress.gif", self._run.samples(), self._scaler.maximum_)
            write_report(self._run, self._images)

    def _check_place(self) -> None:
        """Raises RunIsBusy when another folder, or none, is where the run was: that may be another run."""
        if self._run.identity() != self._place:
            raise RunIsBusy(
                f"expected the run at {self._run.path}, got another folder or none; go on with it where it is now"
            )

    def _warn_if_collapsed(self, samples: np.ndarray) -> None:
        """Says so, once, when the samples of an epoch are all the same image and the discriminator is not to blame."""
        step, scores = self._history.step, np.array(self._history.scores[-100:])
        if self._warned or blind_discriminator(step, scores):
            return
        real_images = real_images_to_compare(self._run, self._images)
        line = collapsed_generator(step, samples, real_images)
        if line:
            self._warned = True
            print(line, file=sys.stderr)

    def _mend_networks(self) -> None:
        """Writes networks again that were lost or damaged, from the state that was restored."""
        networks = {"generator": self._generator, "discriminator": self._networks.discriminator_to_store}
        for name, network in networks.items():
            if not self._run.has_network(name):
                self._run.save_network(name, network())

    def _draw(self) -> None:
        draw_curves(self._run, self._history)
        generator = self._generator()
        draw_real_beside_samples(self._run, self._images, self._scaler, generator, self._history.step)

    def _keep_best(self) -> None:
        """Writes generator_best.keras when the last epoch is the best one measured."""
        if self._history.records[-1].get("best"):
            self._run.save_network("generator_best", self._generator())

    def _generator(self) -> keras.Sequential:
        """The generator to sample from, its batch statistics measured once a step at most."""
        if self._statistics_step != self._history.step:
            self._networks.update_batch_statistics()
            self._statistics_step = self._history.step
        return self._networks.averaged_generator
