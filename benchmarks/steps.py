"""Images per second of one train step: ours, TensorFlow's tutorial's, Keras's fit, PyTorch's, on the same networks.

python benchmarks/steps.py                                     # both presets, batch 128, 32×32 RGB
python benchmarks/steps.py --presets tutorial --repeats 15 --json steps.json

All use the same batch in memory and run in turns on the same machine; the ratio to ours is taken turn by turn, and the
table shows its median, lowest and highest value. Peers run as published, in float32. The table also has the operations
per image in a step (from TensorFlow's profiler and PyTorch's flop counter: convolutions and matrix products, where a
multiplication and an addition count as two) and their share of the arithmetic peak, which is the best rate of a large
convolution of the same type in the same turns. PyTorch (pip install torch) is left out if it is missing.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from config import TrainingConfig  # noqa: E402
from training.networks import build_networks  # noqa: E402
from training.step import Batch, TrainStep  # noqa: E402

LATENT_DIM = 100
STEPS_PER_EXECUTION = 8  # in the row of many steps in one call
PEAK_SHAPES = ((32, 32, 32, 256), (3, 3, 256, 256))  # images and kernel of the large convolution
COUNTED = ["Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MatMul"]
PEAK_OPERATIONS = 2 * 32 * 32 * 32 * 3 * 3 * 256 * 256


@dataclass(frozen=True)
class Contender:
    """One of the steps compared: `run` takes a number of steps and returns when they are done."""

    name: str
    precision: str
    run: Callable[[int], None]
    operations: float  # of a step, for each image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["tutorial", "dcgan"], choices=["tutorial", "dcgan"])
    parser.add_argument("--batch-size", type=int, default=128, metavar="N")
    parser.add_argument("--image-size", type=int, default=32, metavar="N")
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="turns of each (default 9)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="a turn, about (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings, too")
    arguments = parser.parse_args()
    results = {preset: compare(preset, arguments) for preset in arguments.presets}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def compare(preset: str, arguments: argparse.Namespace) -> dict:
    shape = (arguments.image_size, arguments.image_size, 3)
    images = np.random.default_rng(0).uniform(-1, 1, (arguments.batch_size, *shape)).astype(np.float32)
    contenders = [
        our_step(preset, images, "bfloat16"),
        our_step(preset, images, "float32"),
        our_step(preset, images, "bfloat16", steps_per_execution=STEPS_PER_EXECUTION),
        our_step(preset, images, "bfloat16", xla="on"),
        tutorial_step(preset, images),
        keras_fit(preset, images),
        *pytorch_steps(preset, images),
    ]
    steps = [steps_for(contender, arguments.seconds) for contender in contenders]
    peaks = {"float32": [], "bfloat16": []}
    rates = [[] for _ in contenders]
    for turn in range(arguments.repeats):
        for precision, found in peaks.items():
            found.append(peak(precision))
        for index in np.random.default_rng(turn).permutation(len(contenders)):
            start = time.perf_counter()
            contenders[index].run(steps[index])
            rates[index].append(steps[index] * arguments.batch_size / (time.perf_counter() - start))
    best = {precision: max(found) for precision, found in peaks.items()}
    print(f"\n{preset}, batch {arguments.batch_size}, {shape}, {os.cpu_count()} cores")
    print(", ".join(f"peak {precision} {value / 1e9:.0f} GFLOP/s" for precision, value in best.items()) + "\n")
    print("| step | precision | images/s | ours, times as fast | MFLOP an image | share of the peak |")
    print("|---|---|---|---|---|---|")
    for contender, found in zip(contenders, rates, strict=True):
        ratios = sorted(ours / other for ours, other in zip(rates[0], found, strict=True))
        share = statistics.median(found) * contender.operations / best[contender.precision]
        print(
            f"| {contender.name} | {contender.precision} | {statistics.median(found):.0f} | "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | "
            f"{contender.operations / 1e6:.0f} | {share:.0%} |",
            flush=True,
        )
    return {
        "peak": best,
        "contenders": [
            {
                "name": c.name,
                "precision": c.precision,
                "operations": c.operations,
                "rates": [round(r, 1) for r in found],
            }
            for c, found in zip(contenders, rates, strict=True)
        ],
    }


def steps_for(contender: Contender, seconds: float) -> int:
    """How many steps take about `seconds`, after a warm-up; rounded to whole calls if a call takes many."""
    contender.run(STEPS_PER_EXECUTION)
    start = time.perf_counter()
    contender.run(STEPS_PER_EXECUTION)
    return STEPS_PER_EXECUTION * max(1, round(seconds / (time.perf_counter() - start)))


def peak(precision: str) -> float:
    """Operations per second of a large convolution."""
    dtype = tf.as_dtype(precision)
    images, kernel = (tf.cast(tf.random.stateless_uniform(shape, (0, 0)), dtype) for shape in PEAK_SHAPES)
    convolve = tf.function(lambda: tf.nn.conv2d(images, kernel, 1, "SAME"))
    convolve()
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        convolve().numpy()
        best = max(best, PEAK_OPERATIONS / (time.perf_counter() - start))
    return best


def operations_of(function: tf.types.experimental.ConcreteFunction, batch_size: int) -> float:
    """Operations per image of the convolutions and matrix products in the graph of a step, including gradients.

    Recorded operations that nothing needs are removed first, as TensorFlow does before it runs a graph.
    """
    from tensorflow.compat.v1 import graph_util, profiler

    graph = function.graph
    kept = [output.op.name for output in graph.outputs] + [operation.name for operation in graph.control_outputs]
    needed = graph_util.extract_sub_graph(graph.as_graph_def(add_shapes=True), kept)
    with tf.Graph().as_default() as pruned, contextlib.redirect_stdout(io.StringIO()):
        tf.import_graph_def(needed, name="")
        builder = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
        options = builder.with_accounted_types(COUNTED).with_empty_output().build()
        return profiler.profile(pruned, options=options, cmd="op").total_float_ops / batch_size


# Ours


def our_step(
    preset: str, images: np.ndarray, precision: str, xla: str = "off", steps_per_execution: int = 1
) -> Contender:
    config = TrainingConfig.of(preset=preset, batch_size=len(images), precision=precision, xla=xla)
    networks = build_networks(config, images.shape[1:], "tanh")
    train_step = TrainStep(networks, config)
    batch = Batch(tf.constant(images))

    def run(steps: int) -> None:
        for step in range(0, steps, steps_per_execution):
            for readings in train_step.execute([batch] * steps_per_execution, step):
                float(readings["generator_loss"])  # as the loop does, which reports every step

    graph = graph_of(train_step, batch, penalize=False)
    name = "ours" + ", XLA" * (xla == "on") + f", {steps_per_execution} steps in one call" * (steps_per_execution > 1)
    return Contender(name, precision, run, operations_of(graph, len(images)))


def graph_of(train_step: TrainStep, batch: Batch, penalize: bool):
    return train_step.compiled_step.get_concrete_function(batch, tf.constant(0), tf.constant(1.0), penalize)


# The peers: their steps, reimplemented from their published texts, on our networks


def networks_of(preset: str, images: np.ndarray) -> tuple[keras.Sequential, keras.Sequential]:
    networks = build_networks(TrainingConfig.of(preset=preset, precision="float32"), images.shape[1:], "tanh")
    return networks.generator, networks.discriminator


def tutorial_step(preset: str, images: np.ndarray) -> Contender:
    """The step of TensorFlow's tutorial "Deep Convolutional Generative Adversarial Network": two tapes, one pass."""
    generator, discriminator = networks_of(preset, images)
    generator_optimizer, discriminator_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    batch = tf.constant(images)

    @tf.function
    def step(images: tf.Tensor) -> tf.Tensor:
        latents = tf.random.normal((len(images), LATENT_DIM))
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = generator(latents, training=True)
            real_logits, generated_logits = (
                discriminator(images, training=True),
                discriminator(generated, training=True),
            )
            generator_loss = cross_entropy(tf.ones_like(generated_logits), generated_logits)
            discriminator_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            discriminator_loss += cross_entropy(tf.zeros_like(generated_logits), generated_logits)
        for tape, loss, network, optimizer in (
            (generator_tape, generator_loss, generator, generator_optimizer),
            (discriminator_tape, discriminator_loss, discriminator, discriminator_optimizer),
        ):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return generator_loss

    def run(steps: int) -> None:
        for _ in range(steps):
            found = step(batch)
        found.numpy()

    return Contender(
        "TensorFlow tutorial", "float32", run, operations_of(step.get_concrete_function(batch), len(images))
    )


