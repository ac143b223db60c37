"""The training loop: epochs, progress, checkpoints, resume."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from config import TrainingConfig
from evaluation.yardstick import Yardstick
from image_datasets import ImageSet
from imaging import image_grid
from models.sampling import generate_images, latents_from_seeds, with_classes
from preprocessing import PixelScaler
from progress import progress_bar
from runs import RunFolder
from training.distribution import ONE_DEVICE, Replicas
from training.feed import Feed
from training.losses import gan_loss
from training.networks import Networks
from training.plots import animate_samples, draw_comparison, plot_distance, plot_losses, plot_scores
from training.report import write_report
from training.step import build_train_step
from training.tensorboard import Board

SAMPLE_ROWS, SAMPLE_COLUMNS = 8, 8  # of the grid after each epoch, seeds 0 to 63
MOST_CLASS_ROWS = 16  # of a conditional run, whose rows are its classes and whose columns are seeds 0 to 7
COMPARISON_PIXELS = 1_000  # across either half of comparison.png, about: less of large images
SECONDS_BETWEEN_PLOTS = 15.0  # at least; they take about one


class TrainingDiverged(RuntimeError):
    """A loss or a weight is no longer a finite number; the message has the step, the values and the way back."""


class ImagesUnreadable(RuntimeError):
    """Images that could be read when training began no longer can; the message names the file."""


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
    scores: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Of every step: mean and standard deviation of the logits of real images, then of generated ones."""
    records: list[dict] = field(default_factory=list)  # the lines of metrics.jsonl

    @property
    def best(self) -> dict | None:
        """The line with the smallest distance, the first of equals; None when nothing was measured."""
        return min(self.measured, key=lambda record: record["frechet_distance"], default=None)

    @property
    def measured(self) -> list[dict]:
        """The lines with a distance."""
        return [record for record in self.records if "frechet_distance" in record]

    def state(self) -> dict[str, np.ndarray]:
        return {
            "progress/step": np.int64(self.step),
            "progress/seconds": np.float64([self.seconds, self.epoch_seconds]),
            "progress/losses": np.array(self.losses, np.float32).reshape(-1, 2),
            "progress/scores": np.array(self.scores, np.float32).reshape(-1, 4),
        }


def train(
    run: RunFolder,
    images: ImageSet,
    scaler: PixelScaler,
    networks: Networks,
    progress: Progress,
    yardstick: Yardstick | None = None,
    tensorboard: bool = False,
    replicas: Replicas = ONE_DEVICE,
    steps_per_execution: int = 1,
) -> None:
    """Trains until run.config.epochs are done; `progress` is new, or what `restore_progress` found.

    Every epoch leaves a line in metrics.jsonl, a sample grid, the networks and a checkpoint. Raises TrainingStopped
    after SIGINT or SIGTERM and ImagesUnreadable, the state saved, TrainingDiverged when a loss or a weight stops being
    finite, and WorkerLost when another worker has ended.

    Args:
        yardstick: measures the generator every config.evaluate_every epochs; needed when that is given.
        tensorboard: write event files, too. A run that has some goes on with them in any case.
        replicas: the devices that share each batch, for which the networks were built. Of many workers all stop after
            the same step, whichever the signal came to, and only the chief writes.
        steps_per_execution: how many steps TensorFlow takes in one call, a multiple of config.penalty_interval or 1.
            Signals are heard between calls. At the ends of an epoch steps are taken one by one.
    """
    config, steps_per_epoch = run.config, run.steps_per_epoch
    if config.evaluate_every and yardstick is None and replicas.is_chief:
        raise ValueError("expected a yardstick with evaluate_every, got none; open_yardstick makes one")
    total_steps = config.epochs * steps_per_epoch
    low, high = scaler.output_range
    loss = gan_loss(config.loss)
    train_step = build_train_step(networks, loss, config, total_steps, high - low, replicas)
    if replicas.is_chief:
        run.clean_after(progress.step)
    if replicas.is_chief and progress.records and progress.records[-1]["step"] == progress.step:
        _keep_best(run, progress, networks.sampler())  # a kill may have come between the checkpoint and this
    plots_drawn_at = -math.inf
    done = progress.step * config.batch_size
    share = (replicas.worker, replicas.workers)
    fed = images if config.conditional else ImageSet(images.name, images.images)
    steps = (progress.step, total_steps)
    with (
        Feed(fed, scaler, config.batch_size, config.seed, *steps, loss.pairs, share, steps_per_execution) as feed,
        _open_board(run, progress, tensorboard, replicas) as board,
        _stop_requests() as stop_requests,
        progress_bar("training", total_steps * config.batch_size, "images", done) as bar,
    ):
        while progress.step < total_steps:
            epoch = progress.step // steps_per_epoch
            start = time.perf_counter()
            try:
                batches = [next(feed) for _ in range(_steps_ahead(progress.step, steps_per_epoch, steps_per_execution))]
            except ValueError as error:  # a file that has changed or gone since it was checked
                if replicas.is_chief and progress.step % steps_per_epoch:
                    run.save_checkpoint(progress.step, _finite_state(run, progress, networks))
                raise ImagesUnreadable(f"{error}; the state is saved, mend it and go on with --resume") from error
            with replicas.watched():
                readings = [_read(found) for found in train_step.together(batches, progress.step)]
            seconds = time.perf_counter() - start
            progress.seconds += seconds
            progress.epoch_seconds += seconds
            for losses, scores, logits in readings:
                progress.losses.append(losses)
                progress.scores.append(scores)
                _check_finite(run, progress.step, losses)
                progress.step += 1
                words = "losses G {:.2f} D {:.2f}".format(*losses)
                bar.advance(config.batch_size, f"epoch {epoch + 1}/{config.epochs}", words)
                if board is not None:
                    board.show_step(progress.losses, progress.scores, *logits)
            if progress.step % steps_per_epoch == 0 and not replicas.is_chief:
                _finite_state(run, progress, networks)  # says what the chief says when it is not
            elif progress.step % steps_per_epoch == 0:
                if config.evaluate_every and (epoch + 1) % config.evaluate_every == 0:
                    bar.advance(0, f"epoch {epoch + 1}/{config.epochs}", "measuring the distance")
                sampler = _finish_epoch(run, progress, scaler, networks, yardstick, board)
                if time.perf_counter() - plots_drawn_at > SECONDS_BETWEEN_PLOTS and not stop_requests:
                    draw_run(run, progress, images, scaler, sampler)
                    plots_drawn_at = time.perf_counter()
            signal_number = int(replicas.gather(stop_requests[0] if stop_requests else 0).max())
            if signal_number:
                if replicas.is_chief and progress.step % steps_per_epoch:
                    if board is not None:
                        board.flush()
                    run.save_checkpoint(progress.step, _finite_state(run, progress, networks))
                if replicas.is_chief:
                    draw_run(run, progress, images, scaler, networks.sampler())
                replicas.gather(0)
                raise TrainingStopped(signal_number)
    if replicas.is_chief:
        draw_run(run, progress, images, scaler, networks.sampler())
        animate_samples(run.path / "progress.gif", run.samples(), scaler.maximum_)
        write_report(run, images)
    replicas.gather(0)  # the others wait, since one that has ended is one that is lost


