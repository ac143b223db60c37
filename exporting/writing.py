"""Writes an export under a temporary name, opens it in its own runtime, compares, and only then gives it its name."""

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from exporting.comparison import Difference, Reading, check_difference
from exporting.graph import PixelGraph
from exporting.request import FOLDERS, ExportRequest
from exporting.trained import TrainedGenerator
from files import atomic_folder, atomic_path

LARGEST_MAIL = 25_000_000  # bytes
SLOW_PAGE = 8  # images per second; below it, sliders no longer feel smooth


@dataclass(frozen=True)
class Exported:
    """What was written: its size in bytes, what its own runtime generated, and the difference from generate.py."""

    size: int
    reading: Reading
    difference: Difference


def export_generator(generator: TrainedGenerator, request: ExportRequest) -> Exported:
    """Writes request.output. Raises ValueError, and leaves no file, if its images differ from those of generate.py."""
    place = atomic_folder if request.format in FOLDERS else atomic_path
    with place(request.output) as partial:
        reading = _write_and_read(partial, generator, request)
        images = reading.images
        if request.channels_first:
            images = images.transpose(0, 2, 3, 1)
        if request.raw:
            images = generator.to_levels(images)
        difference = Difference.between(images, generator.drawn)
        check_difference(difference, request.precision, generator.white)
        return Exported(_size(partial), reading, difference)


def cautions(exported: Exported, request: ExportRequest) -> list[str]:
    """Warnings about a page before it is sent: that it is large, or slow even on this machine."""
    if request.format not in ("page", "share"):
        return []
    found, rate = [], exported.reading.images_per_second
    if exported.size > LARGEST_MAIL:
        smaller = "; --precision float16 halves it" if request.precision == "float32" else ""
        found.append(f"{exported.size / 1e6:.0f} MB are more than many mail servers accept{smaller}")
    if rate < SLOW_PAGE:
        found.append(f"a picture takes {1 / rate:.1f} s here, and longer on a phone; sliders and walks will jump")
    return found


def _write_and_read(partial: Path, generator: TrainedGenerator, request: ExportRequest) -> Reading:
    """Writes and reads one format. Modules are imported here, because each needs its own packages."""
    inputs, form = (generator.latents, generator.labels), (request.raw, request.channels_first)
    match request.format:
        case "savedmodel":
            from exporting import saved_model

            saved_model.write(partial, generator, PixelGraph(generator, *form, weights=tf.as_dtype(request.precision)))
            return saved_model.read(partial, *inputs)
        case "onnx":
            from exporting import onnx_file

            onnx_file.write(partial, generator, PixelGraph(generator, *form), request.precision)
            return onnx_file.read(partial, *inputs)
        case "tflite":
            from exporting import litert

            graph = PixelGraph(generator, *form, arithmetic=tf.float32)  # LiteRT cannot multiply float64
            litert.write(partial, generator, graph, request.precision)
            return litert.read(partial, *inputs)
        case "page":
            from exporting import page

            page.write(partial, generator, request.precision, request.title)
            return page.read(partial, generator, request.precision)
        case "share":
            from exporting import share

            share.write(partial, generator, request.precision, request.title)
            return share.read(partial, generator, request.precision)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
