"""Pixelwright's scaler against scikit-learn, Keras, albumentations and plain NumPy: time, extra memory, error.

    python benchmarks/scaling.py                        # seeded random images shaped like CIFAR-10's training set
    python benchmarks/scaling.py --data cifar10.zip     # a zip of image files, or an .npy file
    python benchmarks/scaling.py --json results.json    # the numbers, besides the tables

Each contestant runs in its own process, so that none shares a memory pool. The first run of each measures memory, not
time; then all take turns, and the median time counts. Peers that are not installed are left out.
"""

import argparse
import ctypes
import io
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

IMAGES = 50_000
# The training set of CIFAR-10 as 50,000 JPEG files, decoded by Pillow: known means and standard deviations.
GOLDEN = {
    "channel means": [125.26884794921875, 122.93301916015625, 113.86283869140625],
    "channel stds": [62.53405989890915, 61.90929531215456, 66.46033586698738],
    "global": [120.68823526692708, 63.85622611963611],
}
EXACT = 1e-9


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, read_images(arguments.data, arguments.count))
        known = reference_statistics(np.load(path, mmap_mode="r"))
        if arguments.golden:
            check_golden(path)
        results = run_contest(path, known, arguments.repeats)
    print_tables(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a .zip of image files, or an .npy (default: seeded random images)")
    parser.add_argument("--count", type=int, default=IMAGES, help="number of images (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each contestant (default: %(default)s)")
    parser.add_argument("--golden", action="store_true", help="also compare with the known statistics of CIFAR-10")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    return parser.parse_args()


def read_images(data: Path | None, count: int) -> np.ndarray:
    """uint8 (n, h, w, 3)."""
    if data is None:
        return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    if data.suffix == ".npy":
        return np.load(data, mmap_mode="r")[:count]
    from PIL import Image

    with zipfile.ZipFile(data) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))[:count]
        return np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names])


def reference_statistics(images: np.ndarray) -> dict:
    """Mean and standard deviation by counting levels in integers: slow, plain, and right."""
    levels = np.arange(256, dtype=object)
    counts = [sum(np.bincount(part[..., c].ravel(), minlength=256) for part in chunks(images)) for c in range(3)]
    pixels = int(counts[0].sum())
    means = [int((count * levels).sum()) / pixels for count in counts]
    numerators = [pixels * int((c * levels**2).sum()) - int((c * levels).sum()) ** 2 for c in counts]
    return {"mean": means, "std": [(numerator / pixels**2) ** 0.5 for numerator in numerators]}


def chunks(images: np.ndarray, size: int = 1000) -> list[np.ndarray]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def check_golden(path: Path) -> None:
    """Checks the known statistics from uint8, from shards out of order, and from float32 in 0..255."""
    from preprocessing import PixelScaler

    images = np.load(path)
    shards = chunks(images, 7777)[::-1]
    fits = {
        "uint8": lambda per_channel: PixelScaler("standardize", per_channel=per_channel).fit(images),
        "shards": lambda per_channel: PixelScaler("standardize", per_channel=per_channel).fit_batches(shards),
        "float32": lambda per_channel: PixelScaler(
            "standardize", per_channel=per_channel, value_range=(0, 255)
        ).fit_batches(part.astype(np.float32) for part in shards),
    }
    print("| known statistics, from | largest error |\n| --- | ---: |")
    for name, fit in fits.items():
        channels, whole = fit(True), fit(False)
        found = [*channels.mean_, *channels.std_, whole.mean_, whole.std_]
        wanted = [*GOLDEN["channel means"], *GOLDEN["channel stds"], *GOLDEN["global"]]
        error = max(abs(a - b) for a, b in zip(found, wanted, strict=True))
        print(f"| {name} | {error:.1e} |")
        if error > EXACT:
            raise SystemExit(f"expected the known statistics of CIFAR-10 within {EXACT}, got an error of {error:.3g}")
    print()


