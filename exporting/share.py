"""A folder to send or to upload: the run without its checkpoints, with a page to play with."""

import json
import shutil
from pathlib import Path

import numpy as np

from exporting import page
from exporting.comparison import Reading
from exporting.trained import TrainedGenerator
from files import read_json, write_text
from imaging import image_grid, on_checkers, save_image
from runs import RunFolder

COPIED = ("preprocessing.json", "discriminator.keras", "metrics.jsonl", "README.md")
GRID_SIDE = 8


def write(folder: Path, generator: TrainedGenerator, precision: str, title: str | None) -> None:
    """Fills the folder, which is itself a run folder for generate.py and for train.py --start-from.

    Includes scores.json if evaluate.py --json wrote it into the run folder. Runs and data are named without their
    paths, so that the folder reveals nothing about the machine. With the best
    weights the card says which epoch they are of: everything else in the folder is of the last one.
    """
    run = generator.run
    for name in COPIED:
        if (run.path / name).exists():
            shutil.copyfile(run.path / name, folder / name)
    shutil.copyfile(generator.weights, folder / "generator.keras")
    if generator.is_best:
        add_to_card(folder / "README.md", run.load_metrics())
    settings = read_json(run.path / "config.json")
    settings["config"]["data"] = Path(run.config.data).name
    write_text(folder / "config.json", json.dumps(settings, indent=2) + "\n")
    if (run.path / "scores.json").exists():
        scores = read_json(run.path / "scores.json")
        for images in (scores["images"], scores["real"]):
            images["of"] = Path(images["of"]).name
        write_text(folder / "scores.json", json.dumps(scores, indent=2) + "\n")
    for picture in run.samples()[-1:]:  # the card shows it
        (folder / "samples").mkdir()
        shutil.copyfile(picture, folder / "samples" / picture.name)
    save_image(folder / "grid.png", image_grid(on_checkers(generator.drawn), GRID_SIDE, GRID_SIDE))
    page.write(folder / "page.html", generator, precision, title)


def add_to_card(card: Path, records: list[dict]) -> None:
    """Says which weights are of the best epoch, and which of the last."""
    best, last = max(record["epoch"] for record in records if record.get("best")), records[-1]["epoch"]
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    sentence = (
        f"`generator.keras`, `grid.png` and `page.html` are of epoch {best}, which had the best distance. "
        f"`discriminator.keras`, the samples and the readings are of the whole run, to epoch {last}."
    )
    write_text(card, f"{text}\n## Which weights\n\n{sentence}\n")


def read(folder: Path, generator: TrainedGenerator, precision: str) -> Reading:
    """What its page generates. Raises ValueError unless the folder opens as a run and generates the same images."""
    copy = TrainedGenerator.of(RunFolder.open(folder))
    if not np.array_equal(copy.drawn, generator.drawn):
        raise ValueError("expected the copied run to generate the same images, got others; try again")
    return page.read(folder / "page.html", generator, precision)
