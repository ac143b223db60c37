"""Pictures of a run: the losses, and how the samples came about."""

import math
import os

import numpy as np

from files import atomic_path
from imaging import load_image, save_animation

GENERATOR_COLOUR, DISCRIMINATOR_COLOUR = "#d55e00", "#0072b2"  # Okabe and Ito 2008: told apart by the colour-blind
MOST_POINTS = 400  # on a curve
MOST_FRAMES = 100  # in an animation


def plot_losses(path: str | os.PathLike, losses: np.ndarray, steps_per_epoch: int, title: str) -> None:
    """Draws losses, float (steps, 2) of generator and discriminator, as mean and spread of short spans of steps."""
    from matplotlib.figure import Figure  # no pyplot: it keeps figures in global state and looks for a display

    span = max(1, math.ceil(len(losses) / MOST_POINTS))
    starts = np.arange(0, len(losses), span)
    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    curves = (("generator", GENERATOR_COLOUR, "-"), ("discriminator", DISCRIMINATOR_COLOUR, "--"))
    for column, (label, colour, style) in enumerate(curves):
        spans = [losses[start : start + span, column] for start in starts]
        epochs = (starts + span / 2) / steps_per_epoch
        axes.plot(epochs, [part.mean() for part in spans], style, color=colour, label=label, linewidth=1.5)
        if span > 1:
            lowest, highest = [part.min() for part in spans], [part.max() for part in spans]
            axes.fill_between(epochs, lowest, highest, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="epoch", ylabel=f"loss (mean of {span} step{'s' if span > 1 else ''})", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png")


def animate_samples(path: str | os.PathLike, samples: list) -> None:
    """Puts sample grids, in order, into a GIF; of many, evenly chosen ones, the last among them."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST_FRAMES)).round().astype(int))
    frames = np.stack([load_image(samples[index]) for index in chosen])
    save_animation(path, frames, seconds_per_frame=0.4, last_frame_seconds=2.0)
