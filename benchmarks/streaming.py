"""Memory by the number of images: what loading and one epoch of batches take, from 10,000 images to 1,000,000.

python benchmarks/streaming.py                       # .npy, folder and zip; a few minutes and 4 GB of disk
python benchmarks/streaming.py --kinds zip --counts 10000,100000 --json streaming.json

Images are 16x16 RGB. The files of a folder are 1,000 different PNG files, each under many names (hard links); the
members of a zip are the same 1,000 files again and again. Each reading has its own process, which loads the images,
fits a scaling, takes the fingerprint and reads an epoch of batches with `training.feed.Feed`. Memory is measured in two
ways: the peak of what only the process can free (RssAnon in /proc/self/status, sampled 100 times per second), and the
peak of all resident pages (ru_maxrss), which for a memory-mapped .npy includes pages of the file that the system can
reclaim when it needs them.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from imaging import save_image  # noqa: E402

SIZE = (16, 16, 3)
DIFFERENT = 1_000
PER_FOLDER = 10_000
BATCH_SIZE = 128
KINDS = ("npy", "folder", "zip")
LOOKS_PER_SECOND = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default="npy,folder,zip", metavar="LIST", help=f"of {','.join(KINDS)}")
    parser.add_argument("--counts", default="10000,100000,1000000", metavar="LIST", help="of images")
    parser.add_argument("--folder", type=Path, help="where to write the images (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings to this file too")
    parser.add_argument("--one", type=Path, metavar="PATH", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    readings = []
    for kind in arguments.kinds.split(","):
        for count in map(int, arguments.counts.split(",")):
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                path = write(kind, count, Path(folder))
                command = [sys.executable, str(Path(__file__).resolve()), "--one", str(path)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            readings.append({"kind": kind, "images": count, **json.loads(output.splitlines()[-1])})
            print(json.dumps(readings[-1]), file=sys.stderr, flush=True)
    print(table(readings))
    if arguments.json:
        arguments.json.write_text(json.dumps(readings, indent=2) + "\n", encoding="utf-8")


def table(readings: list[dict]) -> str:
    lines = [
        "| images | number | decoded, MiB | before, MiB | peak, MiB | peak with pages of files, MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in readings:
        lines.append(
            f"| {entry['kind']} | {entry['images']:,} | {entry['images'] * math.prod(SIZE) / 2**20:,.0f} | "
            f"{entry['before_mib']:.0f} | {entry['peak_mib']:.0f} | {entry['resident_mib']:,.0f} |"
        )
    return "\n".join(lines)


# The images


def write(kind: str, count: int, folder: Path) -> Path:
    """Writes `count` images and returns their path."""
    draws = np.random.default_rng(0)
    if kind == "npy":
        path = folder / "images.npy"
        array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SIZE))
        for start in range(0, count, 4096):
            part = array[start : start + 4096]
            part[...] = draws.integers(0, 256, part.shape, np.uint8)
        array.flush()
        return path
    sources = [folder / f"{number}.png" for number in range(min(count, DIFFERENT))]
    for source in sources:
        save_image(source, draws.integers(0, 256, SIZE, np.uint8))
    names = (f"{number // PER_FOLDER:04d}/{number:08d}.png" for number in range(count))
    if kind == "zip":
        contents = [source.read_bytes() for source in sources]
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(name, contents[number % len(contents)])
        return folder / "images.zip"
    for number, name in enumerate(names):
        target = folder / "images" / name
        if number % PER_FOLDER == 0:
            target.parent.mkdir(parents=True)
            copies = [shutil.copy(source, target.parent / f".{source.name}") for source in sources]
        os.link(copies[number % len(copies)], target)  # a file system allows some tens of thousands of names per file
    return folder / "images"


# One reading


def measure(path: Path) -> dict:
    """Memory in MiB before and at its peak, and the seconds of loading and of an epoch of batches."""
    from image_datasets import LevelsSeen, ReadingOptions, load_images
    from preprocessing import PixelScaler
    from training.feed import BatchPlan, Feed

    with Peak() as peak:
        before = anonymous_bytes()
        start = time.perf_counter()
        scaler = PixelScaler("standardize")
        images = load_images(path, ReadingOptions(in_memory_bytes=0), visit=LevelsSeen(scaler))
        images.fingerprint()
        loaded = time.perf_counter()
        with Feed(images, scaler, BatchPlan(BATCH_SIZE, seed=0), range(len(images.images) // BATCH_SIZE)) as feed:
            for _ in feed:
                pass
        done = time.perf_counter()
    return {
        "before_mib": before / 2**20,
        "peak_mib": peak.bytes / 2**20,
        "resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "load_seconds": loaded - start,
        "epoch_seconds": done - loaded,
    }


class Peak:
    """The peak of anonymous memory while the block ran."""

    def __enter__(self) -> "Peak":
        self.bytes, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(1 / LOOKS_PER_SECOND):
            self.bytes = max(self.bytes, anonymous_bytes())


def anonymous_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