def _steps_ahead(step: int, steps_per_epoch: int, steps_per_execution: int) -> int:
    """As many as one execution takes where they begin at a multiple of it and lie in one epoch; otherwise one.

    So there is one graph of many steps, whatever the length of an epoch, and penalties have their places in it.
    """
    left = steps_per_epoch - step % steps_per_epoch
    return steps_per_execution if step % steps_per_execution == 0 and steps_per_execution <= left else 1


def _read(found: dict) -> tuple[tuple[float, ...], tuple[float, ...], tuple[np.ndarray, np.ndarray]]:
    """What a step leaves in `Progress`, a line of losses and one of scores; and the logits of both kinds."""
    losses = float(found["generator_loss"]), float(found["discriminator_loss"])
    logits = np.asarray(found["real_logits"]), np.asarray(found["generated_logits"])
    return losses, tuple(float(of(part)) for part in logits for of in (np.mean, np.std)), logits


@contextlib.contextmanager
def _open_board(run: RunFolder, progress: Progress, wanted: bool, replicas: Replicas) -> Iterator[Board | None]:
    if not replicas.is_chief or not (wanted or run.board_folder.exists()):
        yield None
        return
    with contextlib.closing(Board(run.board_folder, run.config, progress.step)) as board:
        yield board


def _finish_epoch(
    run: RunFolder,
    progress: Progress,
    scaler: PixelScaler,
    networks: Networks,
    yardstick: Yardstick | None,
    board: Board | None,
) -> keras.Sequential:
    """Leaves the readings, the pictures and the weights of an epoch; the checkpoint last: it vouches for the rest.

    Only the best weights come after it, since a resumed run can write them again from the checkpoint. Returns the
    generator to sample from.
    """
    config, steps_per_epoch = run.config, run.steps_per_epoch
    epoch_seconds, progress.epoch_seconds = progress.epoch_seconds, 0.0
    state = _finite_state(run, progress, networks)  # first of all: nothing good is replaced by something broken
    epoch = progress.step // steps_per_epoch
    generator_loss, discriminator_loss = np.mean(progress.losses[-steps_per_epoch:], axis=0)
    images_per_epoch = steps_per_epoch * config.batch_size
    record = {
        "epoch": epoch,
        "step": progress.step,
        "images_seen": progress.step * config.batch_size,
        "seconds": round(progress.seconds, 3),
        "images_per_second": round(images_per_epoch / epoch_seconds, 1),
        "generator_loss": float(generator_loss),
        "discriminator_loss": float(discriminator_loss),
    }
    sampler = networks.sampler()
    if config.evaluate_every and epoch % config.evaluate_every == 0:
        record |= yardstick.measure(sampler, scaler)
        record["best"] = progress.best is None or record["frechet_distance"] < progress.best["frechet_distance"]
    progress.records.append(record)
    run.save_sample(epoch, image_grid(generate_images(sampler, scaler, sample_inputs(run)), columns=SAMPLE_COLUMNS))
    run.save_metrics(progress.records)
    run.save_network("generator", sampler)
    run.save_network("discriminator", networks.discriminator_to_store())
    if board is not None:
        board.show_epoch(record, run.samples()[-1])
    run.save_checkpoint(progress.step, state)
    _keep_best(run, progress, sampler)
    return sampler


