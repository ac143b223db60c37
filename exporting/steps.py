"""A generator as a list of simple steps, few enough to reimplement in another language; also computed in NumPy.

Fully connected layers and convolutions become one kind of step. Batch normalization is folded into the step before it.
A transposed convolution with stride s becomes s · s ordinary ones: for each phase (r, c), the outputs at row s·q + r
and column s·p + c are sums over a few neighbors of input (q, p), the taps (Dumoulin and Visin 2016, "A guide to
convolution arithmetic", section 4).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

BLOCK = 8  # channels are padded with zeros to a multiple of this, the width of the page's arithmetic


@dataclass(frozen=True)
class Phase:
    """A subset of the outputs, and the inputs they depend on.

    row, column: the outputs at row stride·q + row, column stride·p + column.
    taps: (down, right) from input (q, p); inputs outside the image are 0.
    kernels: float32 (taps, channels_in, channels_out).
    """

    row: int
    column: int
    taps: list[tuple[int, int]]
    kernels: np.ndarray


@dataclass
class Convolve:
    """images (height, width, channels_in) -> (stride·height, stride·width, channels_out), then the activation."""

    stride: int
    phases: list[Phase]
    bias: np.ndarray  # float32 (channels_out,)
    activation: str = "linear"
    slope: float = 0.0  # a leaky ReLU's slope below 0

    @property
    def reach(self) -> int:
        """How far the taps reach beyond a pixel, in any direction."""
        return max(max(abs(down), abs(right)) for phase in self.phases for down, right in phase.taps)


@dataclass
class Reshape:
    """The same numbers in the same order, with shape (height, width, channels)."""

    shape: tuple[int, int, int]


@dataclass
class Upsample:
    """Repeats every pixel `rows` times vertically and `columns` times horizontally."""

    rows: int
    columns: int


@dataclass
class Scale:
    """Each channel times `factor` plus `offset`: a batch normalization that does not follow a convolution."""

    factor: np.ndarray
    offset: np.ndarray
    activation: str = "linear"
    slope: float = 0.0


Step = Convolve | Reshape | Upsample | Scale
ACTIVATIONS = ("linear", "relu", "leaky_relu", "tanh", "sigmoid")


def steps_of(network: "keras.Sequential") -> list[Step]:
    """The steps of a Sequential generator. Raises a one-line ValueError for an unsupported layer."""
    steps: list[Step] = []
    left = list(network.layers)
    while left:
        layer = left.pop(0)
        if left and _is_smooth_doubling(layer, left[0]):
            steps.append(_smooth_doubling(layer))
            left.pop(0)
        else:
            _add_layer(steps, layer)
    return steps


def matrix_steps(matrix: np.ndarray, offset: np.ndarray, image_shape: tuple[int, int, int]) -> list[Step]:
    """flat image @ matrix + offset, the inverse scaling of a whitened run, as steps."""
    return [Reshape((1, 1, len(matrix))), _dense(matrix, offset), Reshape(image_shape)]


def draw_steps(steps: list[Step], inputs: np.ndarray) -> np.ndarray:
    """float32 (n, inputs) -> float32 (n, height, width, channels), in NumPy."""
    images = inputs[:, np.newaxis, np.newaxis, :]
    for step in steps:
        match step:
            case Reshape():
                images = images.reshape(len(images), *step.shape)
            case Upsample():
                images = images.repeat(step.rows, axis=1).repeat(step.columns, axis=2)
            case Scale():
                images = _activate(images * step.factor.astype(np.float32) + step.offset.astype(np.float32), step)
            case Convolve():
                images = _activate(_convolve(images, step), step)
    return images


def operations(steps: list[Step]) -> int:
    """Multiplications for one image."""
    height, width, total = 1, 1, 0
    for step in steps:
        match step:
            case Reshape():
                height, width = step.shape[:2]
            case Upsample():
                height, width = height * step.rows, width * step.columns
            case Convolve():
                total += height * width * sum(phase.kernels.size for phase in step.phases)
                height, width = height * step.stride, width * step.stride
    return total


# From layers to steps


def _add_layer(steps: list[Step], layer: "keras.layers.Layer") -> None:
    from keras import layers

    match layer:
        case layers.Dense():
            steps.append(_dense(layer.kernel.numpy(), _bias(layer, layer.units)))
        case layers.Conv2DTranspose():
            steps.append(_transposed(layer))
        case layers.Conv2D():
            steps.append(_convolution(layer))
        case layers.BatchNormalization():
            _add_normalization(steps, layer)
        case layers.ReLU():
            if layer.max_value is not None or layer.threshold:
                raise _unknown(layer, "with a threshold or a largest value")
            _set_activation(steps, layer, "leaky_relu" if layer.negative_slope else "relu", layer.negative_slope)
        case layers.LeakyReLU():
            _set_activation(steps, layer, "leaky_relu", layer.negative_slope)
        case layers.Activation():
            pass  # its activation is set below, as for any layer
        case layers.Reshape():
            if len(layer.target_shape) != 3:
                raise _unknown(layer, f"to {layer.target_shape}")
            steps.append(Reshape(tuple(int(length) for length in layer.target_shape)))
        case layers.Flatten():
            steps.append(Reshape((1, 1, int(np.prod(layer.input.shape[1:])))))
        case layers.UpSampling2D():
            if layer.interpolation != "nearest":
                raise _unknown(layer, f"with interpolation {layer.interpolation!r}")
            steps.append(Upsample(*layer.size))
        case layers.InputLayer() | layers.Dropout() | layers.GaussianNoise():
            return  # has no effect outside training
        case _:
            raise _unknown(layer, "")
    if hasattr(layer, "activation"):
        name = layer.activation.__name__
        _set_activation(steps, layer, name, 0.2 if name == "leaky_relu" else 0.0)  # the slope of Keras's function


def _add_normalization(steps: list[Step], layer: "keras.layers.BatchNormalization") -> None:
    """Adds a step, or folds the normalization into the convolution before it."""
    factor, offset = _normalization(layer)
    last = steps[-1] if steps else None
    if isinstance(last, Convolve) and last.activation == "linear":
        steps[-1] = _folded(last, factor, offset)
    else:
        steps.append(Scale(factor, offset))


def _set_activation(steps: list[Step], layer: "keras.layers.Layer", name: str, slope: float) -> None:
    if name == "linear":
        return
    last = steps[-1] if steps else None
    if name not in ACTIVATIONS or not 0 <= slope <= 1:
        raise _unknown(layer, f"with the activation {name}")
    if not isinstance(last, (Convolve, Scale)) or last.activation != "linear":
        raise _unknown(layer, "that follows another activation or a reshaping")
    last.activation, last.slope = name, float(slope)


def _unknown(layer: "keras.layers.Layer", what: str) -> ValueError:
    return ValueError(
        f"expected layers that a page can compute, got {' '.join([type(layer).__name__, layer.name, what]).strip()}; "
        "export .onnx instead"
    )


def _bias(layer: "keras.layers.Layer", length: int) -> np.ndarray:
    return layer.bias.numpy() if layer.use_bias else np.zeros(length, np.float32)


def _dense(kernel: np.ndarray, bias: np.ndarray) -> Convolve:
    """A fully connected layer as the convolution of a one-pixel image."""
    return Convolve(1, [Phase(0, 0, [(0, 0)], kernel.astype(np.float32)[np.newaxis])], bias.astype(np.float32))


def _convolution(layer: "keras.layers.Conv2D") -> Convolve:
    if layer.strides != (1, 1) or layer.dilation_rate != (1, 1) or layer.groups != 1 or layer.padding != "same":
        raise _unknown(layer, "with strides, dilation, groups or without padding")
    kernel = layer.kernel.numpy()  # (height, width, channels_in, channels_out)
    before = [(length - 1) // 2 for length in kernel.shape[:2]]
    places = [(row, column) for row in range(kernel.shape[0]) for column in range(kernel.shape[1])]
    taps = [(row - before[0], column - before[1]) for row, column in places]
    phase = Phase(0, 0, taps, np.stack([kernel[place] for place in places]))
    return Convolve(1, [phase], _bias(layer, layer.filters))


def _transposed(layer: "keras.layers.Conv2DTranspose") -> Convolve:
    stride = layer.strides[0]
    if layer.strides != (stride, stride) or layer.dilation_rate != (1, 1) or layer.padding != "same":
        raise _unknown(layer, "with unequal strides, dilation or without padding")
    return _transposed_with(layer.kernel.numpy(), stride, _bias(layer, layer.filters))


def _is_smooth_doubling(layer: "keras.layers.Layer", next_layer: "keras.layers.Layer") -> bool:
    """Whether this is a 3×3 transposed convolution with stride 2, and the mean of 2×2 neighbors after it."""
    from keras import layers

    return (
        isinstance(layer, layers.Conv2DTranspose)
        and (layer.kernel_size, layer.strides, layer.dilation_rate) == ((3, 3), (2, 2), (1, 1))
        and layer.padding == "valid"
        and layer.activation.__name__ == "linear"
        and isinstance(next_layer, layers.AveragePooling2D)
        and (next_layer.pool_size, next_layer.strides, next_layer.padding) == ((2, 2), (1, 1), "valid")
    )


def _smooth_doubling(layer: "keras.layers.Conv2DTranspose") -> Convolve:
    """Both layers are one transposed convolution, whose 4×4 kernel is the 3×3 one with the mean in it."""
    kernel = layer.kernel.numpy()
    around = np.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    mean = (around[1:, 1:] + around[1:, :-1] + around[:-1, 1:] + around[:-1, :-1]) / np.float32(4)
    return _transposed_with(mean, 2, _bias(layer, layer.filters))


def _transposed_with(kernel: np.ndarray, stride: int, bias: np.ndarray) -> Convolve:
    """kernel: float32 (height, width, channels_out, channels_in), padded to "same"."""
    phases = []
    for row in range(stride):
        for column in range(stride):
            down, right = (_taps(kernel.shape[axis], stride, at) for axis, at in ((0, row), (1, column)))
            pairs = [(vertical, horizontal) for vertical in down for horizontal in right]
            taps = [(vertical[0], horizontal[0]) for vertical, horizontal in pairs]
            parts = [kernel[vertical[1], horizontal[1]].T for vertical, horizontal in pairs]
            if not parts:  # with a kernel shorter than the stride, no input reaches this phase
                taps, parts = [(0, 0)], [np.zeros_like(kernel[0, 0].T)]
            phases.append(Phase(row, column, taps, np.stack(parts)))
    return Convolve(stride, phases, bias)


def _taps(length: int, stride: int, at: int) -> list[tuple[int, int]]:
    """Along one axis, for outputs at stride·q + at: (input relative to q, index in the kernel).

    Output o gets input i through kernel entry o + before - stride·i; "same" cuts off `before` at the start.
    """
    before = max(length - stride, 0) // 2
    return [((at + before - index) // stride, index) for index in range(length) if (at + before - index) % stride == 0]


def _normalization(layer: "keras.layers.BatchNormalization") -> tuple[np.ndarray, np.ndarray]:
    """(factor, offset), float64, per channel, from the moving statistics."""
    mean, variance = (part.numpy().astype(np.float64) for part in (layer.moving_mean, layer.moving_variance))
    factor = 1 / np.sqrt(variance + layer.epsilon)
    factor = factor * layer.gamma.numpy() if layer.scale else factor
    offset = -mean * factor
    return factor, offset + layer.beta.numpy() if layer.center else offset


def _folded(step: Convolve, factor: np.ndarray, offset: np.ndarray) -> Convolve:
    phases = [
        Phase(phase.row, phase.column, phase.taps, (phase.kernels * factor).astype(np.float32)) for phase in step.phases
    ]
    return Convolve(step.stride, phases, (step.bias * factor + offset).astype(np.float32))


# Computing in NumPy


def _convolve(images: np.ndarray, step: Convolve) -> np.ndarray:
    count, height, width, _ = images.shape
    reach = step.reach
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    drawn = np.empty((count, step.stride * height, step.stride * width, len(step.bias)), np.float32)
    for phase in step.phases:
        sums = np.broadcast_to(step.bias, (count, height, width, len(step.bias)))
        for (down, right), kernel in zip(phase.taps, phase.kernels, strict=True):
            top, left = reach + down, reach + right
            sums = sums + padded[:, top : top + height, left : left + width] @ kernel
        drawn[:, phase.row :: step.stride, phase.column :: step.stride] = sums
    return drawn


def _activate(images: np.ndarray, step: Convolve | Scale) -> np.ndarray:
    match step.activation:
        case "relu" | "leaky_relu":
            return np.maximum(images, images * np.float32(step.slope))
        case "tanh":
            return np.tanh(images)
        case "sigmoid":
            return 1 / (1 + np.exp(-images))
    return images
