"""Pictures of long runs: their images, and the course of distance, recall and coverage.

python benchmarks/hour.py strip runs/hour runs/hour-classes --output strip.png
python benchmarks/hour.py curves runs/hour/metrics.jsonl runs/hour-1/metrics.jsonl --output curves.png

A strip has five rows of each run's images from seeds 0 to 49; for a conditional run, one column for each of its first
ten classes, with the name above. Curves need runs with --evaluate-every.
"""

import argparse
import json
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from recipes import distance_axis

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging import image_grid, to_display  # noqa: E402
from models.sampling import generate_images, latents_from_seeds, with_classes  # noqa: E402
from runs import RunFolder  # noqa: E402

ROWS, COLUMNS, ZOOM = 5, 10, 2
MARGIN, GAP, TOP = 4, 24, 26  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", choices=("strip", "curves"))
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN|METRICS")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    arguments = parser.parse_args()
    (draw_strip if arguments.picture == "strip" else draw_curves)(arguments.paths, arguments.output)


def draw_strip(paths: list[Path], output: Path) -> None:
    panels = [panel(RunFolder.open(path)) for path in paths]
    height, width, _ = panels[0][0].shape
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP + 2 * MARGIN, TOP + height + MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (grid, names) in enumerate(panels):
        left = MARGIN + number * (width + GAP)
        sheet.paste(Image.fromarray(grid), (left, TOP))
        for place, name in enumerate(names):
            middle = left + (place + 0.5) * width / len(names)
            pen.text((middle, TOP - 8), name, fill="black", font=font, anchor="ms")
    sheet.save(output)


def panel(run: RunFolder) -> tuple[np.ndarray, list[str]]:
    """uint8 (height, width, 3), and the text above it."""
    generator, scaler = run.load_generator(), run.load_scaler()
    latents = latents_from_seeds(range(ROWS * COLUMNS), run.config.latent_dim)
    if run.class_count:
        classes = np.arange(COLUMNS) % run.class_count
        labels, names = np.tile(classes, ROWS), [run.class_names[label] for label in classes]
    else:
        labels, names = None, ["trained without labels"]
    inputs = with_classes(latents, labels, run.class_count)
    grid = to_display(image_grid(generate_images(generator, scaler, inputs), ROWS, COLUMNS), scaler.maximum_)
    return np.broadcast_to(grid, (*grid.shape[:2], 3)).repeat(ZOOM, axis=0).repeat(ZOOM, axis=1), names


def draw_curves(paths: list[Path], output: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for path, color, marker in zip(paths, cycle(("#0072b2", "#d55e00", "#009e73", "#cc79a7")), cycle("osv^")):
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        records = [record for record in records if "frechet_distance" in record]
        minutes = [record["seconds"] / 60 for record in records]
        how = {"color": color, "marker": marker, "markersize": 3, "linewidth": 1.2}
        name = path.parent.name if path.stem == "metrics" else path.stem
        left.plot(minutes, [record["frechet_distance"] for record in records], label=name, **how)
        for field, style in (("recall", "-"), ("coverage", "--")):
            right.plot(minutes, [record[field] for record in records], style, label=f"{field}, {name}", **how)
    distance_axis(left)
    right.set(ylabel="share of real images within reach", ylim=(0, 1))
    right.grid(alpha=0.3, which="both")
    for axes in (left, right):
        axes.set_xlabel("minutes of training")
        axes.legend(fontsize=8)
    figure.savefig(output)


if __name__ == "__main__":
    main()