# Contestants: each takes the images and the known statistics, prepares, and returns the function to time.


def fit_pixelwright(images, known):
    from preprocessing import PixelScaler

    def work():
        scaler = PixelScaler("standardize").fit(images)
        return scaler.mean_, scaler.std_

    return work


def fit_numpy_float64(images, known):
    return lambda: tuple(getattr(images, name)(axis=(0, 1, 2), dtype=np.float64) for name in ("mean", "std"))


def fit_numpy_chunks(images, known):
    def work():
        total, squares = np.zeros(3), np.zeros(3)
        for part in chunks(images):
            values = part.astype(np.float64)
            total += values.sum(axis=(0, 1, 2))
            squares += (values**2).sum(axis=(0, 1, 2))
        mean = total / (images.size // 3)
        return mean, np.sqrt(squares / (images.size // 3) - mean**2)

    return work


def fit_numpy_bincount(images, known):
    def work():
        levels, pixels = np.arange(256.0), images.size // 3
        counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)]
        mean = np.array([count @ levels / pixels for count in counts])
        return mean, np.sqrt([count @ levels**2 / pixels for count in counts] - mean**2)

    return work


def fit_numpy_float32(images, known):
    def work():
        values = images.astype(np.float32)
        return values.mean(axis=(0, 1, 2)), values.std(axis=(0, 1, 2))

    return work


def fit_sklearn(images, known):
    from sklearn.preprocessing import StandardScaler

    def work():
        scaler = StandardScaler().fit(images.reshape(-1, 3))
        return scaler.mean_, scaler.scale_

    return work


def fit_sklearn_chunks(images, known):
    from sklearn.preprocessing import StandardScaler

    def work():
        scaler = StandardScaler()
        for part in chunks(images):
            scaler.partial_fit(part.reshape(-1, 3))
        return scaler.mean_, scaler.scale_

    return work


def fit_keras(images, known):
    import keras

    def work():
        layer = keras.layers.Normalization()
        layer.adapt(images)
        return np.asarray(layer.mean).ravel(), np.sqrt(np.asarray(layer.variance).ravel())

    return work


def fit_keras_float32(images, known):
    return fit_keras(images.astype(np.float32), known)


def transform_pixelwright(images, known):
    from preprocessing import PixelScaler

    scaler = PixelScaler("standardize", statistics=known, dtype="uint8")
    return lambda: scaler.transform(images)


def transform_pixelwright_out(images, known):
    from preprocessing import PixelScaler

    scaler = PixelScaler("standardize", statistics=known, dtype="uint8")
    out = np.ones(images.shape, np.float32)  # ones, unlike zeros, touch the memory, so that it is really allocated
    return lambda: scaler.transform(images, out=out)


def transform_numpy_float64(images, known):
    mean, std = (np.array(known[name]) for name in ("mean", "std"))
    return lambda: ((images.astype(np.float64) - mean) / std).astype(np.float32)


def transform_numpy_float32(images, known):
    mean, std = (np.array(known[name], np.float32) for name in ("mean", "std"))
    return lambda: (images.astype(np.float32) - mean) / std


def transform_sklearn(images, known):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(images[:2].reshape(-1, 3))
    scaler.mean_, scaler.scale_ = np.array(known["mean"]), np.array(known["std"])
    return lambda: scaler.transform(images.reshape(-1, 3)).astype(np.float32).reshape(images.shape)


def transform_keras(images, known):
    import keras

    layer = keras.layers.Normalization(mean=known["mean"], variance=np.square(known["std"]))
    return lambda: np.asarray(layer(images))


def transform_albumentations(images, known):
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    mean, std = (tuple(np.array(known[name]) / 255) for name in ("mean", "std"))
    normalize = albumentations.Normalize(mean=mean, std=std, max_pixel_value=255.0)
    return lambda: np.stack([normalize(image=image)["image"] for image in images])


def tanh_pixelwright(images, known):
    from preprocessing import PixelScaler

    scaler = PixelScaler("tanh", dtype="uint8")
    return lambda: scaler.transform(images)


def tanh_numpy(images, known):
    return lambda: ((images.astype(np.float64) - 127.5) / 127.5).astype(np.float32)


def tanh_rescaling(images, known):
    import keras

    layer = keras.layers.Rescaling(1 / 127.5, offset=-1)
    return lambda: np.asarray(layer(images))


CONTESTANTS = {
    "statistics": {
        "Pixelwright fit": fit_pixelwright,
        "NumPy mean and std, float64": fit_numpy_float64,
        "NumPy sums of 1,000 images, float64": fit_numpy_chunks,
        "NumPy bincount by channel": fit_numpy_bincount,
        "scikit-learn StandardScaler.fit": fit_sklearn,
        "scikit-learn partial_fit, 1,000 images": fit_sklearn_chunks,
        "Keras Normalization.adapt, uint8": fit_keras,
        "Keras Normalization.adapt, float32": fit_keras_float32,
        "NumPy mean and std, float32": fit_numpy_float32,
    },
    "transform": {
        "Pixelwright transform": transform_pixelwright,
        "Pixelwright transform, out=": transform_pixelwright_out,
        "NumPy formula, float64": transform_numpy_float64,
        "NumPy formula, float32": transform_numpy_float32,
        "scikit-learn StandardScaler.transform": transform_sklearn,
        "Keras Normalization": transform_keras,
        "albumentations Normalize": transform_albumentations,
    },
    "tanh": {
        "Pixelwright transform": tanh_pixelwright,
        "NumPy formula, float64": tanh_numpy,
        "Keras Rescaling": tanh_rescaling,
    },
}


# Running them


def run_contest(path: Path, known: dict, repeats: int) -> dict:
    """{contest: {contestant: {seconds, extra_mib, error, ...}}}; one process each, one working at a time."""
    results = {}
    for contest, contestants in CONTESTANTS.items():
        workers = {}
        for name in contestants:
            worker = Worker(contest, name, path, known)
            if worker.first is None:
                print(f"left out: {name} ({worker.reason})", file=sys.stderr)
            else:
                workers[name] = worker
        seconds = {name: [] for name in workers}
        for _ in range(repeats):
            for name, worker in workers.items():
                seconds[name].append(worker.run())
        results[contest] = {
            name: {**worker.first, "seconds": statistics.median(seconds[name]), "all_seconds": seconds[name]}
            for name, worker in workers.items()
        }
        for worker in workers.values():
            worker.stop()
    return results


class Worker:
    """A process that holds the images and one contestant."""

    def __init__(self, contest: str, name: str, path: Path, known: dict) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, contest, name, path, known), daemon=True)
        self._process.start()
        answer = self._pipe.recv()
        self.first = answer if isinstance(answer, dict) else None
        self.reason = None if isinstance(answer, dict) else answer

    def run(self) -> float:
        self._pipe.send("run")
        return self._pipe.recv()

    def stop(self) -> None:
        self._pipe.send("stop")
        self._process.join()


