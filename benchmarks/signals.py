"""How signals and gradients pass through an untrained discriminator, and through one after some steps, layer by layer.

python benchmarks/signals.py --image-size 64
python benchmarks/signals.py --data noto-emoji-64.zip --alpha white --channels 3 --steps 100 --scale 0.02

Standard deviations over 64 real images: of each layer's output, of the gradient of the discriminator's loss with
respect to each kernel, and the ratio of that gradient to the kernel. A discriminator works if its logits vary and
differ between real and generated images. --scale draws the initial kernels from N(0, SCALE) instead, like DCGAN, and
like earlier versions of the default recipe.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from config import TrainingConfig  # noqa: E402
from image_datasets import ReadingOptions, load_images  # noqa: E402
from models.sampling import latents_from_seeds  # noqa: E402
from options import Size, converter  # noqa: E402
from preprocessing import PixelScaler  # noqa: E402

COUNT = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="glyphs", metavar="NAME|PATH")
    parser.add_argument("--image-size", type=converter(Size()), metavar=Size().metavar)
    parser.add_argument("--alpha", choices=("drop", "white", "black"))
    parser.add_argument("--channels", type=int, choices=(1, 3))
    parser.add_argument(
        "--steps", type=int, default=100, metavar="N", help="steps before the second table (default 100)"
    )
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="images per step (default 16)")
    parser.add_argument("--scale", type=float, metavar="SCALE", help="initial kernels from N(0, SCALE) instead")
    arguments = parser.parse_args()

    from training.networks import build_networks
    from training.step import Batch, TrainStep

    images = load(arguments)
    scaler = PixelScaler("tanh").fit(images)
    config = TrainingConfig(precision="float32", batch_size=arguments.batch_size)
    networks = build_networks(config, images.shape[1:], scaler.output_activation)
    if arguments.scale:
        random = np.random.default_rng(0)
        for layer in networks.discriminator.layers:
            if hasattr(layer, "kernel"):
                layer.kernel.assign(arguments.scale * random.standard_normal(layer.kernel.shape))
    train_step = TrainStep(networks, config)
    real = scaler.transform(images[:COUNT])
    show("untrained", networks, real)
    order = np.random.default_rng(0)
    for step in range(arguments.steps):
        chosen = order.integers(0, len(images), config.batch_size)
        train_step(Batch(scaler.transform(images[chosen])), step)
    show(f"after {arguments.steps} steps of {config.batch_size} images", networks, real)


def load(arguments: argparse.Namespace) -> np.ndarray:
    """The images, uint8 (n, height, width, channels); by default 1,000 glyphs, which need no file."""
    count = 1_000 if arguments.data == "glyphs" else None
    reading = {"image_size": arguments.image_size, "alpha": arguments.alpha, "channels": arguments.channels}
    return load_images(arguments.data, ReadingOptions(image_count=count, **reading)).images[:]


def show(title: str, networks, real: np.ndarray) -> None:
    """Prints a table of the discriminator's layers that have weights, and a line about its logits."""
    import tensorflow as tf

    from training.losses import gan_loss

    discriminator, loss = networks.discriminator, gan_loss("non_saturating")
    generated = networks.generator(latents_from_seeds(range(len(real)), 100), training=True)
    with tf.GradientTape() as tape:
        real_logits, generated_logits = discriminator(real), discriminator(generated)
        value = loss.discriminator(real_logits, generated_logits)
    kernels = [layer.kernel for layer in discriminator.layers if hasattr(layer, "kernel")]
    gradients = iter(zip(tape.gradient(value, kernels), kernels, strict=True))
    print(f"{title}\n| layer | output | signal | gradient | gradient / kernel |\n|---|---|---:|---:|---:|")
    outputs = real
    for layer in discriminator.layers:
        outputs = layer(outputs)
        if hasattr(layer, "kernel"):
            gradient, kernel = (float(np.std(part)) for part in next(gradients))
            shape = "×".join(map(str, outputs.shape[1:]))
            print(f"| {layer.name} | {shape} | {np.std(outputs):.2g} | {gradient:.2g} | {gradient / kernel:.2g} |")
    words = (f"{np.mean(logits):.3g} ± {np.std(logits):.2g}" for logits in (real_logits, generated_logits))
    print("logits of real images {}, of generated ones {}\n".format(*words))


if __name__ == "__main__":
    main()
