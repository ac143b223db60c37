"""Plots of a run: losses, scores, distances, real images beside samples, and an animation of the samples.

Curves differ in color (Okabe and Ito 2008, a palette for the color-blind) and in line style (for print).
"""

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from drawing.fonts import drawable, font_file
from drawing.sheets import PADDING, Panel, draw_sheet
from files import atomic_path
from imaging import load_image, save_animation, to_display

GENERATOR_COLOR, DISCRIMINATOR_COLOR = "#d55e00", "#0072b2"
RECALL_COLOR, COVERAGE_COLOR = "#009e73", "#cc79a7"
MOST_POINTS = 150  # on a curve; its band shows what happens within a few steps
MOST_FRAMES = 40  # in an animation: sixteen seconds, a few megabytes
COMPARISON_SIDE = 560  # approximate pixels of either half
SHORT_RUN = 180.0  # seconds; the axis of a shorter run counts seconds


def plot_losses(
    path: str | os.PathLike,
    losses: np.ndarray,
    steps_per_epoch: int,
    title: str,
    undecided: float | None = None,
    best: dict | None = None,
) -> None:
    """Draws losses, float (steps, 2) for generator and discriminator, as mean and range over short spans of steps.

    undecided: the discriminator's loss when it cannot tell real from generated. best: the line of metrics.jsonl with
    the best distance.
    """
    with _drawn(path, 4) as figure:
        axes = figure.add_subplot()
        curves = (("generator", GENERATOR_COLOR, "-"), ("discriminator", DISCRIMINATOR_COLOR, "--"))
        for column, (label, color, style) in enumerate(curves):
            epochs, spans = _spans(losses[:, column], steps_per_epoch)
            axes.plot(epochs, spans.mean, style, color=color, label=label, linewidth=1.5)
            axes.fill_between(epochs, spans.lowest, spans.highest, color=color, alpha=0.15, linewidth=0)
        if undecided is not None:
            label = "undecided discriminator"
            axes.axhline(undecided, color=DISCRIMINATOR_COLOR, linestyle=":", linewidth=1.2, label=label)
        _mark_best(axes, best)
        axes.set(ylabel="loss (line: mean, band: range)")
        _finish_epochs(figure, axes, title, len(losses) / steps_per_epoch)


def plot_scores(
    path: str | os.PathLike, scores: np.ndarray, steps_per_epoch: int, title: str, best: dict | None = None
) -> None:
    """Draws the discriminator's logits: float (steps, 4), mean and standard deviation on real images, then on generated
    ones. Overlapping bands mean that it confuses the two.
    """
    with _drawn(path, 4) as figure:
        axes = figure.add_subplot()
        curves = (("real images", DISCRIMINATOR_COLOR, "--"), ("generated images", GENERATOR_COLOR, "-"))
        for index, (label, color, style) in enumerate(curves):
            epochs, means = _spans(scores[:, 2 * index], steps_per_epoch)
            deviation = _spans(scores[:, 2 * index + 1], steps_per_epoch)[1].mean
            axes.plot(epochs, means.mean, style, color=color, label=label, linewidth=1.5)
            low, high = means.mean - deviation, means.mean + deviation
            axes.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
        axes.axhline(0.0, color="black", linestyle=":", linewidth=1.2, label="undecided (0)")
        _mark_best(axes, best)
        label = "logit of the discriminator\n(line: mean, band: ± standard deviation)"
        axes.set(ylabel=label)
        _finish_epochs(figure, axes, title, len(scores) / steps_per_epoch)


