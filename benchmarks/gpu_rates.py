"""Images per second of the default recipe's step on a GPU: float32, TensorFloat-32 and bfloat16, without and with XLA.

python benchmarks/gpu_rates.py                               # 32, 64 and 128 pixels, RGB, batches of 32
python benchmarks/gpu_rates.py --sizes 64 --batch-size 256 --json rates.json

Each combination has its own process. All of them build and compile at the same time; then they run in turns, one at a
time, and the table shows each one's median, lowest and highest rate. A batch in memory is copied to the GPU in every
step, and every step's loss is waited for, as in training; "8 steps in one call" waits once for eight. PyTorch's example
"dcgan" (batches of 64, at its own 64×64) runs in the same turns, in eager PyTorch, where PyTorch is installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or the first process takes all of the GPU's memory

import larger_pictures  # noqa: E402

ARITHMETIC = ("float32", "TF32", "bfloat16")
PYTORCH = "PyTorch's example"
PYTORCH_SIZE = 64
STEPS_PER_CALL = 8
TOGETHER = f"{STEPS_PER_CALL} steps in one call"
FIRST_STEPS = 2 * STEPS_PER_CALL  # with and without the penalty, which are compiled apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], metavar="N")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="of ours (default 32, the default's)")
    parser.add_argument("--turns", type=int, default=3, metavar="N", help="turns of each (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="a turn (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        serve(arguments)
        return
    combinations = [
        f"{size} {arithmetic} {how}"
        for size in arguments.sizes
        for arithmetic in ARITHMETIC
        for how in ("plain", "XLA")
    ] + [f"{size} bfloat16 {TOGETHER}" for size in arguments.sizes]
    if PYTORCH_SIZE in arguments.sizes and larger_pictures.has_pytorch():
        combinations += [f"{PYTORCH_SIZE} {arithmetic} {PYTORCH}" for arithmetic in ("float32", "TF32")]
    workers = {name: start(name) for name in combinations}
    rates: dict[str, list[float]] = {name: [] for name in combinations}
    for name, worker in workers.items():
        if worker.stdout.readline().strip() != "ready":
            raise SystemExit(f"expected that {name} compiles, got an error; it stands above")
    for _ in range(arguments.turns):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            rates[name].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    print("| pixels, arithmetic, step | images a second | lowest to highest |\n|---|---:|---:|")
    for name, mine in rates.items():
        print(f"| {name} | {statistics.median(mine):,.0f} | {min(mine):,.0f} to {max(mine):,.0f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"batch_size": arguments.batch_size, "rates": rates}) + "\n")


def start(name: str) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *sys.argv, "--one", name], stdin=pipe, stdout=pipe, text=True)


def serve(arguments: argparse.Namespace) -> None:
    """Builds and compiles one combination, says "ready", and answers each line of standard input with a rate."""
    size, arithmetic, how = arguments.one.split(" ", 2)
    build = pytorch_call if how == PYTORCH else our_call
    images, call = build(int(size), arithmetic, how, arguments.batch_size)
    for number in range(FIRST_STEPS):
        call(number)
    print("ready", flush=True)
    for _ in sys.stdin:
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < arguments.seconds:
            call(done)
            done += 1
        print(done * images / (time.perf_counter() - begin), flush=True)


def our_call(size: int, arithmetic: str, how: str, batch_size: int):
    """Images in a call, and the call with the number of calls before it."""
    import tensorflow as tf

    from config import TrainingConfig
    from training.networks import build_networks
    from training.step import Batch, TrainStep

    tf.config.experimental.enable_tensor_float_32_execution(arithmetic == "TF32")
    precision = "bfloat16" if arithmetic == "bfloat16" else "float32"
    config = TrainingConfig(precision=precision, xla="on" if how == "XLA" else "off", batch_size=batch_size)
    shape = (size, size, 3)
    train_step = TrainStep(build_networks(config, shape, "tanh"), config)
    steps = STEPS_PER_CALL if how == TOGETHER else 1
    batches = [Batch(larger_pictures.pixels(batch_size, shape))] * steps

    def call(number: int) -> None:
        for readings in train_step.execute(batches, number * steps):
            float(readings["generator_loss"])

    return steps * batch_size, call


def pytorch_call(size: int, arithmetic: str, how: str, batch_size: int):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "TF32"
    torch.backends.cudnn.benchmark = True  # as the example sets it
    return larger_pictures.pytorch_step((size, size, 3), "cuda")


if __name__ == "__main__":
    main()
