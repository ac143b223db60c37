"""Does one train step, taken again and again from the same state, always end with the same bits?

python benchmarks/repeats.py --minutes 2                          # the Wasserstein loss, with classes
python benchmarks/repeats.py --minutes 2 --recipe r1gan           # another recipe

The step is compiled anew after every 30 repeats, since TensorFlow learns in the first of them which operations to give
to threads. Run two or three at once, each with TF_NUM_INTRAOP_THREADS=1, to see what the order of threads can change.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from command_line import import_tensorflow  # noqa: E402

import_tensorflow()

import numpy as np  # noqa: E402
from recipes import parse_recipe  # noqa: E402

from training.networks import build_networks  # noqa: E402
from training.step import Batch, TrainStep  # noqa: E402

WASSERSTEIN = "tutorial+loss=wasserstein+gradient_penalty=10.0+conditional=true"
SHAPE, CLASSES, BATCH_SIZE, REPEATS, STEP = (16, 16, 3), 3, 8, 30, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default=WASSERSTEIN, help="as in recipes.py, of 8 filters (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=2.0, help="(default 2)")
    arguments = parser.parse_args()
    config = parse_recipe(f"{arguments.recipe}+filters=8+precision=float32")
    images, others = np.random.default_rng(0).uniform(-1, 1, (2, BATCH_SIZE, *SHAPE)).astype(np.float32)
    batch = Batch(images, np.arange(BATCH_SIZE) % CLASSES, others)
    end = time.monotonic() + 60 * arguments.minutes
    first = state = None
    steps = different = 0
    while time.monotonic() < end:
        networks = build_networks(config, SHAPE, "tanh", CLASSES)
        train_step = TrainStep(networks, config)
        state = networks.state() if state is None else state
        for _ in range(REPEATS):
            networks.restore(state)
            readings = {name: value.numpy() for name, value in train_step(batch, STEP).items()}
            first = readings if first is None else first
            steps += 1
            different += any(not np.array_equal(value, first[name]) for name, value in readings.items())
    print(f"{different} of {steps} steps have other losses or logits than the first")


if __name__ == "__main__":
    main()
