"""How far a run is, and what it has measured so far."""

from dataclasses import dataclass, field

import numpy as np

from errors import InputError, words
from runs import RunFolder
from training.networks import Networks


@dataclass
class History:
    """The readings of all steps and epochs so far. Checkpoints contain it, so a resumed run has all of it."""

    step: int = 0
    seconds: float = 0.0  # training time, without pictures and files
    epoch_seconds: float = 0.0  # since the last line of metrics.jsonl
    losses: list[tuple[float, float]] = field(default_factory=list)  # (generator, discriminator), for every step
    scores: list[tuple[float, float, float, float]] = field(default_factory=list)
    """For every step: mean and standard deviation of the logits of real images, then of generated ones."""
    records: list[dict] = field(default_factory=list)  # the lines of metrics.jsonl

    @property
    def best(self) -> dict | None:
        """The line with the smallest distance, the first in case of a tie; None if nothing was measured."""
        return min(self.measured, key=lambda record: record["frechet_distance"], default=None)

    @property
    def measured(self) -> list[dict]:
        """The lines with a distance."""
        return [record for record in self.records if "frechet_distance" in record]

    def add_step(self, losses: tuple[float, float], scores: tuple[float, float, float, float]) -> None:
        self.losses.append(losses)
        self.scores.append(scores)
        self.step += 1

    def add_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        self.epoch_seconds += seconds

    def next_record(self, epoch: int, batch_size: int) -> dict:
        """The next line of metrics.jsonl, about the epochs since its last line, before anything is measured."""
        epoch_seconds, self.epoch_seconds = self.epoch_seconds, 0.0
        steps = self.step - (self.records[-1]["step"] if self.records else 0)
        generator_loss, discriminator_loss = np.mean(self.losses[-steps:], axis=0)
        return {
            "epoch": epoch,
            "step": self.step,
            "images_seen": self.step * batch_size,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(steps * batch_size / epoch_seconds, 1),
            "generator_loss": float(generator_loss),
            "discriminator_loss": float(discriminator_loss),
        }

    def state(self) -> dict[str, np.ndarray]:
        """The part that a checkpoint holds; the records are in metrics.jsonl."""
        return {
            "progress/step": np.int64(self.step),
            "progress/seconds": np.float64([self.seconds, self.epoch_seconds]),
            "progress/losses": np.array(self.losses, np.float32).reshape(-1, 2),
            "progress/scores": np.array(self.scores, np.float32).reshape(-1, 4),
        }


def restore_history(run: RunFolder, networks: Networks) -> History:
    """Loads the newest checkpoint into the networks; a run that was killed before its first one starts over.

    Raises ValueError for a checkpoint that is missing, damaged or from other networks, and if the run has started more
    epochs than run.config.epochs. Writes nothing.
    """
    state = run.load_checkpoint()
    records = run.load_metrics()
    if state is None:
        if len(records) > 1:  # one line can be written before the first checkpoint
            raise ValueError(
                f"expected a checkpoint in {run.path / 'checkpoints'}, got none for a run of {len(records)} epochs; "
                "restore it or start a new run"
            )
        return History()
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
        raise InputError(
            words("expected {epochs} of at least {}, which are done, got {}", last, run.config.epochs), "choose more"
        )
    records = [record for record in records if record["step"] <= step]
    return History(step, seconds, epoch_seconds, losses, scores, records)
