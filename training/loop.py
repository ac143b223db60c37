"""The training loop: epochs, signals, and how a run ends."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from errors import Explained, Words, words
from evaluation.yardstick import Yardstick
from image_datasets import ImagesChanged, ImageSet
from progress import ProgressBar, progress_bar
from training.failures import STEPS_TO_SEE, blind_discriminator
from training.feed import BatchPlan, Feed
from training.forecast import LONGEST_WAIT, disk_space, forecast, most_memory
from training.recorder import Recorder, Setup, SilentRecorder
from training.step import Readings, TrainStep

STOPPING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
# Far above every healthy loss, even those of wasserstein, which have no fixed level. No run recovers from here.
LARGEST_LOSS = 1e5
# How training ends: the number of a signal, or one of these.
GOES_ON = 0
TIME_IS_UP = 1_000  # the minutes of the run are over


class TrainingDiverged(Explained, RuntimeError):
    """A loss or a weight is no longer finite; the message has the step, the values and how to recover."""


class ImagesUnreadable(Explained, RuntimeError):
    """Images that could be read when training started no longer can; the message names the file."""


class TrainingStopped(Exception):
    """A signal asked to stop, and the state was saved; `signal_number` is that signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class Mark(NamedTuple):
    """A step, and the seconds of training until then."""

    step: int
    seconds: float