def _keep_best(run: RunFolder, progress: Progress, sampler: keras.Sequential) -> None:
    """Writes generator_best.keras when the last epoch is the best one measured."""
    if progress.records[-1].get("best"):
        run.save_network("generator_best", sampler)


def sample_inputs(run: RunFolder) -> np.ndarray:
    """What the grid of samples is drawn from, always the same: seeds 0 to 63; of a conditional run, a class a row."""
    if run.class_count == 0:
        return latents_from_seeds(range(SAMPLE_ROWS * SAMPLE_COLUMNS), run.config.latent_dim)
    rows = _sample_rows(run)
    latents = np.tile(latents_from_seeds(range(SAMPLE_COLUMNS), run.config.latent_dim), (rows, 1))
    return with_classes(latents, np.repeat(np.arange(rows), SAMPLE_COLUMNS), run.class_count)


def _sample_rows(run: RunFolder) -> int:
    return min(run.class_count, MOST_CLASS_ROWS) or SAMPLE_ROWS


def draw_run(
    run: RunFolder, progress: Progress, images: ImageSet, scaler: PixelScaler, sampler: keras.Sequential
) -> None:
    """Draws losses.png, scores.png, distance.png when something was measured, and comparison.png."""
    title = f"{run.path.name}: {run.config.preset}, {run.config.loss}"
    losses, scores = np.array(progress.losses, np.float32), np.array(progress.scores, np.float32)
    how = (run.steps_per_epoch, title)
    plot_losses(run.path / "losses.png", losses, *how, _undecided_loss(run.config), progress.best)
    plot_scores(run.path / "scores.png", scores, *how, progress.best)
    if progress.best is not None:
        plot_distance(run.path / "distance.png", progress.measured, title, progress.best)
    chosen = _images_to_compare(run, images)
    rows = _sample_rows(run)
    shown = max(2, COMPARISON_PIXELS // max(run.image_shape))
    side = min(shown, SAMPLE_COLUMNS)
    cells = np.arange(rows * SAMPLE_COLUMNS).reshape(rows, SAMPLE_COLUMNS)
    cells = cells[: rows if run.class_count else side, :side].ravel()
    cells = cells[cells < len(chosen)]
    generated = generate_images(sampler, scaler, sample_inputs(run)[cells])
    words = f"generated, epoch {progress.step / run.steps_per_epoch:.3g}"
    real = images.images[chosen[cells]]
    names = run.class_names[:rows] if run.class_count else ()
    draw_comparison(run.path / "comparison.png", real, generated, side, words, scaler.maximum_, names)


def _images_to_compare(run: RunFolder, images: ImageSet) -> np.ndarray:
    """Indices of real images to stand beside the samples, always the same; of a conditional run, a class a row."""
    shuffled = np.random.default_rng(0).permutation(len(images.images))
    if run.class_count == 0:
        return shuffled[: SAMPLE_ROWS * SAMPLE_COLUMNS]
    rows = []
    for row in range(_sample_rows(run)):
        of_class = shuffled[images.labels[shuffled] == row]
        rows.append(np.resize(of_class if len(of_class) else shuffled, SAMPLE_COLUMNS))
    return np.concatenate(rows)


def _undecided_loss(config: TrainingConfig) -> float:
    """The discriminator's loss when it gives real and generated images the same logit, 0."""
    logits = np.zeros((1, 1), np.float32)
    return float(gan_loss(config.loss).discriminator(logits, logits))


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
        losses = [tuple(map(float, row)) for row in state["progress/losses"]]
        scores = [tuple(map(float, row)) for row in state["progress/scores"]]
    except KeyError as error:
        raise ValueError(f"expected {error} in {run.latest_checkpoint()}, got none; remove it") from error
    last = step // run.steps_per_epoch
    if run.config.epochs < last:
        raise ValueError(f"expected --epochs of at least {last}, which are done, got {run.config.epochs}")
    records = [record for record in records if record["step"] <= step]
    return Progress(step, seconds, epoch_seconds, losses, scores, records)


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
