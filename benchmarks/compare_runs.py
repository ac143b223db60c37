"""Draws real images and the last sample grids of several runs side by side.

python benchmarks/compare_runs.py runs/tutorial runs/dcgan --output docs/images/tutorial-against-dcgan.png
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from image_datasets import ReadingOptions, load_images  # noqa: E402
from imaging import image_grid, load_image  # noqa: E402
from runs import RunFolder  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    arguments = parser.parse_args()
    panels = [("real images", real_images(RunFolder.open(arguments.runs[0])))]
    panels += [last_samples(path) for path in arguments.runs]
    draw(panels, arguments.output)


def real_images(run: RunFolder) -> np.ndarray:
    config = run.config
    images = load_images(config.data, ReadingOptions.of(config)).images
    return image_grid(images[np.random.default_rng(0).permutation(len(images))[:64]], 8, 8)


def last_samples(path: Path) -> tuple[str, np.ndarray]:
    run = RunFolder.open(path)
    record = json.loads((path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    minutes = record["seconds"] / 60
    title = f"{run.config.preset}: {minutes:.1f} minutes, {record['images_seen']:,} images seen"
    return title, load_image(run.samples()[-1])


def draw(panels: list[tuple[str, np.ndarray]], output: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(panels), 4.8), dpi=120, layout="constrained")
    for axes, (title, grid) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(grid, interpolation="nearest")
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    figure.savefig(output)


if __name__ == "__main__":
    main()
