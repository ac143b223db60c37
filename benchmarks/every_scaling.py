"""The same short run with every scaling that a generator can be trained on, side by side in one picture.

python benchmarks/every_scaling.py --output docs/images/every-scaling.png
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging import load_image  # noqa: E402

SCALINGS = ("tanh", "normalize", "center", "standardize", "zca", "pca")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/every-scaling"), help="where the runs go (default %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=8, help="of 8,000 glyphs of 16x16 (default %(default)s)")
    arguments = parser.parse_args()
    for scaling in SCALINGS:
        train(arguments.runs / scaling, scaling, arguments.epochs)
    draw(arguments.runs, arguments.output)


def train(run: Path, scaling: str, epochs: int) -> None:
    """One run of train.py; an interrupted run is resumed."""
    started = ["--resume"] if (run / "config.json").exists() else []
    command = [sys.executable, ROOT / "train.py", "--run-dir", run, "--scaling", scaling, "--epochs", epochs]
    command += ["--preset", "dcgan", "--image-size", 16, "--image-count", 8000, "--batch-size", 32, *started]
    subprocess.run([str(part) for part in command], check=True)


def draw(runs: Path, output: Path) -> None:
    """A row of sample grids, seeds 0 to 63 after the last epoch, with the images seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(SCALINGS), 3.6), dpi=100, layout="constrained")
    for axes, scaling in zip(figure.subplots(1, len(SCALINGS)), SCALINGS, strict=True):
        record = json.loads((runs / scaling / "metrics.jsonl").read_text().splitlines()[-1])
        grid = load_image(sorted((runs / scaling / "samples").glob("*.png"))[-1])
        axes.imshow(grid, interpolation="nearest")
        axes.set_title(f"{scaling}\n{record['images_seen']:,} images seen", fontsize=12)
        axes.set_axis_off()
    figure.savefig(output)


if __name__ == "__main__":
    main()
