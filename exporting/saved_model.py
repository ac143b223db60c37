"""TensorFlow's SavedModel: a folder for TensorFlow, TensorFlow Serving and bindings for other languages."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from exporting.comparison import Reading, read_timed
from exporting.graph import PixelGraph
from exporting.trained import TrainedGenerator

METADATA = "assets.extra/pixelwright.json"  # SavedModel reserves this folder for other programs


def write(folder: Path, generator: TrainedGenerator, graph: PixelGraph) -> None:
    """Writes the folder with a single signature, "serving_default", and the metadata."""
    tf.saved_model.save(graph, str(folder), signatures={"serving_default": graph.draw})
    (folder / METADATA).parent.mkdir(exist_ok=True)
    (folder / METADATA).write_text(json.dumps(generator.metadata, indent=2) + "\n", encoding="utf-8")


def read(folder: Path, latents: np.ndarray, labels: np.ndarray | None) -> Reading:
    """What the written folder generates when TensorFlow loads it."""

    def open_file() -> Callable:
        loaded = tf.saved_model.load(str(folder))

        def draw(latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
            inputs = {} if labels is None else {"label": tf.constant(labels)}
            return loaded.signatures["serving_default"](latents=tf.constant(latents), **inputs)["images"].numpy()

        return draw

    return read_timed(open_file, latents, labels, "TensorFlow")