class Training:
    """A run in training: `train` takes it to its last epoch.

    Several workers take the same steps and stop after the same one, whichever of them gets a signal; only the chief
    writes.

    yardstick: measures the generator every config.evaluate_every epochs; the chief needs it if that is set.
    """

    def __init__(self, setup: Setup, yardstick: Yardstick | None = None) -> None:
        self.run, self.images, self.scaler, self.networks, self.history = setup
        self.replicas = self.networks.replicas
        self.total_steps = self.run.config.epochs * self.run.steps_per_epoch
        low, high = self.scaler.output_range
        self.train_step = TrainStep(self.networks, self.run.config, self.total_steps, high - low)
        self.warned = False
        self.first_step = self.history.step
        self.marks: list[Mark] = []  # two, between which the speed is measured
        self.recorder = Recorder(setup, yardstick) if self.replicas.is_chief else SilentRecorder()

    def train(self, tensorboard: bool = False, steps_per_execution: int = 1) -> None:
        """Trains until run.config.epochs are done, or its minutes are over. After every epoch, or every save_every
        epochs, writes a line in metrics.jsonl, a sample grid, the networks and a checkpoint; in a long epoch, also
        after `LONGEST_WAIT`.

        tensorboard: also write event files. A run that already has some continues them in any case.
        steps_per_execution: how many steps TensorFlow takes per call, a multiple of config.penalty_interval or 1.
        Signals are handled between calls. At both ends of an epoch, steps may be taken one by one.

        Raises TrainingStopped after a signal (`collected_signals`) and ImagesUnreadable, both with the state saved,
        TrainingDiverged if a loss or a weight is not finite or a loss is too large, and WorkerLost if another worker
        has ended.
        """
        history = self.history
        ending = self._own_ending([])
        recorded = self._line_is_due or (bool(history.records) and history.records[-1]["step"] == history.step)
        with (
            self._open_feed(steps_per_execution) as feed,
            self.recorder.opened(tensorboard),
            collected_signals() as signals,
            progress_bar("training", *self._length) as bar,
        ):
            while history.step < self.total_steps and not ending:
                self._take_steps(feed, self._steps_ahead(steps_per_execution), bar)
                line_is_due = self._line_is_due
                recorded = line_is_due or history.epoch_seconds >= LONGEST_WAIT
                if recorded:
                    self._record(bar, pictures=not signals, epoch_ends=line_is_due)
                self._warn_if_blind()
                self._say_what_it_takes(steps_per_execution)
                ending = self._common_ending(signals)
            if ending == TIME_IS_UP and not recorded:
                self._record(bar, pictures=False, epoch_ends=True)  # no step of this epoch will follow
            elif not recorded:
                self.recorder.save_state(self._finite_state())
            complete = ending in (GOES_ON, TIME_IS_UP)
            self.recorder.finish(complete)
            self.replicas.gather(0)  # all wait here, since a worker that ends counts as lost
        if not complete:
            raise TrainingStopped(ending)

    def _own_ending(self, signals: list[int]) -> int:
        """Why this worker should end after the last step: the number of a signal, TIME_IS_UP, or GOES_ON."""
        if signals:
            return signals[0]
        return TIME_IS_UP if self._time_is_up else GOES_ON

    def _common_ending(self, signals: list[int]) -> int:
        """The ending of all workers: the largest of their own, so that all stop after the same step.

        If the time is up in one worker, a signal in another is ignored: the run is complete in any case.
        """
        return int(self.replicas.gather(self._own_ending(signals)).max())

    @property
    def _length(self) -> tuple[float, str, float]:
        """(total work, its unit, work done): in images, or in seconds for a timed run."""
        if self.run.config.minutes:
            return 60 * self.run.config.minutes, "s", self.history.seconds
        batch_size = self.run.config.batch_size
        return self.total_steps * batch_size, "images", self.history.step * batch_size

    @property
    def _line_is_due(self) -> bool:
        """Whether an epoch ends here that gets a line in metrics.jsonl."""
        epoch, steps = divmod(self.history.step, self.run.steps_per_epoch)
        config = self.run.config
        has_line = epoch % config.save_every == 0 or epoch == config.epochs or self._is_measured(epoch)
        return steps == 0 and has_line

    def _is_measured(self, epoch: int) -> bool:
        """Whether the distance to the real images is measured at the end of this epoch."""
        every = self.run.config.evaluate_every
        return every is not None and epoch % every == 0

    @property
    def _time_is_up(self) -> bool:
        return self.run.config.minutes is not None and self.history.seconds >= 60 * self.run.config.minutes

    def _warn_if_blind(self) -> None:
        """Warns once if the discriminator distinguishes nothing after `STEPS_TO_SEE` steps.

        The steps of one execution are checked together, so the warning may come a few steps later.
        """
        if self.warned or self.history.step < STEPS_TO_SEE or not self.replicas.is_chief:
            return
        self.warned = True
        line = blind_discriminator(self.history.step, np.array(self.history.scores[-100:]))
        if line:
            print(line, file=sys.stderr)

    def _say_what_it_takes(self, steps_per_execution: int) -> None:
        """Prints once how long the rest will take and what it needs, estimated from steps after those that compiled
        graphs."""
        history, marks = self.history, self.marks
        if len(marks) == 2 or not self.replicas.is_chief:
            return
        steps_between = max(2 * self.run.config.penalty_interval, steps_per_execution)
        last_step = marks[-1].step if marks else self.first_step
        if history.step >= last_step + steps_between:
            marks.append(Mark(history.step, history.seconds))
        if len(marks) < 2:
            return
        before, after = marks
        seconds = (after.seconds - before.seconds) / (after.step - before.step)
        rest, picture = forecast(self.run.config, self.run.steps_per_epoch, history, seconds)
        print(
            f"{rest} at {self.run.config.batch_size / seconds:.3g} images/s, a picture in {picture}; {most_memory()}, "
            f"{disk_space(self.networks)}",
            file=sys.stderr,
        )

    @property
    def _epoch_words(self) -> str:
        """The epoch of the last step, for the progress bar."""
        epoch = self.run.epoch_of(self.history.step)
        return f"epoch {epoch}" if self.run.config.minutes else f"epoch {epoch}/{self.run.config.epochs}"

    def _open_feed(self, steps_per_execution: int) -> Feed:
        config, images = self.run.config, self.images
        share = (self.replicas.worker, self.replicas.workers)
        plan = BatchPlan(config.batch_size, config.seed, self.train_step.loss.pairs, share)
        labeled = images if config.conditional else ImageSet(images.name, images.images)
        return Feed(labeled, self.scaler, plan, range(self.history.step, self.total_steps), steps_per_execution)

    def _steps_ahead(self, steps_per_execution: int) -> int:
        """The steps of one execution, if they start at a multiple of it and are within one epoch; otherwise one.

        So there is one graph for many steps, whatever the length of an epoch, with penalties in fixed places.
        """
        step, steps_per_epoch = self.history.step, self.run.steps_per_epoch
        left = steps_per_epoch - step % steps_per_epoch
        return steps_per_execution if step % steps_per_execution == 0 and steps_per_execution <= left else 1

    def _take_steps(self, feed: Feed, count: int, bar: ProgressBar) -> None:
        start = time.perf_counter()
        batches = self._next_batches(feed, count)
        minutes = self.run.config.minutes
        share_done = self.history.seconds / (60 * minutes) if minutes else None
        with self.replicas.watched():
            several = self.train_step.execute(batches, self.history.step, share_done)
            steps = [_read(readings) for readings in several]
        seconds = time.perf_counter() - start
        self.history.add_seconds(seconds)
        done = seconds / count if minutes else self.run.config.batch_size
        for losses, scores, logits in steps:
            self._check_losses(losses)
            self.history.add_step(losses, scores)
            shown = "losses G {:.2f} D {:.2f}".format(*losses)
            bar.advance(done, self._epoch_words, shown)
            self.recorder.show_step(*logits)

    def _next_batches(self, feed: Feed, count: int) -> list:
        try:
            return [next(feed) for _ in range(count)]
        except ImagesChanged as error:
            if not self._line_is_due:
                self.recorder.save_state(self._finite_state())
            way_out = words("the state is saved; repair the file and continue with {resume}")
            raise ImagesUnreadable(str(error), way_out) from error

    def _record(self, bar: ProgressBar, pictures: bool, epoch_ends: bool) -> None:
        """Writes the line of the epoch and all that goes with it; the distance only where the epoch ends."""
        epoch = self.run.epoch_of(self.history.step)  # an unfinished one counts if a timed run ends in it
        record = self.history.next_record(epoch, self.run.config.batch_size)
        state = self._finite_state()  # before all else, so that nothing good is replaced by something broken
        measured = epoch_ends and self._is_measured(record["epoch"])
        if measured:
            bar.advance(0, self._epoch_words, "measuring the distance")
        self.recorder.save_epoch(record, state, pictures, measured)

    def _finite_state(self) -> dict[str, np.ndarray]:
        """The state to store. Raises TrainingDiverged in every worker if a number in it is not finite."""
        state = self.networks.state()
        for name, values in state.items():
            if not np.isfinite(values).all():
                raise TrainingDiverged(
                    f"expected finite weights, got {values[~np.isfinite(values)].flat[0]} in {name} after step "
                    f"{self.history.step}",
                    self._way_back(),
                )
        return state | self.history.state()

    def _check_losses(self, losses: tuple[float, float]) -> None:
        """Raises TrainingDiverged for a loss that is too large or not finite."""
        if not all(abs(loss) < LARGEST_LOSS for loss in losses):  # False for NaN as well
            raise TrainingDiverged(
                f"expected losses below {LARGEST_LOSS:g}, got generator {losses[0]} and discriminator {losses[1]} in "
                f"step {self.history.step}",
                self._way_back(),
            )

    def _way_back(self) -> Words:
        path = self.run.latest_checkpoint()
        good = "there is no checkpoint yet" if path is None else f"the last good checkpoint is {path}"
        return (f"{good}; ", *words("start a new run with a lower {learning_rate} or {precision=float32}"))


def _read(readings: Readings) -> tuple[tuple[float, ...], tuple[float, ...], tuple[np.ndarray, np.ndarray]]:
    """A step's losses and scores for `History`, and the logits of real and generated images."""
    losses = float(readings["generator_loss"]), float(readings["discriminator_loss"])
    real, generated = np.asarray(readings["real_logits"]), np.asarray(readings["generated_logits"])
    scores = *_mean_and_spread(real), *_mean_and_spread(generated)
    return losses, scores, (real, generated)


def _mean_and_spread(logits: np.ndarray) -> tuple[float, float]:
    return float(np.mean(logits)), float(np.std(logits))


@contextlib.contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collects signals to stop in a list instead of letting them end the process; a second Ctrl-C does end it.

    SIGINT is Ctrl-C, SIGTERM a request to end, SIGHUP a closed terminal, SIGXCPU used-up processor time. Signals that
    were ignored before, as with `nohup`, stay ignored.
    """
    signals: list[int] = []

    def remember(signal_number: int, frame) -> None:
        if signals and signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        signals.append(signal_number)

    numbers = [getattr(signal, name) for name in STOPPING_SIGNALS if hasattr(signal, name)]  # Windows lacks two of them
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, remember) for number in heard}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
