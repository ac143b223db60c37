"""What a run takes: time and the first picture, from the seconds of a step; memory and disk."""

import sys

from config import TrainingConfig
from progress import time_in_words
from runs import CHECKPOINTS_KEPT
from training.history import History
from training.networks import Networks

LONGEST_WAIT = 300.0  # seconds of training from one picture and checkpoint to the next, even amid an epoch


def forecast(config: TrainingConfig, steps_per_epoch: int, history: History, step_seconds: float) -> tuple[str, str]:
    """How long the rest of a run will train, and when it draws its next picture, in words.

    history: how far it is. step_seconds: of one step, measured.
    """
    total = config.epochs * steps_per_epoch
    rest = (total - history.step) * step_seconds
    if config.minutes:
        rest = min(rest, 60 * config.minutes - history.seconds)
    between = config.save_every * steps_per_epoch
    picture = (between - history.step % between) * step_seconds
    return time_in_words(rest), time_in_words(min(rest, picture, LONGEST_WAIT))


def most_memory() -> str:
    """The most that this process had resident so far, in words."""
    try:
        import resource
    except ImportError:  # Windows
        return "memory not known on this system"
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.1f} GiB of memory so far"


def disk_space(networks: Networks) -> str:
    """What checkpoints and networks will fill, in words; samples and curves are small beside them."""
    checkpoint = sum(values.nbytes for values in networks.state().values())
    stored = 4 * (networks.averaged_generator.count_params() + networks.discriminator.count_params())
    return f"{(CHECKPOINTS_KEPT * checkpoint + stored) / 1e6:.0f} MB of disk"
