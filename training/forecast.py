"""Estimates what a run needs: its time and that of its next picture, from the seconds per step; memory and disk."""

import sys

from config import TrainingConfig
from progress import time_in_words
from runs import CHECKPOINTS_KEPT
from training.history import History
from training.networks import Networks

LONGEST_WAIT = 300.0  # seconds of training between pictures and checkpoints, even within an epoch


def forecast(config: TrainingConfig, steps_per_epoch: int, history: History, step_seconds: float) -> tuple[str, str]:
    """How long the rest of a run will take, and when its next picture comes, in words.

    history: the progress so far. step_seconds: the measured duration of a step.
    """
    total = config.epochs * steps_per_epoch
    rest = (total - history.step) * step_seconds
    if config.minutes:
        rest = min(rest, 60 * config.minutes - history.seconds)
    between = config.save_every * steps_per_epoch
    picture = (between - history.step % between) * step_seconds
    return time_in_words(rest), time_in_words(min(rest, picture, LONGEST_WAIT))


def most_memory() -> str:
    """The peak of this process's resident memory so far, in words."""
    try:
        import resource
    except ImportError:  # Windows
        return "memory unknown on this system"
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.1f} GiB of memory so far"


def disk_space(networks: Networks) -> str:
    """How much disk checkpoints and networks will need, in words; samples and curves are small in comparison."""
    checkpoint = networks.state_bytes()
    stored = 4 * (networks.averaged_generator.count_params() + networks.discriminator.count_params())
    return f"{(CHECKPOINTS_KEPT * checkpoint + stored) / 1e6:.0f} MB of disk"
