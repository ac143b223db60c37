"""The training loop: epochs, progress, checkpoints, resume."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets import ImageSet, epoch_order
from imaging import image_grid
from preprocessing import PixelScaler
from progress import progress_bar
from sampling import generate_images, latents_from_seeds, with_classes
from training.losses import gan_loss
from training.networks import Networks
from training.plots import animate_samples, plot_losses
from training.run import RunFolder
from training.step import Batch, build_train_step

SAMPLE_ROWS, SAMPLE_COLUMNS = 8, 8  # of the grid after each epoch, seeds 0 to 63


class TrainingDiverged(RuntimeError):
    """A loss or a weight is no longer a finite number; the message has the step, the values and the way back."""


class TrainingStopped(Exception):
    """A signal asked to stop, and the state was saved; `signal_number` is that signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@dataclass
class Progress:
    """How far a run is, and what it has measured on the way."""

    step: int = 0
    seconds: float = 0.0  # of training, without pictures and files
    epoch_seconds: float = 0.0  # of the epoch under way
    losses: list[tuple[float, float]] = field(default_factory=list)  # (generator, discriminator) of every step
    records: list[dict] = field(default_factory=list)  # the lines of metrics.jsonl

    def state(self) -> dict[str, np.ndarray]:
        return {
            "progress/step": np.int64(self.step),
            "progress/seconds": np.float64([self.seconds, self.epoch_seconds]),
            "progress/losses": np.array(self.losses, np.float32).reshape(-1, 2),
        }


def train(run: RunFolder, images: ImageSet, scaler: PixelScaler, networks: Networks, progress: Progress) -> None:
    """Trains until run.config.epochs are done; `progress` is new, or what `restore_progress` found.

    Every epoch leaves a line in metrics.jsonl, a sample grid, the networks and a checkpoint. Raises TrainingStopped
    after SIGINT or SIGTERM, the state saved, and TrainingDiverged when a loss or a weight stops being finite.
    """
    config = run.config
    steps_per_epoch = len(images.images) // config.batch_size
    total_steps = config.epochs * steps_per_epoch
    low, high = scaler.output_range
    train_step = build_train_step(networks, gan_loss(config.loss), config, total_steps, high - low)
    run.clean_after(progress.step)
    done = progress.step * config.batch_size
    with (
        _stop_requests() as stop_requests,
        progress_bar("training", total_steps * config.batch_size, "images", done) as bar,
    ):
        order = None
        while progress.step < total_steps:
            epoch, position = divmod(progress.step, steps_per_epoch)
            if order is None or position == 0:
                order = epoch_order(len(images.images), config.seed, epoch)
            chosen = order[position * config.batch_size : (position + 1) * config.batch_size]
            start = time.perf_counter()
            losses = train_step(_batch(images, scaler, chosen), progress.step)
            progress.losses.append((float(losses["generator_loss"]), float(losses["discriminator_loss"])))
            seconds = time.perf_counter() - start
            progress.seconds += seconds
            progress.epoch_seconds += seconds
            _check_finite(run, progress.step, progress.losses[-1])
            progress.step += 1
            words = "losses G {:.2f} D {:.2f}".format(*progress.losses[-1])
            bar.advance(config.batch_size, f"epoch {epoch + 1}/{config.epochs}", words)
            if progress.step % steps_per_epoch == 0:
                _finish_epoch(run, progress, scaler, networks, steps_per_epoch)
            if stop_requests:
                if progress.step % steps_per_epoch:
                    run.save_checkpoint(progress.step, _finite_state(run, progress, networks))
                raise TrainingStopped(stop_requests[0])
    _draw_run(run, progress, steps_per_epoch)


def _batch(images: ImageSet, scaler: PixelScaler, chosen: np.ndarray) -> Batch:
    labels = None if images.labels is None else images.labels[chosen]
    return Batch(scaler.transform(images.images[chosen]), labels)


