"""The floors of the project, and their picture, docs/images/house.svg: python docs/house.py"""

from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "images" / "house.svg"
# The only list of floors, from the top down; tests/test_house.py reads it, too. A floor has a number, a title, a color,
# and rows of rooms; a room is a module or a package, and what it does.
FLOORS = (
    (
        7,
        "scripts: tables of contents, never imported",
        "#dbe7f6",
        [
            [
                ("train", "trains"),
                ("generate", "writes images"),
                ("evaluate", "scores images"),
                ("export", "other runtimes"),
            ]
        ],
    ),
    (
        6,
        "training",
        "#e1efda",
        [
            [
                ("training.step", "one step"),
                ("training.loop", "the run"),
                ("training.networks", "both, as one state"),
                ("training.feed", "batches in advance"),
            ],
            [
                ("training.losses", "logits to a scalar"),
                ("training.regularizers", "penalties"),
                ("training.augmentation", "random changes"),
                ("training.precision", "bfloat16 or not"),
            ],
            [
                ("training.images", "can they train"),
                ("training.start", "from another run"),
                ("training.workers", "who am I"),
                ("training.distribution", "many devices"),
            ],
            [
                ("training.dry_run", "without training"),
                ("training.forecast", "time, memory"),
                ("training.history", "readings so far"),
                ("training.recorder", "writes a run's files"),
            ],
            [
                ("training.failures", "warnings"),
                ("training.pictures", "which pictures"),
                ("training.plots", "curves, GIF"),
            ],
            [
                ("training.report", "report and model card"),
                ("training.tensorboard", "event files"),
            ],
        ],
    ),
    (
        5,
        "using a trained generator",
        "#e6f0e0",
        [
            [("drawing", "which images, and where to"), ("evaluation", "features, distances, the report")],
            [("exporting", "a file for another runtime, opened and compared")],
        ],
    ),
    (4, "a run", "#f3f0d0", [[("config", "every setting"), ("runs", "its folder, written and read back")]]),
    (3, "networks", "#fdf0cf", [[("models", "generator, discriminator, seeds to images")]]),
    (2, "names and paths to images", "#fbe6d0", [[("image_datasets", "folders, zips, arrays, drawn digits")]]),
    (
        1,
        "pixels",
        "#f6dede",
        [
            [
                ("preprocessing", "the only scaling"),
                ("pixels", "its arithmetic"),
                ("imaging", "exact files, grids"),
            ]
        ],
    ),
    (
        0,
        "the ground",
        "#eee4ee",
        [
            [
                ("command_line", "one-line errors"),
                ("options", "each defined once"),
                ("errors", "expected, got, fix"),
            ],
            [
                ("files", "whole or not at all"),
                ("streams", "safe output"),
                ("progress", "bar and lines"),
            ],
        ],
    ),
)
# These rooms import TensorFlow; all others work without it.
WITH_TENSORFLOW = (
    "training",
    "models.generator",
    "models.discriminator",
    "models.keras_files",
    "drawing.projection",
    "evaluation",
    "exporting",
)
WIDTH, MARGIN, GAP, ROOM_HEIGHT, TITLE_HEIGHT = 880, 16, 8, 46, 30
FONT = "font-family='Helvetica, Arial, sans-serif'"


def draw() -> str:
    """The picture as SVG text, 880 wide, with its own background, so that it is readable on dark pages."""
    shapes, top = [], MARGIN
    for number, title, color, rows in FLOORS:
        height = TITLE_HEIGHT + len(rows) * (ROOM_HEIGHT + GAP) + GAP // 2
        shapes.append(_box(MARGIN, top, WIDTH - 2 * MARGIN, height, color, "#667"))
        shapes.append(_text(MARGIN + 12, top + 20, f"floor {number}", 15, "bold"))
        shapes.append(_text(MARGIN + 76, top + 20, title, 15))
        for index, row in enumerate(rows):
            y = top + TITLE_HEIGHT + index * (ROOM_HEIGHT + GAP)
            width = (WIDTH - 4 * MARGIN - GAP * (len(row) - 1)) / len(row)
            for place, (name, purpose) in enumerate(row):
                x = 2 * MARGIN + place * (width + GAP)
                shapes.append(_box(x, y, width, ROOM_HEIGHT, "#ffffff", "#99a"))
                shapes.append(_text(x + 10, y + 19, name, 14, "bold"))
                shapes.append(_text(x + 10, y + 37, purpose, 13))
        top += height + GAP
    start = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top + GAP}' {FONT} fill='#223'>"
    ground = f"<rect width='{WIDTH}' height='{top + GAP}' fill='#ffffff'/>"
    return "\n".join([start, "<title>The floors and rooms of the project</title>", ground, *shapes, "</svg>\n"])


def _box(x: float, y: float, width: float, height: float, fill: str, line: str) -> str:
    place = f"x='{x:.0f}' y='{y:.0f}' width='{width:.0f}' height='{height:.0f}'"
    return f"<rect {place} rx='5' fill='{fill}' stroke='{line}'/>"


def _text(x: float, y: float, words: str, size: int, weight: str = "normal") -> str:
    return f"<text x='{x:.0f}' y='{y:.0f}' font-size='{size}' font-weight='{weight}'>{escape(words)}</text>"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
