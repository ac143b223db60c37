"""Where a train step spends its time, by TensorFlow's profiler: convolutions, and the rest by name.

python benchmarks/step_profile.py
python benchmarks/step_profile.py --preset dcgan --steps 50

Shares refer to the time that all of TensorFlow's threads spent in operations; idle is the share of the wall time in
which a core had none. The line above has the operations per image in a step, counted as in benchmarks/steps.py.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from steps import graph_of, operations_of  # noqa: E402
from tensorflow.tsl.profiler.protobuf import xplane_pb2  # noqa: E402

from config import PRESETS, TrainingConfig  # noqa: E402
from training.networks import build_networks  # noqa: E402
from training.step import Batch, TrainStep  # noqa: E402

AROUND = ("Process", "ParallelFor", "Run", "FunctionRun")  # events that contain operations, or are contained in them
KINDS = {
    "convolutions, forward": ("Conv2D", "FusedConv2D", "Conv2DWithBias"),
    "convolutions, back": ("Conv2DBackpropInput", "Conv2DBackpropFilter", "Conv2DBackpropFilterWithBias"),
    "matrix products": ("MatMul", "FusedMatMul", "BatchMatMulV2"),
    "random numbers": ("StatelessRandomUniformV2", "StatelessRandomNormalV2"),
    "optimizers and averaging": ("AssignVariableOp", "ReadVariableOp", "AssignSubVariableOp", "AssignAddVariableOp"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=TrainingConfig.preset, choices=PRESETS, help="(default %(default)s)")
    parser.add_argument(
        "--precision", default="bfloat16", choices=("bfloat16", "float32"), help="(default %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, default=TrainingConfig.batch_size, help="(default %(default)s)")
    parser.add_argument("--steps", type=int, default=30, help="(default %(default)s)")
    arguments = parser.parse_args()
    config = TrainingConfig.of(preset=arguments.preset, batch_size=arguments.batch_size, precision=arguments.precision)
    networks = build_networks(config, (32, 32, 3), "tanh")
    step = TrainStep(networks, config)
    pixels = np.random.default_rng(0).uniform(-1, 1, (config.batch_size, 32, 32, 3)).astype(np.float32)
    batch = Batch(tf.constant(pixels))
    for number in range(5):
        step(batch, number)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        start = time.perf_counter()
        for number in range(5, 5 + arguments.steps):
            float(step(batch, number)["generator_loss"])
        wall = time.perf_counter() - start
        tf.profiler.experimental.stop()
        seconds = seconds_of_operations(Path(folder))
    plain, penalised = (
        operations_of(graph_of(step, batch, penalize), config.batch_size) / 1e6 for penalize in (False, True)
    )
    print(f"{plain:.0f} MFLOP an image, {penalised:.0f} in a step with the penalties of the preset")
    show(config, seconds, wall, arguments.steps)


def seconds_of_operations(folder: Path) -> Counter:
    """Seconds by the name of the operation, summed over the threads that compute."""
    space = xplane_pb2.XSpace()
    space.ParseFromString(next(folder.rglob("*.xplane.pb")).read_bytes())
    seconds = Counter()
    for plane in space.planes:
        for line in plane.lines:
            if line.name.startswith("tf_Compute"):
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name.rsplit(":", 1)[-1]
                    seconds[name.removeprefix("_MklNative").removeprefix("_Mkl").lstrip("_")] += (
                        event.duration_ps / 1e12
                    )
    return Counter({name: value for name, value in seconds.items() if name not in AROUND})


def show(config: TrainingConfig, seconds: Counter, wall: float, steps: int) -> None:
    busy, cores = sum(seconds.values()), len(os.sched_getaffinity(0))
    print(f"preset {config.preset}, batch {config.batch_size}, {config.precision}, {cores} cores: "
          f"{1e3 * wall / steps:.1f} ms a step, {config.batch_size * steps / wall:.0f} images/s")  # fmt: skip
    print("\n| part | share |\n|---|---|")
    named = {name for names in KINDS.values() for name in names}
    shares = {kind: sum(seconds[name] for name in names) for kind, names in KINDS.items()}
    shares |= {name: value for name, value in seconds.items() if name not in named and value > 0.01 * busy}
    shares["others, below 1 % each"] = busy - sum(shares.values())
    for kind, value in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"| {kind} | {value / busy:.1%} |")
    print(f"\nidle: {max(0.0, 1 - busy / (wall * cores)):.1%} of the wall time on {cores} cores")


if __name__ == "__main__":
    main()
