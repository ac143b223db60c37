"""Short trainings that are killed, or whose writes fail, or of which there are many at once; see soak.py.

TensorFlow is imported once, and each training is a fork of this process, so that a trial takes a few seconds. Calls
that write are spoiled by a small library (faults.c) that is loaded before the C library.
"""

import contextlib
import dataclasses
import functools
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
SETTINGS = "--epochs 2 --batch-size 8 --preset tutorial --filters 8 --precision float32"
CRASHED = 99
PATIENCE = 120.0  # seconds, after which a training that takes two is killed
KILLED_WITHIN = {"a checkpoint": ".npz", "metrics.jsonl": "metrics.jsonl", "a .keras file": ".keras"}
FIRST_STEP_SHARE = 0.4  # of the time of a whole training, about, since the step is compiled in it


def preload(folder: Path) -> None:
    """Builds the library that spoils calls, and starts this program once more with it, unless it has it."""
    library = folder / "faults.so"
    if os.environ.get("LD_PRELOAD") != str(library):
        source = Path(__file__).with_name("faults.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"LD_PRELOAD": str(library)})


def writes(folder: Path, most: int) -> Iterator[dict]:
    """The files of a run, written without training: every call that writes is spoiled once in each of the ways.

    In one of them, in turn, where fewer trials are wanted than there are calls. What is there with its final name is
    whole afterwards, and writing all of it again succeeds.
    """
    run, log = folder / "written", folder / "calls.txt"
    log.unlink(missing_ok=True)
    calls = 0
    for number in range(10**6):
        ways = list(KINDS.items()) if number else [("none", "no fault")]
        for kind, title in ways if most >= calls else [ways[(number + number // 3) % 3]]:
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


@dataclass(frozen=True)
class Fault:
    """What happens to a training, and how it may end.

    title: the row of the table. where: in words, what exactly. environment: for the library that spoils calls.
    delay: seconds until it is killed from outside. prepare: called in its process before it begins. statuses: those
    with which it may end; below 0 for a signal.
    """

    title: str
    where: str
    environment: dict[str, str] = field(default_factory=dict)
    delay: float | None = None
    prepare: Callable[[], None] | None = None
    statuses: tuple[int, ...] = (0, 2)


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
        import evaluate  # noqa: F401  now, so that all trials run the same program, whatever becomes of its files
        import generate  # noqa: F401
        import train  # noqa: F401
        import training.loop
        import training.networks

        training.networks.STATISTICS_BATCHES = 1  # sixteen take as long as all the steps
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 1)).astype(np.uint8)
        np.savez(self.data, images=images, labels=np.arange(16) % 2)
        run, log = self.work / "reference", self.work / "calls.txt"
        start = time.monotonic()
        environment = {"FAULT_FOLDER": str(run), "FAULT_LOG": str(log), "FAULT_AT": "0"}
        status = self.train(run, fault=Fault("", "", environment))
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
        """SIGKILL at a random moment; or within a checkpoint, a line of metrics.jsonl, a .keras file, the first step.

        Then the run goes on to its end.
        """
        random = np.random.default_rng([self.seed, number])
        turn, kind = divmod(number // 2, len(KILLED_WITHIN) + 1)
        if number % 2 == 0:
            delay = float(random.uniform(0.02, 1.0)) * self.seconds
            fault = Fault("SIGKILL at a random moment", f"after {delay:.2f} s", delay=delay, statuses=(0, -9))
        elif kind == len(KILLED_WITHIN):
            delay = float(random.uniform(0.0, FIRST_STEP_SHARE)) * self.seconds
            prepare = functools.partial(die_in_the_first_step, delay)
            fault = Fault(
                "SIGKILL within the first step", f"after {delay:.2f} s of it", prepare=prepare, statuses=(-9,)
            )
        else:
            title, ending = list(KILLED_WITHIN.items())[kind]
            calls = [pair for pair in self.calls if ending in pair[1]]
            call, where = calls[turn % len(calls)]
            environment = {"FAULT_AT": str(call), "FAULT_KIND": "kill"}
            fault = Fault(f"SIGKILL within {title}", where, environment, statuses=(-9,))
        yield self.interrupted(fault, number)

    def faults(self, number: int) -> Iterator[dict]:
        """A full disk, then an input/output error, at one call that writes; then the run goes on to its end."""
        call, where = self.calls[number // 2 % len(self.calls)]
        kind = ("full", "io")[number % 2]
        title = {"full": "no space left at a write", "io": "input/output error at a write"}[kind]
        yield self.interrupted(Fault(title, where, {"FAULT_AT": str(call), "FAULT_KIND": kind}), number)

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
        run = self.work / "long"
        child = self.start("train", training_arguments(self.data, run, "--epochs", str(EPOCHS)))
        sizes: list[tuple[int, int, int]] = []  # epoch, MiB, descriptors
        while not ended(child):
            time.sleep(0.2)
            with contextlib.suppress(OSError):
                epoch, size = (run / "metrics.jsonl").read_text().count("\n"), size_of(child)
                if size is not None:
                    sizes.append((epoch, *size))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        def least_near(at: int) -> tuple[int, int]:
            """Within five epochs, since a file that is being written is open and in memory for a moment."""
            near = np.array([size for epoch, *size in sizes if abs(epoch - at) <= 5])
            return tuple(near.min(axis=0))

        memory, descriptors = zip(*map(least_near, (EPOCHS // 4, EPOCHS // 2, EPOCHS - 5)), strict=True)
        words = f"{' → '.join(map(str, memory))} MiB, {descriptors[0]} → {descriptors[-1]} descriptors"
        grown = status != 0 or memory[-1] > 1.05 * memory[0] or descriptors[-1] > descriptors[0]
        shutil.rmtree(run, ignore_errors=True)
        yield {"what": f"{EPOCHS} epochs", "outcome": f"{'WRONG: ' if grown else ''}{words}, status {status}"}

    # What they stand on

    def interrupted(self, fault: Fault, number: int) -> dict:
        """What comes of a training with a fault, and of going on after it."""
        run = self.work / "run"
        shutil.rmtree(run, ignore_errors=True)
        status = self.train(run, fault=fault)
        words = self.words()
        outcome = self._judge(run, fault, status, words)
        if outcome.startswith("WRONG"):
            self.found.mkdir(exist_ok=True)
            kept = self.found / f"{fault.title.replace('/', '-').replace(' ', '-')}-{number}"
            shutil.copytree(run, kept / "run", dirs_exist_ok=True) if run.exists() else kept.mkdir(exist_ok=True)
            (kept / "words.txt").write_text(
                f"{fault.where}\nstatus {status}\n{words}\nthen\n{self.words()}\n{outcome}\n"
            )
        return {"what": fault.title, "outcome": outcome, "where": fault.where, "status": status}

    def _judge(self, run: Path, fault: Fault, status: int, words: str) -> str:
        if status not in fault.statuses or (status >= 0 and len(answer(words)) > 1):
            return f"WRONG: status {status}, {len(answer(words))} lines"
        damaged = damaged_file(run)
        if damaged:
            return f"WRONG: a damaged file, {damaged}"
        begun = (run / "config.json").exists()
        status = self.train(run, ["--resume"] if begun else [])
        if status != 0:
            return f"WRONG: status {status} when it goes on"
        if not same(weights_of(run), self.weights):
            return "WRONG: other weights"
        if damaged_file(run) or list(run.rglob(".*.partial*")):
            return "WRONG: something is left behind"
        return "identical after going on" if begun else "identical, begun anew"

    def train(self, run: Path, more: list[str] | None = None, fault: Fault = Fault("", "")) -> int:
        """Trains in a fork; its exit status, below 0 for a signal. One that takes for ever is killed."""
        environment = {"FAULT_FOLDER": str(run)} | fault.environment
        arguments = training_arguments(self.data, run, *(more or []))
        child = self.start("train", arguments, environment, fault.prepare)
        end = time.monotonic() + (PATIENCE if fault.delay is None else fault.delay)
        while time.monotonic() < end and not ended(child):
            time.sleep(0.005)
        if not ended(child):
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def start(
        self,
        script: str,
        arguments: list[str],
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> int:
        """The number of a process that runs a script; what it writes to standard error is in `words`."""

        def work() -> int:
            from command_line import run_command

            os.environ.update(environment or {})
            sys.argv = [f"{script}.py", *arguments]
            for number, name in ((1, f"{script}.output.txt"), (2, f"{script}.words.txt")):
                file = os.open(self.work / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                os.dup2(file, number)
                os.close(file)
            if prepare is not None:
                prepare()
            run_command(importlib.import_module(script).main)
            return CRASHED

        return fork(work)

    def words(self, script: str = "train") -> str:
        return (self.work / f"{script}.words.txt").read_text(errors="replace")

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


def training_arguments(data: Path, run: Path, *more: str) -> list[str]:
    return ["--data", str(data), "--run-dir", str(run), *SETTINGS.split(), *more]


def answer(words: str) -> list[str]:
    """The lines of standard error but those that say what was read, what to expect, what is done and how far it is."""
    work = re.compile(r"read |\d+ images are few|.* at \S+ images/s, |training a classifier|.*: \d+%, ")
    return [line for line in words.splitlines() if not work.match(line)]


def die_in_the_first_step(delay: float) -> None:
    """This process will be killed so many seconds after its first step begins, or when that step is done."""
    from training.step import TrainStep

    execute = TrainStep.execute

    def die(self, *arguments) -> None:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        execute(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    TrainStep.execute = die


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


def size_of(child: int) -> tuple[int, int] | None:
    """Memory in MiB and open descriptors of a process; None when it has just ended, and holds neither."""
    resident = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE)
    return resident and (int(resident[1]) // 1024, len(list(Path(f"/proc/{child}/fd").iterdir())))