def plot_distance(path: str | os.PathLike, records: list[dict], title: str, best: dict) -> None:
    """Draws the distances in metrics.jsonl over training time, above recall and coverage, which fall when the generator
    makes fewer and fewer kinds of images.
    """
    unit, divisor = ("minutes", 60.0) if records[-1]["seconds"] >= SHORT_RUN else ("seconds", 1.0)
    times = [record["seconds"] / divisor for record in records]
    with _drawn(path, 5.5) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        distances = [record["frechet_distance"] for record in records]
        distance_style = {"color": DISCRIMINATOR_COLOR, "label": "Fréchet distance", "linewidth": 1.5, "markersize": 4}
        upper.plot(times, distances, "-o", **distance_style)
        words = f"best: {best['frechet_distance']:.2f}, epoch {best['epoch']}"
        upper.plot(
            best["seconds"] / divisor,
            best["frechet_distance"],
            "*",
            color=GENERATOR_COLOR,
            markeredgecolor="black",
            markersize=14,
            label=words,
            linestyle="none",
        )
        upper.set(ylabel="Fréchet distance\n(0 is best)", ylim=(0.0, None))
        for name, color, style in (("recall", RECALL_COLOR, "-s"), ("coverage", COVERAGE_COLOR, "--^")):
            values = [record[name] for record in records]
            lower.plot(times, values, style, color=color, label=name, linewidth=1.5, markersize=4)
        label = "share of real images\nwithin reach"
        lower.set(xlabel=f"{unit} of training", ylabel=label, ylim=(-0.03, 1.03), xlim=(0.0, 1.03 * times[-1]))
        upper.grid(alpha=0.3)
        _finish(figure, lower, title)


def comparison_sheet(
    real: np.ndarray,
    generated: np.ndarray,
    columns: int,
    title: str,
    maximum: float,
    row_names: Sequence[str] = (),
) -> np.ndarray:
    """Real images on the left, equally many generated ones on the right, enlarged by a whole factor: uint8 (h, w, c).

    Both are uint8 or uint16 (n, height, width, channels); in uint16, `maximum` becomes white.
    title: the title above the generated ones. row_names: the class of each row, for a conditional run.
    """
    halves = ((real, "real"), (generated, title))
    panels = [Panel(to_display(images, maximum), columns, title=words) for images, words in halves]
    scale = max(1, COMPARISON_SIDE // (columns * (real.shape[2] + PADDING)))
    return draw_sheet(panels, scale, row_names)


class Spans(NamedTuple):
    """Statistics of spans of steps; float (spans,) each."""

    mean: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


def _spans(values: np.ndarray, steps_per_epoch: int) -> tuple[np.ndarray, Spans]:
    """float (steps,) -> the middles of at most MOST_POINTS spans, in epochs, and the statistics of each."""
    span = max(1, math.ceil(len(values) / MOST_POINTS))
    starts = np.arange(0, len(values), span)
    lengths = np.diff([*starts, len(values)])
    parts = Spans(
        np.add.reduceat(values.astype(np.float64), starts) / lengths,
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
    )
    return (starts + lengths / 2) / steps_per_epoch, parts


@contextlib.contextmanager
def _drawn(path: str | os.PathLike, height: float) -> Iterator:
    """A Matplotlib figure, `height` inches high, that is saved when the block ends."""
    from matplotlib.figure import Figure  # no pyplot: it keeps figures in global state and looks for a display

    figure = Figure(figsize=(8, height), dpi=120, layout="constrained")
    yield figure
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png")


def _mark_best(axes, best: dict | None) -> None:
    if best is not None:
        label = f"best distance, {best['frechet_distance']:.2f}"
        axes.axvline(best["epoch"], color="black", linestyle="-.", linewidth=1.2, label=label)


def _finish_epochs(figure, axes, title: str, epochs: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", xlim=(0.0, 1.01 * epochs))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=epochs >= 2))
    _finish(figure, axes, title)


def _finish(figure, axes, title: str) -> None:
    """Puts title and legend above the curves, where they cover nothing."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(fname=font_file(title))  # the name of a run may have letters that few fonts have
    how = {"title": drawable(title), "title_fontproperties": font}
    figure.legend(loc="outside upper center", **how, ncols=4, fontsize="small", frameon=False, handlelength=3.0)
    axes.grid(alpha=0.3)


def animate_samples(path: str | os.PathLike, samples: list, maximum: float) -> None:
    """Combines sample grids into a GIF that shows the epoch of each; if there are many, evenly spaced ones.

    The last one is always included. In 16-bit samples, `maximum` becomes white.
    """
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST_FRAMES)).round().astype(int))
    paths = [Path(samples[index]) for index in chosen]
    frames = np.stack([load_image(path) for path in paths])
    captions = [f"epoch {int(path.stem.split('_')[1])}" for path in paths]
    scale = max(1, COMPARISON_SIDE // frames.shape[2])
    save_animation(path, to_display(frames, maximum), 0.4, last_frame_seconds=2.0, scale=scale, captions=captions)
