"""Short trainings that are killed, or whose writes fail, or of which there are many at once; see soak.py.

TensorFlow is imported once, and each training is a fork of this process, so that a trial takes a few seconds. Calls
that write are spoiled by a small library (faults.c) that is loaded before the C library.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from files import atomic_path, check_keras_file, load_arrays, remove_partials, write_text
from imaging import load_image
from preprocessing import PixelScaler
from runs import RunFolder, RunIsBusy

FROZEN = Path(__file__).resolve().parent.parent / "tests" / "frozen_runs" / "db04404" / "plain"
KINDS = {"full": "no space left", "io": "input/output error", "kill": "SIGKILL"}
TRAINERS = 8
EPOCHS = 200
SETTINGS = "--epochs 2 --batch-size 8 --preset tutorial --precision float32"
CRASHED = 99


def preload(folder: Path) -> None:
    """Builds the library that spoils calls, and starts this program once more with it, unless it has it."""
    library = folder / "faults.so"
    if os.environ.get("LD_PRELOAD") != str(library):
        source = Path(__file__).with_name("faults.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"LD_PRELOAD": str(library)})


def writes(folder: Path) -> Iterator[dict]:
    """The files of a run, written without training: every call that writes is spoiled once in each of the ways.

    What is there with its final name is whole afterwards, and writing all of it again succeeds.
    """
    run, log = folder / "written", folder / "calls.txt"
    log.unlink(missing_ok=True)
    calls = 0
    for number in range(10**6):
        for kind, title in KINDS.items() if number else (("none", "no fault"),):
            shutil.rmtree(run, ignore_errors=True)
            environment = {"FAULT_FOLDER": str(run), "FAULT_AT": str(number), "FAULT_KIND": kind}
            if number == 0:
                environment["FAULT_LOG"] = str(log)
            child = fork(lambda environment=environment: write_a_run(run, environment))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            expected = {"none": 0, "full": 2, "io": 2, "kill": -signal.SIGKILL}[kind]
            damaged = damaged_file(run)
            again = os.waitstatus_to_exitcode(os.waitpid(fork(lambda: write_a_run(run, {})), 0)[1])
            whole = damaged_file(run) is None and sorted(path.name for path in run.rglob("*.npz")) == WRITTEN
            left = list(run.rglob(".*.partial*"))
            if status == expected and damaged is None and again == 0 and whole and not left:
                outcome = "nothing lost"
            else:
                outcome = f"WRONG: call {number}, status {status}, then {again}, {damaged}, {left}"
            yield {"what": f"{title} at a call that writes, of a run without training", "outcome": outcome}
        calls = calls or len(log.read_text().splitlines())
        if number == calls:
            return


WRITTEN = ["step_000000004.npz", "step_000000008.npz"]


def write_a_run(run: Path, environment: dict[str, str]) -> int:
    """Two epochs of files; 0, or 2 when one could not be written."""
    os.environ.update(environment)
    source = RunFolder.open(FROZEN)
    opened = dataclasses.replace(source, path=run)
    try:
        for folder in (run, run / "samples", run / "checkpoints"):
            folder.mkdir(exist_ok=True)
        source.load_scaler().save(run / "preprocessing.json")
        write_text(run / "config.json", (FROZEN / "config.json").read_text())
        remove_partials(run)
        for epoch in (1, 2):
            opened.save_sample(epoch, np.zeros((16, 16, 3), np.uint8))
            opened.save_metrics([{"epoch": number, "step": 4 * number} for number in range(1, epoch + 1)])
            with atomic_path(run / "generator.keras") as partial:
                shutil.copyfile(FROZEN / "generator.keras", partial)
            opened.save_checkpoint(4 * epoch, {"weights": np.arange(20_000.0), "progress/step": np.int64(epoch)})
        return 0
    except OSError:
        return 2


class Trials:
    """One method a part; each is given the number of its trial and yields what came of it.

    folder: where everything lies; `work` in it is emptied, `found` keeps what went wrong.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.work, self.found = folder / "work", folder / "found"
        self.data = self.work / "images.npz"

    def __enter__(self) -> "Trials":
        preload(self.folder)
        from command_line import import_tensorflow

        import_tensorflow()
        import train  # noqa: F401  now, so that all trials run the same program, whatever becomes of its files
        import training.loop
        import training.networks  # noqa: F401

        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 1)).astype(np.uint8)
        np.savez(self.data, images=images)
        run, log = self.work / "reference", self.work / "calls.txt"
        start = time.monotonic()
        status, _ = self.train(run, FAULT_FOLDER=str(run), FAULT_LOG=str(log), FAULT_AT="0")
        if status != 0:
            raise RuntimeError(f"expected a whole training, got status {status}: {self.words()}")
        self.seconds = time.monotonic() - start
        self.weights = weights_of(run)
        self.calls = in_order_of_interest(log.read_text().splitlines(), run, self.seed)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.work, ignore_errors=True)

    # The parts

    def kills(self, number: int) -> Iterator[dict]:
        """SIGKILL at a random moment, or within a call that writes; then the run goes on to its end."""
        random = np.random.default_rng([self.seed, number])
        if number % 2:
            call, what = self.calls[number // 2 % len(self.calls)]
            fault = {"FAULT_AT": str(call), "FAULT_KIND": "kill"}
            yield self._interrupted("kills within a write", number, fault, None, what)
        else:
            delay = float(random.uniform(0.02, 1.0)) * self.seconds
            yield self._interrupted("kills at a random moment", number, {}, delay, f"after {delay:.2f} s")

    def faults(self, number: int) -> Iterator[dict]:
        """A full disk, then an input/output error, at one call that writes; then the run goes on to its end."""
        call, what = self.calls[number // 2 % len(self.calls)]
        kind = ("full", "io")[number % 2]
        title = {"full": "no space left at a write", "io": "input/output error at a write"}[kind]
        yield self._interrupted(title, number, {"FAULT_AT": str(call), "FAULT_KIND": kind}, None, what)

    def trainers(self, number: int) -> Iterator[dict]:
        """Many trainers that begin at once: each gets a folder of its own; of those that name one, one gets it."""
        folder = self.work / f"at-once-{number}"
        folder.mkdir()
        named = number % 2 == 1
        statuses = at_once([lambda: self._create(folder, Path("new") if named else None)] * TRAINERS)
        runs = [RunFolder.open(path.parent) for path in folder.glob("**/config.json")]
        expected = [0] + [2] * (TRAINERS - 1) if named else [0] * TRAINERS
        right = sorted(statuses) == expected and len(runs) == statuses.count(0)
        what = f"{TRAINERS} trainers at once, {'the same new folder' if named else 'no folder named'}"
        outcome = "as it should be" if right else f"WRONG: statuses {sorted(statuses)}, {len(runs)} runs"
        shutil.rmtree(folder)
        yield {"what": what, "outcome": outcome}

    def epochs(self, number: int) -> Iterator[dict]:
        """Many short epochs: neither memory nor descriptors grow after the first quarter. Once."""
        if number:
            return
        run = self.work / "long"
        child = self.start(run, ["--epochs", str(EPOCHS)])
        sizes: dict[int, tuple[int, int]] = {}
        while not ended(child):
            time.sleep(0.2)
            with contextlib.suppress(OSError):
                epoch = (run / "metrics.jsonl").read_text().count("\n")
                sizes.setdefault(epoch, size_of(child))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        quarter, last = (
            sizes[min(sizes, key=lambda epoch, at=at: abs(epoch - at))] for at in (EPOCHS // 4, EPOCHS - 5)
        )
        words = f"{quarter[0]} → {last[0]} MiB, {quarter[1]} → {last[1]} descriptors"
        grown = status != 0 or last[0] > 1.05 * quarter[0] or last[1] > quarter[1]
        shutil.rmtree(run, ignore_errors=True)
        yield {"what": f"{EPOCHS} epochs", "outcome": f"{'WRONG: ' if grown else ''}{words}, status {status}"}

    # What they stand on

    def _interrupted(self, title: str, number: int, fault: dict, delay: float | None, what: str) -> dict:
        run = self.work / "run"
        shutil.rmtree(run, ignore_errors=True)
        status, killed = self.train(run, delay=delay, FAULT_FOLDER=str(run), **fault)
        words = self.words()
        outcome = self._judge(run, status, killed, words, bool(fault) and fault["FAULT_KIND"] != "kill")
        if outcome.startswith("WRONG"):
            self.found.mkdir(exist_ok=True)
            kept = self.found / f"{title.replace('/', '-').replace(' ', '-')}-{number}"
            shutil.copytree(run, kept / "run", dirs_exist_ok=True) if run.exists() else kept.mkdir(exist_ok=True)
            (kept / "words.txt").write_text(f"{what}\nstatus {status}\n{words}\nthen\n{self.words()}\n{outcome}\n")
        return {"what": title, "outcome": outcome, "where": what, "status": status}

    def _judge(self, run: Path, status: int, killed: bool, words: str, failed: bool) -> str:
        lines = [line for line in words.splitlines() if not line.startswith("read ")]  # the summary of the images
        if failed and (status not in (0, 2) or len(lines) > 1 or "Traceback" in words):
            return f"WRONG: status {status}, {len(lines)} lines"
        damaged = damaged_file(run)
        if damaged:
            return f"WRONG: a damaged file, {damaged}"
        begun = (run / "config.json").exists()
        status, _ = self.train(run, ["--resume"] if begun else [])
        if status != 0:
            return f"WRONG: status {status} when it goes on"
        if not same(weights_of(run), self.weights):
            return "WRONG: other weights"
        if damaged_file(run) or list(run.rglob(".*.partial*")):
            return "WRONG: something is left behind"
        return "identical after going on" if begun else "identical, begun anew"

    def train(
        self, run: Path, more: list[str] | None = None, delay: float | None = None, **environment: str
    ) -> tuple[int, bool]:
        """Trains in a fork; its exit status, below 0 for a signal, and whether it was killed here after `delay` s."""
        child = self.start(run, more or [], environment)
        killed = False
        if delay is not None:
            end = time.monotonic() + delay
            while time.monotonic() < end and not ended(child):
                time.sleep(0.005)
            if not ended(child):
                os.kill(child, signal.SIGKILL)
                killed = True
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), killed

    def start(self, run: Path, more: list[str], environment: dict[str, str] | None = None) -> int:
        """The number of a process that trains; what it writes to standard error is in `words`."""

        def train() -> int:
            import train
            from command_line import run_command

            os.environ.update(environment or {})
            sys.argv = ["train.py", "--data", str(self.data), "--run-dir", str(run), *SETTINGS.split(), *more]
            for number, name in ((1, "output.txt"), (2, "words.txt")):
                file = os.open(self.work / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                os.dup2(file, number)
            run_command(train.main)
            return CRASHED

        return fork(train)

    def words(self) -> str:
        return (self.work / "words.txt").read_text(errors="replace")

    def _create(self, folder: Path, path: Path | None) -> int:
        """Begins a run as train.py does; 0, or 2 when it is refused."""
        from config import TrainingConfig
        from image_datasets import load_images

        os.chdir(folder)
        images = load_images(self.data)
        config = TrainingConfig(data=str(self.data), batch_size=8, precision="float32")
        try:
            RunFolder.create(path, config, images, PixelScaler().fit(images.images))
            return 0
        except (RunIsBusy, ValueError):
            return 2


def in_order_of_interest(lines: list[str], run: Path, seed: int) -> list[tuple[int, str]]:
    """The number of each call that writes and its words: one of every kind in random order, then another of each."""
    random = np.random.default_rng(seed)
    seen: dict[str, int] = {}
    ranked = []
    for number, line in enumerate(lines, 1):
        name, _, path = line.partition(" ")
        parts = path.removeprefix(f"{run}/").split(".")
        kind = f"{name} {'.'.join(part for part in parts if len(part) != 8 and part != 'partial')}"
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], random.random(), number, f"call {number}, {kind}"))
    return [(number, words) for _, _, number, words in sorted(ranked)]


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """The last state, without the time it took."""
    newest = RunFolder.open(run).load_checkpoint()
    return {name: value for name, value in newest.items() if name != "progress/seconds"}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def damaged_file(run: Path) -> str | None:
    """A file with its final name that is not whole; None when all are."""
    readers: dict[str, Callable[[Path], object]] = {
        ".json": lambda path: json.loads(path.read_text()),
        ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
        ".keras": check_keras_file,
        ".npz": lambda path: dict(load_arrays(path)),
        ".png": load_image,
    }
    for path in sorted(run.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix in readers:
            try:
                readers[path.suffix](path)
            except Exception as error:
                return f"{path.relative_to(run)} ({type(error).__name__})"
    return None


def at_once(works: list[Callable[[], int]]) -> list[int]:
    """What each of several functions returns that begin at the same moment, in processes of their own."""
    ready, go = os.pipe()

    def wait_and(work: Callable[[], int]) -> int:
        os.close(go)
        os.read(ready, 1)
        return work()

    children = [fork(lambda work=work: wait_and(work)) for work in works]
    os.close(go)  # lets all of them go
    os.close(ready)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return child
    status = CRASHED
    try:
        status = work()
    except SystemExit as left:
        status = left.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stderr.flush()
        os._exit(status)


def ended(child: int) -> bool:
    """Whether a process has ended; it is not waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def size_of(child: int) -> tuple[int, int]:
    """Memory in MiB and open descriptors of a process."""
    lines = Path(f"/proc/{child}/status").read_text().splitlines()
    (kilobytes,) = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return kilobytes // 1024, len(list(Path(f"/proc/{child}/fd").iterdir()))
