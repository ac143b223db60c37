"""What training costs as the work grows: images per second and peak memory by batch size and by image size.

python benchmarks/costs.py
python benchmarks/costs.py --preset dcgan --seconds 10 --json costs.json
python benchmarks/costs.py --earlier                    # beside the networks of the default up to version db04404

Each row comes from its own process, which trains on random pixels in memory. The rate is in images per second of
processor time, the median of three turns after the first steps, which compile; two quiet cores deliver two such seconds
per second. Memory is the resident peak, including TensorFlow's own share of about half a gibibyte.
benchmarks/streaming.py measures how memory and time grow with the number of images.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from config import PRESETS, TrainingConfig  # noqa: E402

BATCH_SIZES = (16, 32, 64, 128)  # of 32×32 images
IMAGE_SIZES = (28, 32, 48, 64, 128, 256)  # in batches of 32
TURNS = 3
COLUMNS = ("images a processor second", "megapixels", "peak memory")
EARLIER = {"filters": 32, "smooth": False}  # the default up to version db04404: equally wide at every size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=TrainingConfig.preset, choices=PRESETS, help="(default %(default)s)")
    parser.add_argument(
        "--precision", default="bfloat16", choices=("bfloat16", "float32"), help="(default %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="a turn, about (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings, too")
    parser.add_argument("--earlier", action="store_true", help="measure the default's earlier networks as well")
    parser.add_argument("--one", nargs=3, metavar=("BATCH", "SIZE", "NETWORKS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        batch_size, size, networks = arguments.one
        print(json.dumps(measure(arguments, int(batch_size), int(size), networks)))
        return
    rows = list(dict.fromkeys([(batch, 32) for batch in BATCH_SIZES] + [(32, size) for size in IMAGE_SIZES]))
    kinds = ("now", "earlier") if arguments.earlier else ("now",)
    results = []
    columns = ["batch", "image", *(f"{words}, {kind}" for kind in kinds for words in COLUMNS)]
    print(f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", sep="\n")
    for batch, size in rows:
        cells = [str(batch), f"{size}×{size}"]
        for kind in kinds:
            command = [sys.executable, *sys.argv, "--one", str(batch), str(size), kind]
            child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(child.stdout.splitlines()[-1]))
            rate = results[-1]["images_per_processor_second"]
            cells += [f"{rate:.3g}", f"{rate * size * size / 1e6:.2f}", f"{results[-1]['peak_mib']:.0f} MiB"]
        print(f"| {' | '.join(cells)} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(arguments: argparse.Namespace, batch_size: int, size: int, kind: str) -> dict:
    import numpy as np
    import tensorflow as tf

    from training.networks import build_networks
    from training.step import Batch, TrainStep

    choices = EARLIER if kind == "earlier" else {}
    config = TrainingConfig.of(preset=arguments.preset, batch_size=batch_size, precision=arguments.precision, **choices)
    networks = build_networks(config, (size, size, 3), "tanh")
    step = TrainStep(networks, config)
    pixels = np.random.default_rng(0).uniform(-1, 1, (batch_size, size, size, 3)).astype(np.float32)
    batch = Batch(tf.constant(pixels))

    def seconds(first: int, count: int) -> float:
        start = time.process_time()
        for number in range(first, first + count):
            float(step(batch, number)["generator_loss"])
        return time.process_time() - start

    seconds(0, 3)
    count = max(2, round(arguments.seconds * 3 / seconds(3, 3)))
    turns = [seconds(6 + turn * count, count) for turn in range(TURNS)]
    return {
        "preset": config.preset,
        "networks": kind,
        "precision": config.precision,
        "batch_size": batch_size,
        "size": size,
        "images_per_processor_second": round(batch_size * count / statistics.median(turns), 1),
        "turns": [round(batch_size * count / turn, 1) for turn in turns],
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
