"""One page that anybody can open and play with: a single file that works offline and contains the generator."""

import base64
import json
import os
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from drawing.directions import latent_directions
from exporting.comparison import Reading, largest_allowed, read_timed
from exporting.steps import (
    BLOCK,
    Convolve,
    Reshape,
    Scale,
    Step,
    Upsample,
    draw_steps,
    matrix_steps,
    operations,
    steps_of,
)
from exporting.trained import TrainedGenerator
from models.sampling import with_classes

PARTS = Path(__file__).resolve().parent / "page"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
BROWSER_SECONDS = 300
DIRECTIONS, REACH = 8, 3.0  # sliders, and how far each goes: standard deviations of a latent value


def write(path: Path, generator: TrainedGenerator, precision: str, title: str | None = None) -> None:
    """Writes the page with a title, by default the run's name. Raises ValueError for a layer that it cannot compute."""
    steps = pixel_steps(generator)
    factor, offset = _line(generator)
    convolutions = [step for step in steps if isinstance(step, Convolve)]
    stored = np.dtype(precision).newbyteorder("<")
    kernels = np.concatenate([_packed_kernels(step) for step in convolutions]).astype(stored)
    biases = np.concatenate([_filled(step.bias) for step in convolutions]).astype("<f4")
    directions = latent_directions(generator.network, generator.latent_dim)[:DIRECTIONS]
    description = generator.metadata | {
        "precision": precision,
        "steps": _documents(steps),
        "inputs": generator.latent_dim + len(generator.class_names),
        "factor": factor.tolist(),
        "offset": offset.tolist(),
        "white": generator.white,
        "maximum": generator.maximum,
        "bound": largest_allowed(precision, generator.white),
        "directions": [[float(part) for part in direction] for direction in directions],
        "reach": REACH,
        "weights": generator.network.count_params(),
        "operations": operations(steps),
    }
    title = title or f"Pictures by {generator.metadata['run']}"
    texts = {
        "title": escape(title),
        "heading": escape(title),
        "style": _part("page.css"),
        "network": _part("network.js"),
        "scripts": "\n".join(_part(name) for name in ("latents.js", "png.js", "page.js")),
        "description": json.dumps(description).replace("<", "\\u003c"),  # so that no name can end the element
        "program": _base64((PARTS / "convolve.wasm").read_bytes()),
        "biases": _base64(biases.tobytes()),
        "kernels": _base64(kernels.tobytes()),
        "expected": _base64(generator.drawn[0].astype(generator.drawn.dtype.newbyteorder("<")).tobytes()),
    }
    pieces = _part("page.html").split("@")  # text, name, text, name, …, text
    pieces[1::2] = [texts[name] for name in pieces[1::2]]
    path.write_text("".join(pieces), encoding="utf-8")


def read(path: Path, generator: TrainedGenerator, precision: str) -> Reading:
    """What the written page generates: in a browser if this machine has one, otherwise its steps in NumPy."""
    browser = find_browser()
    if browser is not None:
        return read_in_browser(browser, path, generator)
    steps, (factor, offset) = pixel_steps(generator), _line(generator)
    for step in steps:
        if isinstance(step, Convolve):
            for phase in step.phases:
                phase.kernels[:] = phase.kernels.astype(precision)

    def draw(latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        drawn = draw_steps(steps, with_classes(latents, labels, len(generator.class_names)))
        return np.rint(drawn * factor + offset).clip(0, generator.white).astype(generator.image_dtype)

    return read_timed(lambda: draw, generator.latents, generator.labels, "NumPy, as no Chromium was found")


def read_in_browser(browser: str, path: Path, generator: TrainedGenerator) -> Reading:
    """Opens the page in a headless Chromium. Raises ValueError if it generates nothing."""
    address = f"{path.resolve().as_uri()}#check"
    command = [browser, "--headless", "--disable-gpu", f"--timeout={1000 * BROWSER_SECONDS}", "--dump-dom", address]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # required by Chromium for root
    result = subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_SECONDS)
    found = _CheckText.of(result.stdout)
    if not found:
        raise ValueError(
            f"expected the page to draw in {browser}, got nothing (exit status {result.returncode}); open it by hand"
        )
    document = json.loads(found)
    levels = [np.frombuffer(base64.b64decode(text), f"<u{generator.drawn.itemsize}") for text in document["images"]]
    images = np.stack(levels).reshape(generator.drawn.shape).astype(generator.image_dtype)
    return Reading(images, Path(browser).name, document["first_seconds"], document["images_per_second"])


def find_browser() -> str | None:
    """The path of Chromium or Chrome; None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pixel_steps(generator: TrainedGenerator) -> list[Step]:
    """The steps of the network and, for a whitened run, of the conversion to levels."""
    steps = steps_of(generator.network)
    if generator.factor.ndim == 2:
        steps += matrix_steps(generator.factor, generator.offset, generator.image_shape)
    return steps


def _line(generator: TrainedGenerator) -> tuple[np.ndarray, np.ndarray]:
    """float64 (channels,) twice: levels = last step · factor + offset."""
    parts = (np.ones(1), np.zeros(1)) if generator.factor.ndim == 2 else (generator.factor, generator.offset)
    return tuple(np.broadcast_to(part, generator.image_shape[2:]) for part in parts)


def _documents(steps: list[Step]) -> list[dict]:
    """The steps as network.js reads them, without their weights."""
    documents, channels = [], None
    for step in steps:
        match step:
            case Convolve():
                phases = [{"row": phase.row, "column": phase.column, "taps": phase.taps} for phase in step.phases]
                channels_in, channels = step.phases[0].kernels.shape[1:]
                document = {
                    "kind": "convolve",
                    "stride": step.stride,
                    "reach": step.reach,
                    "channels_in": channels_in,
                    "channels_out": channels,
                    "kernel_values": _packed_kernels(step).size,
                    "phases": phases,
                    "activation": step.activation,
                    "slope": step.slope,
                }
            case Reshape():
                channels = step.shape[2]
                document = {"kind": "reshape", "shape": step.shape}
            case Upsample():
                document = {"kind": "upsample", "rows": step.rows, "columns": step.columns, "channels": channels}
            case Scale():
                document = {
                    "kind": "scale",
                    "factor": step.factor.tolist(),
                    "offset": step.offset.tolist(),
                    "activation": step.activation,
                    "slope": step.slope,
                }
        documents.append(document)
    return documents


def _packed_kernels(step: Convolve) -> np.ndarray:
    """All phases one after another, each [channels_out / 8][tap][channels_in][8], both numbers of channels padded."""
    packed = []
    for phase in step.phases:
        taps, channels_in, channels_out = phase.kernels.shape
        filled = np.pad(phase.kernels, ((0, 0), (0, -channels_in % BLOCK), (0, -channels_out % BLOCK)))
        packed.append(filled.reshape(taps, filled.shape[1], -1, BLOCK).transpose(2, 0, 1, 3).ravel())
    return np.concatenate(packed)


def _filled(bias: np.ndarray) -> np.ndarray:
    return np.pad(bias, (0, -len(bias) % BLOCK))


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8").rstrip("\n")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class _CheckText(HTMLParser):
    """The text of the element that page.html#check writes."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside = ("id", "check") in attributes

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.text += data

    @classmethod
    def of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        return parser.text