def serve(pipe, contest: str, name: str, path: Path, known: dict) -> None:
    images = np.load(path)
    try:
        work = CONTESTANTS[contest][name](images, known)
    except ImportError as error:
        pipe.send(f"not installed: {error.name}")
        return
    before = reset_peak()
    result = work()
    peak = peak_bytes()
    first = {"extra_mib": None if peak is None else (peak - before) / 2**20}
    if contest == "statistics":
        first |= statistics_errors(result, known)
    else:
        first |= transform_errors(images, result, known, contest)
    del result
    pipe.send(first)
    while pipe.recv() == "run":
        start = time.perf_counter()
        result = work()
        pipe.send(time.perf_counter() - start)
        del result


def statistics_errors(result: tuple, known: dict) -> dict:
    mean, std = (
        float(np.abs(np.asarray(one, np.float64) - known[key]).max())
        for one, key in zip(result, ("mean", "std"), strict=True)
    )
    return {"mean_error": mean, "std_error": std, "exact": max(mean, std) <= EXACT}


def transform_errors(images: np.ndarray, result: np.ndarray, known: dict, contest: str) -> dict:
    """Errors against the formula in float64, rounded once; in chunks, so that the comparison fits in memory."""
    mean, std = (np.array(known[name]) for name in ("mean", "std")) if contest == "transform" else (127.5, 127.5)
    different, worst = 0, 0.0
    for part, scaled in zip(chunks(images), chunks(result), strict=True):
        right = ((part.astype(np.float64) - mean) / std).astype(np.float32)
        different += int(np.count_nonzero(right != scaled))
        worst = max(worst, float(np.abs(right.astype(np.float64) - scaled).max()))
    return {"error": worst, "different": different / images.size, "result_mib": result.nbytes / 2**20}


