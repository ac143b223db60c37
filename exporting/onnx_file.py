"""ONNX: one file for ONNX Runtime in Python, C, C#, Java, JavaScript and on phones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tf2onnx

from exporting.comparison import Reading, read_timed
from exporting.graph import PixelGraph
from exporting.trained import TrainedGenerator

OPSET = 17  # from 2022; ONNX Runtime 1.12 and later
SMALLEST_HALVED = 1024  # values; smaller tensors stay float32


def write(path: Path, generator: TrainedGenerator, graph: PixelGraph, precision: str) -> None:
    """Writes the file, with its metadata as JSON text under "pixelwright"."""
    model, _ = tf2onnx.convert.from_function(graph.draw, input_signature=graph.draw.input_signature, opset=OPSET)
    if precision == "float16":
        _halve_weights(model)
    model.metadata_props.add(key="pixelwright", value=json.dumps(generator.metadata))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def read(path: Path, latents: np.ndarray, labels: np.ndarray | None) -> Reading:
    """What the written file generates in ONNX Runtime on the CPU."""

    def open_file() -> Callable:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def draw(latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
            inputs = {} if labels is None else {"label": labels}
            return session.run(["images"], {"latents": latents, **inputs})[0]

        return draw

    return read_timed(open_file, latents, labels, "ONNX Runtime")


def _halve_weights(model: onnx.ModelProto) -> None:
    """Stores large float32 tensors as float16, each followed by a Cast node; the arithmetic stays float32."""
    for tensor in list(model.graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= SMALLEST_HALVED:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_float16"))
            widen = onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, widen)
