"""Images per processor second of one train step on larger images: ours, and PyTorch's example "dcgan" at its own size.

python benchmarks/larger_pictures.py                     # 64×64 RGB
python benchmarks/larger_pictures.py --turns 9 --json larger-pictures.json

All use a batch in memory of their published size and run in turns in one process; the ratio to ours is taken turn by
turn, and the table shows its median, lowest and highest value. It counts processor time of the whole process, so that
other work on the machine matters less. "Earlier" has the networks that were the default up to version db04404, equally
wide next to the image at 64×64 and 32×32, and today's step. PyTorch's example appears twice: in Keras, as
benchmarks/recipes.py trains it, and in PyTorch (pip install torch), which is left out if it is missing.
"""

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import peers  # noqa: E402
from costs import EARLIER  # noqa: E402

from config import TrainingConfig  # noqa: E402

OURS, IN_PYTORCH = "ours", "PyTorch's example, in PyTorch"
FIRST_STEPS = 5  # which compile

Step = Callable[[int], None]  # takes the step with this number, and returns when it is done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=64, choices=(32, 64, 128), help="(default 64)")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="of each (default 5)")
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="a turn (default 8)")
    parser.add_argument("--beside", nargs="+", metavar="STEP", help="names of the table (default: all there are)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings, too")
    arguments = parser.parse_args()
    shape = (arguments.image_size, arguments.image_size, 3)
    builders = {
        OURS: lambda: our_step(shape, precision="bfloat16"),
        "ours, float32": lambda: our_step(shape, precision="float32"),
        "earlier": lambda: our_step(shape, precision="bfloat16", **EARLIER),
        "PyTorch's example, in Keras": lambda: peer_step(shape),
        IN_PYTORCH: lambda: pytorch_step(shape),
    }
    names = arguments.beside or [name for name in builders if name != OURS and (name != IN_PYTORCH or has_pytorch())]
    contenders = {name: builders[name]() for name in (OURS, *names)}
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(arguments.turns + 1):  # the first turn compiles and is not counted
        for name, (batch_size, step) in contenders.items():
            rate = images_a_second(step, batch_size, arguments.steps, FIRST_STEPS if turn == 0 else 0)
            if turn:
                rates[name].append(round(rate, 2))
    show(rates)
    if arguments.json:
        arguments.json.write_text(json.dumps({"image_size": arguments.image_size, "rates": rates}) + "\n")


def images_a_second(step: Step, batch_size: int, count: int, warm_up: int) -> float:
    """Images per second of processor time, over `count` steps after a warm-up."""
    for number in range(warm_up):
        step(number)
    start = time.process_time()
    for number in range(count):
        step(number)
    return batch_size * count / (time.process_time() - start)


def show(rates: dict[str, list[float]]) -> None:
    print("| step | images a processor second | ours, times as fast (lowest to highest) |\n|---|---:|---:|")
    for name, mine in rates.items():
        ratios = [ours / other for ours, other in zip(rates[OURS], mine, strict=True)]
        times = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if name != OURS else ""
        print(f"| {name} | {statistics.median(mine):.1f} | {times} |")


def pixels(batch_size: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (batch_size, *shape)).astype(np.float32)


def our_step(
    shape: tuple[int, int, int], precision: str, filters: int | None = None, smooth: bool = True
) -> tuple[int, Step]:
    """The batch size and the step of the default recipe."""
    from training.networks import build_networks
    from training.step import Batch, TrainStep

    config = TrainingConfig(precision=precision, filters=filters, smooth=smooth)
    train_step = TrainStep(build_networks(config, shape, "tanh"), config)
    batch = Batch(pixels(config.batch_size, shape))
    return config.batch_size, lambda number: float(train_step(batch, number)["generator_loss"])


def peer_step(shape: tuple[int, int, int]) -> tuple[int, Step]:
    import tensorflow as tf

    build, batch_size = peers.PEERS["pytorch-example"]
    _, step = build(shape, 0)
    batch = tf.constant(pixels(batch_size, shape))
    return batch_size, lambda number: float(step(batch))


def has_pytorch() -> bool:
    return importlib.util.find_spec("torch") is not None


def pytorch_step(shape: tuple[int, int, int], device: str = "cpu") -> tuple[int, Step]:
    """The example in its own framework, on one thread: several threads spin while they wait for each other, which would
    count as work."""
    import torch

    torch.set_num_threads(1)
    batch_size = peers.PEERS["pytorch-example"][1]
    generator, discriminator = (network.to(device) for network in pytorch_networks(shape))
    optimizers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (generator, discriminator)]
    real = torch.tensor(pixels(batch_size, shape).transpose(0, 3, 1, 2).copy())
    ones, zeros = torch.ones(batch_size, device=device), torch.zeros(batch_size, device=device)
    cross_entropy = torch.nn.BCEWithLogitsLoss()

    def step(number: int) -> None:
        optimizers[1].zero_grad()
        cross_entropy(discriminator(real.to(device)), ones).backward()
        generated = generator(torch.randn(batch_size, peers.LATENT_DIM, 1, 1, device=device))
        cross_entropy(discriminator(generated.detach()), zeros).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        loss = cross_entropy(discriminator(generated), ones)
        loss.backward()
        optimizers[0].step()
        float(loss)

    return batch_size, step


def pytorch_networks(shape: tuple[int, int, int]):
    """Generator and discriminator of the example, 4×4 kernels and batch normalization, 64 filters next to the image."""
    from torch import nn

    side, _, channels = shape
    widths = [64 << level for level in range((side // 4).bit_length() - 1)]
    pairs = list(itertools.pairwise(widths))

    def up(before: int, after: int, stride: int = 2, padding: int = 1) -> list[nn.Module]:
        convolution = nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False)
        return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]

    def down(before: int, after: int) -> list[nn.Module]:
        convolution = nn.Conv2d(before, after, 4, 2, 1, bias=False)
        return [convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]

    generator = nn.Sequential(
        *up(peers.LATENT_DIM, widths[-1], stride=1, padding=0),
        *(layer for after, before in reversed(pairs) for layer in up(before, after)),
        nn.ConvTranspose2d(widths[0], channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    first = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    last = [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Flatten(0)]
    layers = (layer for before, after in pairs for layer in down(before, after))
    return generator, nn.Sequential(*first, *layers, *last)


if __name__ == "__main__":
    main()