def reset_peak() -> int | None:
    """Returns freed memory to the system, resets this process's peak memory, and returns its current memory."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return status_bytes("VmRSS")
    except (OSError, AttributeError):
        return None


def peak_bytes() -> int | None:
    return status_bytes("VmHWM") if Path("/proc/self/clear_refs").exists() else None


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


# Tables


def print_tables(results: dict) -> None:
    fits = results["statistics"]
    own = fits["Pixelwright fit"]
    print("| statistics of each channel | seconds | times ours | extra MiB | error of mean | error of std |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, row in fits.items():
        print(
            f"| {name} | {row['seconds']:.3f} | {row['seconds'] / own['seconds']:.1f} | {mib(row['extra_mib'])} "
            f"| {row['mean_error']:.1e} | {row['std_error']:.1e} |"
        )
    for contest, title in (("transform", "standardize each channel"), ("tanh", "scale to [-1, 1]")):
        rows = results[contest]
        print(
            f"\n| {title} | seconds | times ours | extra MiB besides the result | largest error | values that differ |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, row in rows.items():
            # An output array allocated before the run does not count as memory of the run.
            result_mib = 0 if name.endswith("out=") else row["result_mib"]
            extra = None if row["extra_mib"] is None else max(0.0, row["extra_mib"] - result_mib)
            print(
                f"| {name} | {row['seconds']:.3f} | {row['seconds'] / rows['Pixelwright transform']['seconds']:.1f} "
                f"| {mib(extra)} | {row['error']:.1e} | {row['different']:.2%} |"
            )
    print_goals(results)


def print_goals(results: dict) -> None:
    fits, transforms = results["statistics"], results["transform"]
    own_fit, own = fits["Pixelwright fit"], transforms["Pixelwright transform"]
    exact = {name: row["seconds"] for name, row in fits.items() if row["exact"] and row is not own_fit}
    fastest = min(exact, key=exact.get)
    plain = transforms["NumPy formula, float64"]["seconds"]
    fit_ratio, ratio = exact[fastest] / own_fit["seconds"], plain / own["seconds"]
    memory_met = own_fit["extra_mib"] is not None and own_fit["extra_mib"] < 16
    print("\n| goal | measured | |\n| --- | --- | --- |")
    print(f"| fit 8 times faster than the fastest exact peer | {fit_ratio:.1f} ({fastest}) | {met(fit_ratio >= 8)} |")
    print(f"| fit in under 16 MiB of extra memory | {mib(own_fit['extra_mib'])} MiB | {met(memory_met)} |")
    print(f"| transform 3 times faster than the NumPy formula | {ratio:.1f} | {met(ratio >= 3)} |")
    print(f"| transform bit-identical to it | {own['different']:.0%} differ | {met(own['different'] == 0)} |")


def met(reached: bool) -> str:
    return "met" if reached else "missed"


def mib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f}"


if __name__ == "__main__":
    sys.exit(main())
