"""The cost of generate.py compared with the unavoidable: start-up, rate, memory, and writing folders of PNG files.

python benchmarks/sampling.py runs/mine
python benchmarks/sampling.py runs/mine --repeats 9 --counts 10000 50000 --json sampling.json

start-up: generate.py until a grid of 64 is finished, against a process that imports TensorFlow and loads the weights.
rate: generate.py --count N --output x.npy without its start-up, against the compiled generator alone, on latents that
exist already. Both are timed in turns; the table shows the median and the range of the ratios. Peak memory is the
resident memory of generate.py, and shows whether it grows with N.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LOAD = "import sys, tensorflow, keras; keras.saving.load_model(sys.argv[1], compile=False)"
# A child process that reports its cost: seconds in main() after importing TensorFlow, and its peak memory.
GENERATE = """
import sys, time, resource
sys.path.insert(0, sys.argv[1])
sys.argv = ["generate.py", *sys.argv[2:]]
import tensorflow, keras, generate
start = time.perf_counter()
generate.main()
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
BARE = """
import sys, time
import tensorflow as tf, keras
generator = keras.saving.load_model(sys.argv[1], compile=False)
count = int(sys.argv[2])
latents = tf.random.normal((64, generator.input_shape[-1]))
draw = tf.function(lambda latents: generator(latents, training=False))
draw(latents)
start = time.perf_counter()
for _ in range(-(-count // 64)):
    draw(latents).numpy()
print(time.perf_counter() - start, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path, metavar="RUN")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="pairs of each (default 5)")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 50_000], metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings, too")
    arguments = parser.parse_args()
    run_dir = arguments.run_dir.resolve()
    results = {"start-up": [], "rate": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            results["start-up"].append(
                {
                    "generate": timed("generate.py", run_dir, "--output", f"{folder}/grid.png"),
                    "load": timed("-c", LOAD, run_dir / "generator.keras"),
                }
            )
        for count in arguments.counts:
            for _ in range(arguments.repeats):
                for name in ("samples.npy", "samples"):
                    how = (ROOT, run_dir, "--count", count, "--output", f"{folder}/{name}")
                    seconds, kibibytes = said("-c", GENERATE, *how)
                    bare = said("-c", BARE, run_dir / "generator.keras", count)[0]
                    reading = {"count": count, "output": name, "generate": seconds, "bare": bare, "peak": kibibytes}
                    results["rate"].append(reading)
                    print(json.dumps(reading), file=sys.stderr, flush=True)
    show(results, arguments.counts)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def timed(*arguments) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def said(*arguments) -> list[float]:
    """The numbers of the last line on standard error."""
    child = subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True, text=True)
    return [float(word) for word in child.stderr.splitlines()[-1].split()]


def show(results: dict, counts: list[int]) -> None:
    ratios = sorted(pair["generate"] / pair["load"] for pair in results["start-up"])
    print("| what | against | ratio (lowest to highest) | seconds | peak memory |\n|---|---|---|---|---|")
    seconds = statistics.median(pair["generate"] for pair in results["start-up"])
    print(f"| a grid of 64 | import TensorFlow, load the weights | {spread(ratios)} | {seconds:.1f} | |")
    for count in counts:
        for output, words in (("samples.npy", ".npy"), ("samples", "folder of PNG files")):
            mine = [one for one in results["rate"] if (one["count"], one["output"]) == (count, output)]
            shares = sorted(one["bare"] / one["generate"] for one in mine)
            seconds = statistics.median(one["generate"] for one in mine)
            peak = max(one["peak"] for one in mine) / 1024
            print(
                f"| rate of {count:,}, {words} | the bare generator | {spread(shares)} | {seconds:.1f} | "
                f"{peak:.0f} MiB |"
            )


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
