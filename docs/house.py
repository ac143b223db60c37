"""Draws docs/images/house.svg, the picture of docs/architecture.md: python docs/house.py"""

from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "images" / "house.svg"
# From the roof down: floor, what it is, colour, rows of rooms; a room is its name and what it does.
FLOORS = (
    (
        3,
        "scripts: tables of contents",
        "#dbe7f6",
        [[("train", "trains"), ("generate", "draws"), ("evaluate", "judges")]],
    ),
    (
        2,
        "assembly",
        "#e1efda",
        [
            [
                ("config", "every choice"),
                ("training.networks", "both, as one state"),
                ("training.feed", "batches, ahead"),
            ],
            [
                ("training.step", "one compiled step"),
                ("training.loop", "epochs, resume"),
                ("training.run", "the files"),
            ],
            [
                ("training.plots", "pictures"),
                ("training.tensorboard", "event files"),
                ("training.yardstick", "distance"),
                ("training.compilation", "does XLA gain?"),
            ],
            [
                ("training.distribution", "many devices as one"),
                ("evaluation", "features, distances"),
                ("projection", "image to latents"),
                ("drawing", "what, and where to"),
            ],
        ],
    ),
    (
        1,
        "Keras pieces that do not know each other",
        "#fdf0cf",
        [
            [("models", "generator, discriminator"), ("training.losses", "logits to a number")],
            [
                ("training.regularisers", "slopes"),
                ("training.augmentation", "before judging"),
                ("training.precision", "which is faster"),
            ],
        ],
    ),
    (
        0,
        "NumPy and Pillow, without TensorFlow",
        "#f6dede",
        [
            [("preprocessing", "scaling, the only place"), ("imaging", "exact files"), ("datasets", "names and paths")],
            [("pixels", "what stands behind them"), ("glyphs", "drawn digits"), ("sampling", "seeds to images")],
            [("command_line", "one-line errors"), ("files", "whole or not at all"), ("progress", "the bar")],
            [("neighbours", "the nearest real images"), ("sheets", "grids with words")],
        ],
    ),
)
WIDTH, MARGIN, GAP, ROOM_HEIGHT, TITLE_HEIGHT = 880, 16, 8, 46, 30
FONT = "font-family='Helvetica, Arial, sans-serif'"


def draw() -> str:
    """The picture as SVG text, 880 wide, with a ground of its own so that it can be read on dark pages."""
    shapes, top = [], MARGIN
    for number, title, colour, rows in FLOORS:
        height = TITLE_HEIGHT + len(rows) * (ROOM_HEIGHT + GAP) + GAP // 2
        shapes.append(_box(MARGIN, top, WIDTH - 2 * MARGIN, height, colour, "#667"))
        shapes.append(_text(MARGIN + 12, top + 20, f"floor {number}", 15, "bold"))
        shapes.append(_text(MARGIN + 76, top + 20, title, 15))
        for index, row in enumerate(rows):
            y = top + TITLE_HEIGHT + index * (ROOM_HEIGHT + GAP)
            width = (WIDTH - 4 * MARGIN - GAP * (len(row) - 1)) / len(row)
            for place, (name, purpose) in enumerate(row):
                x = 2 * MARGIN + place * (width + GAP)
                shapes.append(_box(x, y, width, ROOM_HEIGHT, "#ffffff", "#99a"))
                shapes.append(_text(x + 10, y + 19, name, 15, "bold"))
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