class FitGan(keras.Model):
    """Like Keras's example "DCGAN to generate face images": overrides train_step, real and generated in one batch."""

    def __init__(self, generator: keras.Sequential, discriminator: keras.Sequential) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.generator_optimizer, self.discriminator_optimizer = (
            keras.optimizers.Adam(1e-4),
            keras.optimizers.Adam(1e-4),
        )
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(images)[0]
        generated = self.generator(tf.random.normal((count, LATENT_DIM)), training=True)
        both = tf.concat([generated, images], axis=0)
        labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            discriminator_loss = self.cross_entropy(labels, self.discriminator(both, training=True))
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply_gradients(
            zip(tape.gradient(discriminator_loss, variables), variables, strict=True)
        )
        latents = tf.random.normal((count, LATENT_DIM))
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(latents, training=True), training=True)
            generator_loss = self.cross_entropy(tf.zeros((count, 1)), logits)
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply_gradients(zip(tape.gradient(generator_loss, variables), variables, strict=True))
        return {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}


def keras_fit(preset: str, images: np.ndarray) -> Contender:
    gan = FitGan(*networks_of(preset, images))
    gan.compile()
    batch = tf.constant(images)
    data = tf.data.Dataset.from_tensors(batch).repeat()
    graph = tf.function(gan.train_step).get_concrete_function(batch)

    def run(steps: int) -> None:
        gan.fit(data, steps_per_epoch=steps, verbose=0)

    return Contender("Keras train_step, fit", "float32", run, operations_of(graph, len(images)))


