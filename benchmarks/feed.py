"""Does the step wait for its images? The rate of training from a feed against the bare step on one resident batch.

python benchmarks/feed.py                                      # drawn digits, in memory and from files
python benchmarks/feed.py --data cifar10.zip --batch-size 128 --json feed.json

For each source of images, the same compiled step runs alternately with one batch that is already in place, and with the
batches of `training.feed.Feed`, reading and keeping the losses as training/loop.py does. Both leave out pictures, files
and progress. A turn that reaches the next epoch also includes computing its order. What counts is the ratio of each
pair of turns; the table shows its median and range.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402

from config import TrainingConfig  # noqa: E402
from image_datasets import ImageSet, ReadingOptions, load_images  # noqa: E402
from imaging import save_image  # noqa: E402
from preprocessing import PixelScaler  # noqa: E402
from training.feed import BatchPlan, Feed  # noqa: E402
from training.networks import build_networks  # noqa: E402
from training.precision import faster_precision  # noqa: E402
from training.step import Batch, TrainStep  # noqa: E402

SOURCES = ("memory", "npy", "folder", "zip")
WARM_UP = 5  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="glyphs", metavar="NAME|PATH", help="(default glyphs)")
    parser.add_argument("--image-size", type=int, metavar="N", help="(default: as they are)")
    parser.add_argument("--count", type=int, default=8000, help="images, written anew for each source (default 8000)")
    parser.add_argument("--sources", default=",".join(SOURCES), metavar="LIST", help="(default %(default)s)")
    parser.add_argument("--preset", default=TrainingConfig.preset, help="(default %(default)s)")
    parser.add_argument("--loss", default=TrainingConfig.loss, help="(default %(default)s)")
    parser.add_argument("--batch-size", type=int, default=TrainingConfig.batch_size, help="(default %(default)s)")
    parser.add_argument("--precision", default="auto", help="(default auto)")
    parser.add_argument("--repeats", type=int, default=9, help="pairs of turns a source (default 9)")
    parser.add_argument("--steps", type=int, help="a turn (default: an epoch)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings to this file too")
    arguments = parser.parse_args()
    config = TrainingConfig.of(
        preset=arguments.preset,
        loss=arguments.loss,
        batch_size=arguments.batch_size,
        precision=faster_precision()[0] if arguments.precision == "auto" else arguments.precision,
    )
    size = None if arguments.image_size is None else (arguments.image_size,) * 2
    original = load_images(arguments.data, ReadingOptions(size, arguments.count))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for source in arguments.sources.split(","):
            images = load_from(source, original, Path(folder))
            results.append({"source": source, **compare(images, config, arguments.steps, arguments.repeats)})
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    print(table(results))
    if arguments.json:
        document = {"config": config.to_json(), "image_shape": original.image_shape, "results": results}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def load_from(source: str, images: ImageSet, folder: Path) -> ImageSet:
    """The images, read again from `source`; from a folder or a zip, they are decoded on demand."""
    if source == "memory":
        return images
    if source == "npy":
        np.save(folder / "images.npy", images.images)
        return load_images(folder / "images.npy")
    pictures = folder / "images"
    if not pictures.exists():
        pictures.mkdir()
        for number, image in enumerate(images.images):
            save_image(pictures / f"{number:06d}.png", image)
    if source == "folder":
        return load_images(pictures, ReadingOptions(in_memory_bytes=0))
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for file in sorted(pictures.iterdir()):
            archive.write(file, file.name)
    return load_images(folder / "images.zip", ReadingOptions(in_memory_bytes=0))


def compare(images: ImageSet, config: TrainingConfig, steps: int | None, repeats: int) -> dict:
    """The seconds of every turn, and the images/s of both and their ratio: median, lowest, highest."""
    steps = steps or len(images.images) // config.batch_size
    scaler = PixelScaler(config.scaling).fit_batches(images.blocks())
    networks = build_networks(config, images.image_shape, scaler.output_activation, len(images.class_names))
    train_step = TrainStep(networks, config)
    last = WARM_UP + repeats * steps
    bare, fed = [], []
    plan = BatchPlan(config.batch_size, config.seed, train_step.loss.pairs)
    with Feed(images, scaler, plan, range(last)) as feed:
        for number in range(WARM_UP):
            batch = next(feed)
            read_losses(train_step(batch, number))
        resident = Batch(*(None if part is None else tf.constant(part) for part in batch))
        read_losses(train_step(resident, WARM_UP))
        for turn in range(repeats):
            first = WARM_UP + turn * steps
            for seconds, work in shuffled_pair(turn, (bare, run_bare), (fed, run_fed)):
                start = time.perf_counter()
                work(train_step, resident, feed, range(first, first + steps))
                seconds.append(time.perf_counter() - start)
    ratios = [one / other for one, other in zip(bare, fed, strict=True)]
    images_a_turn = steps * config.batch_size
    return {
        "steps": steps,
        "bare_images_per_second": images_a_turn / statistics.median(bare),
        "fed_images_per_second": images_a_turn / statistics.median(fed),
        "ratio": statistics.median(ratios),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
        "bare_seconds": bare,
        "fed_seconds": fed,
    }


def shuffled_pair(turn: int, *pair: tuple) -> tuple:
    """Alternates which comes first, so that neither always runs on a warmer machine."""
    return pair if turn % 2 == 0 else pair[::-1]


def run_bare(train_step, resident: Batch, feed: Feed, numbers: range) -> None:
    for number in numbers:
        found = train_step(resident, number)
    read_losses(found)  # waits until all is done


def run_fed(train_step, resident: Batch, feed: Feed, numbers: range) -> None:
    for number in numbers:
        read_losses(train_step(next(feed), number))


def read_losses(found: dict) -> tuple[float, ...]:
    """The readings that training/loop.py takes from each step."""
    logits = np.asarray(found["real_logits"]), np.asarray(found["generated_logits"])
    scores = [float(of(part)) for part in logits for of in (np.mean, np.std)]
    return float(found["generator_loss"]), float(found["discriminator_loss"]), *scores


def table(results: list[dict]) -> str:
    lines = [
        "| images from | bare step, images/s | from the feed, images/s | ratio | lowest to highest |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for entry in results:
        lines.append(
            f"| {entry['source']} | {entry['bare_images_per_second']:,.0f} | {entry['fed_images_per_second']:,.0f} | "
            f"{entry['ratio']:.1%} | {entry['ratio_lowest']:.1%} to {entry['ratio_highest']:.1%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
