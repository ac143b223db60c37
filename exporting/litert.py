"""LiteRT, formerly TensorFlow Lite: one file for phones and small computers."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from exporting.comparison import Reading, read_timed
from exporting.graph import PixelGraph
from exporting.trained import TrainedGenerator

METADATA = "pixelwright.json"


def write(path: Path, generator: TrainedGenerator, graph: PixelGraph, precision: str) -> None:
    """Writes the file; appends its metadata to the model as a zip, like LiteRT's own associated files."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.draw.get_concrete_function()], graph)
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, json.dumps(generator.metadata, indent=2))


def read(path: Path, latents: np.ndarray, labels: np.ndarray | None) -> Reading:
    """What the written file generates in LiteRT on the CPU."""

    def open_file() -> Callable:
        runner = Interpreter(str(path)).get_signature_runner("serving_default")

        def draw(latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
            inputs = {} if labels is None else {"label": labels}
            return runner(latents=latents, **inputs)["images"]

        return draw

    return read_timed(open_file, latents, labels, "LiteRT")