def pytorch_steps(preset: str, images: np.ndarray) -> list[Contender]:
    try:
        import torch
    except ImportError:
        print("PyTorch is left out: it is not installed", file=sys.stderr)
        return []
    return [
        pytorch_step(preset, images, "PyTorch, eager", torch.contiguous_format),
        pytorch_step(preset, images, "PyTorch, channels last", torch.channels_last),
    ]


def pytorch_step(preset: str, images: np.ndarray, name: str, memory_format) -> Contender:
    """The same networks in PyTorch; the step of its example: real, generated, then the generator."""
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    from models import ImageLayout

    layout = ImageLayout.of(images.shape[1:], preset)
    plain = preset == "tutorial"

    def between(filters: int) -> list[nn.Module]:
        return [] if plain else [nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]

    height, width = layout.base_grid
    first, *rest = reversed(layout.filters)
    base = layout.base_filters
    units = height * width * base
    climb = [nn.Linear(LATENT_DIM, units, bias=plain)]
    climb += [] if plain else [nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
    climb += [
        nn.Unflatten(1, (base, height, width)),
        nn.ConvTranspose2d(base, first, 5, padding=2, bias=plain),
        *between(first),
    ]
    filters = first
    for more in (*rest, layout.channels):
        climb.append(nn.ConvTranspose2d(filters, more, 5, 2, padding=2, output_padding=1, bias=plain or more == 3))
        climb += between(more) if more != layout.channels else []
        filters = more
    descend, filters = [], layout.channels
    for more in layout.filters:
        descend += [nn.Conv2d(filters, more, 5, 2, padding=2)]
        descend += [] if plain else [nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.1)]
        filters = more
    generator = nn.Sequential(*climb, nn.Tanh()).to(memory_format=memory_format)
    discriminator = nn.Sequential(*descend, nn.Flatten(), nn.Linear(height * width * filters, 1))
    discriminator = discriminator.to(memory_format=memory_format)
    for network, theirs in zip(networks_of(preset, images), (generator, discriminator), strict=True):
        weights, others = network.count_params(), sum(part.numel() for part in theirs.parameters())
        weights -= sum(weight.shape.num_elements() for weight in network.non_trainable_weights)
        if weights != others:
            raise AssertionError(f"expected the same {network.name}, got {others} weights beside {weights}")
    optimizers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (generator, discriminator)]
    real = torch.tensor(images.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=memory_format)
    cross_entropy, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(len(images), 1), torch.zeros(len(images), 1)

    def step() -> float:
        discriminator.zero_grad()
        cross_entropy(discriminator(real), ones).backward()
        generated = generator(torch.randn(len(images), LATENT_DIM))
        cross_entropy(discriminator(generated.detach()), zeros).backward()
        optimizers[1].step()
        generator.zero_grad()
        loss = cross_entropy(discriminator(generated), ones)
        loss.backward()
        optimizers[0].step()
        return loss.item()

    def run(steps: int) -> None:
        for _ in range(steps):
            step()

    with FlopCounterMode(display=False) as counter:
        step()
    return Contender(name, "float32", run, counter.get_total_flops() / len(images))


if __name__ == "__main__":
    main()
