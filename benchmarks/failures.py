"""Causes both failures that train.py warns about, and plots what they look like.

python benchmarks/failures.py --output failures

A discriminator that distinguishes nothing: penalties a thousand times as heavy as usual keep its gradient at zero. A
generator that makes only one image: no penalty, and momentum at a high learning rate. Both runs use 16×16 digits and
take a minute of one core each; one that exists in the output folder is not trained again. The picture,
OUTPUT/failures.png, has a row for each: losses, scores, and the samples at the end.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging import load_image  # noqa: E402
from runs import RunFolder  # noqa: E402

SMALL = ["--image-size", "16", "--image-count", "4000", "--epochs", "5", "--precision", "float32"]
FAILURES = {
    "blind": ["--r1", "1000", "--r2", "1000"],
    "collapsed": ["--r1", "0", "--learning-rate", "0.005", "--beta-1", "0.9"],
}
TITLES = {"blind": "the discriminator sees nothing", "collapsed": "the generator draws one image, or a few"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("failures"), metavar="FOLDER", help="(default failures)")
    output = parser.parse_args().output
    for name, options in FAILURES.items():
        if not (output / name / "report.html").exists():
            command = [sys.executable, str(ROOT / "train.py"), "--run-dir", str(output / name), *SMALL, *options]
            subprocess.run(command, check=True)
    draw([RunFolder.open(output / name) for name in FAILURES], output / "failures.png")


def draw(runs: list[RunFolder], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.1 * len(runs)), dpi=100, layout="constrained")
    for run, (losses_axes, scores_axes, samples_axes) in zip(runs, figure.subplots(len(runs), 3), strict=True):
        state = run.load_checkpoint()
        losses, scores = state["progress/losses"], state["progress/scores"]
        for column, (name, color) in enumerate((("generator", "#d55e00"), ("discriminator", "#0072b2"))):
            losses_axes.plot(np.maximum(losses[:, column], 1e-3), color=color, linewidth=0.8, label=f"loss, {name}")
        losses_axes.axhline(2 * np.log(2), color="black", linestyle=":", linewidth=1)
        for column, (name, color) in {0: ("real", "#0072b2"), 2: ("generated", "#d55e00")}.items():
            mean, spread = scores[:, column], scores[:, column + 1]
            scores_axes.plot(mean, color=color, linewidth=0.8, label=f"score, {name}")
            scores_axes.fill_between(
                range(len(mean)), mean - spread, mean + spread, color=color, alpha=0.3, linewidth=0
            )
        losses_axes.set(yscale="log", ylabel=TITLES[run.path.name])
        for axes in (losses_axes, scores_axes):
            axes.set_xlabel("steps")
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        samples_axes.imshow(load_image(run.samples()[-1]), interpolation="nearest")
        samples_axes.set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    main()