def _finish_epoch(
    run: RunFolder, progress: Progress, scaler: PixelScaler, networks: Networks, steps_per_epoch: int
) -> None:
    """Leaves the readings, the pictures and the weights of an epoch; the checkpoint last: it vouches for the rest."""
    config = run.config
    epoch_seconds, progress.epoch_seconds = progress.epoch_seconds, 0.0
    state = _finite_state(run, progress, networks)  # first of all: nothing good is replaced by something broken
    epoch = progress.step // steps_per_epoch
    generator_loss, discriminator_loss = np.mean(progress.losses[-steps_per_epoch:], axis=0)
    images_per_epoch = steps_per_epoch * config.batch_size
    progress.records.append(
        {
            "epoch": epoch,
            "step": progress.step,
            "images_seen": progress.step * config.batch_size,
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(images_per_epoch / epoch_seconds, 1),
            "generator_loss": float(generator_loss),
            "discriminator_loss": float(discriminator_loss),
        }
    )
    sampler = networks.sampler()
    run.save_sample(
        epoch, image_grid(generate_images(sampler, scaler, sample_inputs(run)), SAMPLE_ROWS, SAMPLE_COLUMNS)
    )
    run.save_metrics(progress.records)
    run.save_network("generator", sampler)
    run.save_network("discriminator", networks.discriminator)
    run.save_checkpoint(progress.step, state)


def sample_inputs(run: RunFolder) -> np.ndarray:
    """What the grid of samples is drawn from, always the same: seeds 0 to 63; of a conditional run, a class a row."""
    latents = latents_from_seeds(range(SAMPLE_ROWS * SAMPLE_COLUMNS), run.config.latent_dim)
    rows = np.arange(len(latents)) // SAMPLE_COLUMNS
    return with_classes(latents, rows % max(1, run.class_count), run.class_count)


def _draw_run(run: RunFolder, progress: Progress, steps_per_epoch: int) -> None:
    losses = np.array(progress.losses, np.float32).reshape(-1, 2)
    plot_losses(run.path / "losses.png", losses, steps_per_epoch, f"{run.path.name}: {run.config.preset}")
    animate_samples(run.path / "progress.gif", run.samples())


def _finite_state(run: RunFolder, progress: Progress, networks: Networks) -> dict[str, np.ndarray]:
    """The state to store. Raises TrainingDiverged when a number in it is not finite."""
    state = networks.state()
    for name, values in state.items():
        if not np.isfinite(values).all():
            raise TrainingDiverged(
                f"expected finite weights, got {values[~np.isfinite(values)].flat[0]} in {name} after step "
                f"{progress.step}; {_way_back(run)}"
            )
    return state | progress.state()


def restore_progress(run: RunFolder, networks: Networks) -> Progress:
    """Puts the newest checkpoint into the networks; a run killed before its first begins anew.

    Raises ValueError for a checkpoint that is missing, damaged or of other networks, and when more epochs were begun
    than run.config.epochs. Nothing is written.
    """
    state = run.load_checkpoint()
    records = run.load_metrics()
    if state is None:
        if len(records) > 1:  # one line may come before the first checkpoint
            raise ValueError(
                f"expected a checkpoint in {run.path / 'checkpoints'}, got none for a run of {len(records)} epochs; "
                "put it back or start a new run"
            )
        return Progress()
    networks.restore(state)
    try:
        step = int(state["progress/step"])
        seconds, epoch_seconds = (float(value) for value in state["progress/seconds"])
        losses = [tuple(map(float, pair)) for pair in state["progress/losses"]]
    except KeyError as error:
        raise ValueError(f"expected {error} in {run.latest_checkpoint()}, got none; remove it") from error
    last = step // (run.image_total // run.config.batch_size)
    if run.config.epochs < last:
        raise ValueError(f"expected --epochs of at least {last}, which are done, got {run.config.epochs}")
    return Progress(step, seconds, epoch_seconds, losses, [record for record in records if record["step"] <= step])


def _check_finite(run: RunFolder, step: int, losses: tuple[float, float]) -> None:
    if not all(map(math.isfinite, losses)):
        raise TrainingDiverged(
            f"expected finite losses, got generator {losses[0]} and discriminator {losses[1]} in step {step}; "
            f"{_way_back(run)}"
        )


def _way_back(run: RunFolder) -> str:
    path: Path | None = run.latest_checkpoint()
    if path is None:
        return "there is no checkpoint yet; start again with a lower --learning-rate or --precision float32"
    return f"the last good checkpoint is {path}; start a new run with a lower --learning-rate or --precision float32"


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of letting them end the process; a second Ctrl-C does end it."""
    requests: list[int] = []

    def remember(signal_number: int, frame) -> None:
        if requests and signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        requests.append(signal_number)

    previous = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
