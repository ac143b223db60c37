"""Trainings with little memory, few descriptors, a clock that goes back; runs in a folder that cannot be written;
readers beside a training that writes; a folder of very many empty files. See soak.py.
"""

import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from soak_faults import FROZEN, Fault, Trials, answer, damaged_file, ended, training_arguments

from imaging import load_image

MEBIBYTES = 900  # of address space that a training takes beyond what importing takes; less fails somewhere in it
DESCRIPTORS = 12  # that a training opens at once, about; with fewer it fails somewhere
LIMITS = 4
NOBODY = 65534
EMPTY_FILES = 100_000
READ_EPOCHS = 40
FEW_CLASSIFIER_STEPS = 20


def limits(trials: Trials, number: int) -> Iterator[dict]:
    """One limit; then the run goes on to its end without it."""
    random = np.random.default_rng([trials.seed, number])
    kind = number % LIMITS
    if kind == 0:
        more = int(random.integers(MEBIBYTES)) << 20
        where, statuses = f"{more >> 20} MiB", (0, 1, 2, -6, -9, -11)  # TensorFlow aborts where C++ finds no memory
        fault = Fault("address space runs out", where, prepare=lambda: limit_memory(more), statuses=statuses)
    elif kind == 1:
        more = int(random.integers(DESCRIPTORS))
        fault = Fault("descriptors run out", f"{more} descriptors", prepare=lambda: limit_descriptors(more))
    elif kind == 2:
        call, where = trials.calls[number // LIMITS % len(trials.calls)]
        environment = {"FAULT_AT": str(call), "FAULT_KIND": "clock"}
        fault = Fault("the clock goes back by two days", where, environment, statuses=(0,))
    else:
        yield from read_only(trials)
        return
    record = trials.interrupted(fault, number)
    how = {0: "done", 1: "one line", 2: "one line", -6: "aborted by TensorFlow", -11: "aborted by TensorFlow"}
    how[-9] = "waited until it was killed"
    if not record["outcome"].startswith("WRONG"):
        record["outcome"] = f"{how[record['status']]}, {record['outcome']}"
    yield record


def limit_memory(more: int) -> None:
    """This process may take so many bytes more than it has."""
    (kilobytes,) = [
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize")
    ]
    resource.setrlimit(resource.RLIMIT_AS, (1024 * kilobytes + more,) * 2)


def limit_descriptors(more: int) -> None:
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more,) * 2)


def read_only(trials: Trials) -> Iterator[dict]:
    """Every script on a run, or for a run, in a folder that cannot be written: one line, or the work is done.

    Nothing in the folder changes.
    """
    folder, elsewhere = trials.work / "read-only", trials.work / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    elsewhere.chmod(0o777)
    shutil.copytree(FROZEN, folder / "run")
    shutil.copy(FROZEN.parent / "shapes.npz", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(folder)
    run, data = str(folder / "run"), str(trials.data)
    cases = [
        ("train", ["--run-dir", run, "--resume", "--epochs", "9"], 2),
        ("train", ["--data", data, "--run-dir", str(folder / "new")], 2),
        ("generate", [run], 2),
        ("generate", [run, "--output", str(elsewhere / "grid.png")], 0),
        ("evaluate", [run, "--data", data, "--count", "8", "--no-floor", "--cache", str(elsewhere / "cache")], 0),
    ]
    for script, arguments, expected in cases:
        status, lines = run_to_end(trials, script, arguments, become_nobody)
        right = status == expected and len(lines) == (expected == 2) and contents(folder) == before
        outcome = "as it should be" if right else f"WRONG: {script}.py, status {status}, {lines}"
        yield {"what": "scripts on a run in a read-only folder", "outcome": outcome, "where": " ".join(arguments)}
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)
    shutil.rmtree(elsewhere)


def become_nobody() -> None:
    """The mode of a folder does not stop a superuser."""
    quick_classifier()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def quick_classifier() -> None:
    import evaluation.classifier

    evaluation.classifier.FEWEST_STEPS = FEW_CLASSIFIER_STEPS


def readers(trials: Trials, number: int) -> Iterator[dict]:
    """generate.py and evaluate.py in turn while a training writes: what they read is whole.

    Before there is a generator they say so in one line.
    """
    run = trials.work / "run"
    shutil.rmtree(run, ignore_errors=True)
    trainer = trials.start("train", training_arguments(trials.data, run, "--epochs", str(READ_EPOCHS)))
    grid, scores, cache = (trials.work / name for name in ("grid.png", "scores.json", "cache"))
    cases = {
        "generate": ([str(run), "--output", str(grid)], lambda: load_image(grid)),
        "evaluate": (
            [str(run), "--count", "8", "--no-floor", "--cache", str(cache), "--json", str(scores)],
            lambda: json.loads(scores.read_text()),
        ),
    }
    while not ended(trainer):
        if not (run / "generator.keras").exists():
            time.sleep(1.0)
        for script, (arguments, read) in cases.items():
            yield {
                "what": f"{script}.py while a training writes",
                "outcome": read_outcome(trials, script, arguments, read),
            }
    status = os.waitstatus_to_exitcode(os.waitpid(trainer, 0)[1])
    right = status == 0 and not answer(trials.words()) and damaged_file(run) is None
    outcome = "as it should be" if right else f"WRONG: status {status}, {answer(trials.words())}"
    yield {"what": "a training that is read", "outcome": outcome}


def read_outcome(trials: Trials, script: str, arguments: list[str], read: Callable[[], object]) -> str:
    status, lines = run_to_end(trials, script, arguments, quick_classifier)
    if status == 2 and len(lines) == 1:
        return "one line, before there is a generator"
    if status or lines:
        return f"WRONG: status {status}, {lines}"
    read()
    return "whole"


def crowd(trials: Trials, number: int) -> Iterator[dict]:
    """A folder of very many empty files that are called pictures: one line. Once."""
    folder = trials.work / "crowd"
    folder.mkdir()
    for index in range(EMPTY_FILES):
        (folder / f"{index}.png").touch()
    child = trials.start("train", ["--data", str(folder), "--run-dir", str(trials.work / "none")])
    _, status, used = os.wait4(child, 0)
    status, lines = os.waitstatus_to_exitcode(status), answer(trials.words())
    shutil.rmtree(folder)
    right = status == 2 and len(lines) == 1 and lines[0].isprintable() and not (trials.work / "none").exists()
    seconds = used.ru_utime + used.ru_stime
    words = f"one line, {seconds:.1f} s of processor time, peak memory {used.ru_maxrss // 1024} MiB with TensorFlow"
    outcome = words if right else f"WRONG: status {status}, {len(lines)} lines"
    yield {"what": f"a folder of {EMPTY_FILES:,} empty files", "outcome": outcome, "where": "".join(lines)[:2000]}


def run_to_end(trials: Trials, script: str, arguments: list[str], prepare: Callable[[], None]) -> tuple[int, list[str]]:
    """Exit status, and what `answer` leaves of standard error."""
    child = trials.start(script, arguments, prepare=prepare)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, answer(trials.words(script))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}
