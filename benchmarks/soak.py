"""Tries to break the program for as long as it is given: damaged files, kills, faults at writes, many trainers at once.

python benchmarks/soak.py --minutes 20 --folder soak/              goes on where it stopped
python benchmarks/soak.py --minutes 5 --only mutations --seed 1
python benchmarks/soak.py --minutes 60 --only kills --trials 100   until there are a hundred
python benchmarks/soak.py --minutes 0 --folder soak/               the table of what was tried so far

Every trial is a line of FOLDER/trials.jsonl and follows from the seed and its number. The files of one that went wrong
stay in FOLDER/found/. Kills and faults need a C compiler and Linux.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import soak_mutations  # noqa: E402

PARTS = ("mutations", "writes", "kills", "faults", "limits", "readers", "trainers", "crowd", "epochs")
MOST_MEMORY_MIB = 1024  # while files are read, some 600 of them TensorFlow's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="all trials follow from it (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("soak"), help="what is kept (default %(default)s)")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; several may be named (default all)")
    parser.add_argument("--trials", type=int, default=10**9, help="at most so many of each part (default: any number)")
    parser.add_argument(
        "--mutations", type=int, default=500, help="of one kind of file, which are one trial (default %(default)s)"
    )
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    parts = arguments.only or PARTS
    end = time.monotonic() + 60 * arguments.minutes
    if "mutations" in parts and time.monotonic() < end:
        share = 1.0 if parts == ["mutations"] else 0.25
        mutate(folder, arguments, time.monotonic() + 60 * arguments.minutes * share)
    if "writes" in parts and time.monotonic() < end and not read(folder, "writes"):
        import soak_faults

        soak_faults.preload(folder)
        for record in list(soak_faults.writes(folder, arguments.trials)):  # all of them or none
            keep(folder, "writes", record)
    others = [part for part in parts if part not in ("mutations", "writes")]
    if others and time.monotonic() < end:
        try_programs(folder, arguments.seed, others, arguments.trials, end)
    print(table(folder))


def try_programs(folder: Path, seed: int, parts: list[str], most: int, end: float) -> None:
    """A trial of each part in turn, until the time is over or all have `most`."""
    from soak_faults import Trials
    from soak_limits import crowd, limits, readers

    functions = {"kills": Trials.kills, "faults": Trials.faults, "trainers": Trials.trainers, "epochs": Trials.epochs}
    functions |= {"limits": limits, "readers": readers, "crowd": crowd}
    once = {"epochs", "crowd"}
    with Trials(folder, seed) as trials:
        while parts and time.monotonic() < end:
            parts = [part for part in parts if count(folder, part) < (1 if part in once else most)]
            for part in parts:
                for record in functions[part](trials, count(folder, part)):
                    keep(folder, part, record)
                if time.monotonic() > end:
                    break


# Trials


def read(folder: Path, part: str) -> list[dict]:
    path = folder / "trials.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [record for record in map(json.loads, lines) if record["part"] == part]


def count(folder: Path, part: str) -> int:
    return len(read(folder, part))


def keep(folder: Path, part: str, record: dict) -> None:
    with open(folder / "trials.jsonl", "a") as file:
        file.write(json.dumps({"part": part, **record}) + "\n")


def mutate(folder: Path, arguments: argparse.Namespace, end: float) -> None:
    """Rounds through all kinds of files until the time is over or there are enough trials."""
    with tempfile.TemporaryDirectory() as work, quiet():
        kinds = soak_mutations.kinds(Path(work))
        number = count(folder, "mutations")
        while number < arguments.trials and time.monotonic() < end:
            kind = kinds[number % len(kinds)]
            record = soak_mutations.trial(kind, arguments.mutations, [arguments.seed, number], folder / "found")
            peak = most_memory_mib()
            keep(folder, "mutations", record | {"kind": kind.name, "peak_mib": peak})
            number += 1


def most_memory_mib() -> int:
    """Of this program; `getrusage` begins with the memory of the process that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)[1]) // 1024


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """As the scripts are: see `command_line.run_command`."""
    import logging
    import warnings

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
        yield


# The table


def table(folder: Path) -> str:
    lines = ["| what | trials | outcomes |", "|---|---:|---|"]
    by_kind: dict[str, Counter] = {}
    for record in read(folder, "mutations"):
        by_kind.setdefault(record["kind"], Counter()).update(record["outcomes"])
    for kind, outcomes in by_kind.items():
        lines.append(f"| mutated {kind} | {sum(outcomes.values()):,} | {words(outcomes)} |")
    if by_kind:
        records = read(folder, "mutations")
        slowest, peak = max(r["slowest"] for r in records), max(r["peak_mib"] for r in records)
        longest = max(r["longest_message"] for r in records)
        total = sum(sum(outcomes.values()) for outcomes in by_kind.values())
        memory = f"{peak:,} MiB" + " TOO MUCH" * (peak > MOST_MEMORY_MIB)
        lines.append(
            f"| all mutations | {total:,} | slowest {slowest:.2f} s of processor time, peak memory {memory}, "
            f"longest message {longest} characters |"
        )
    for part in PARTS[1:]:
        records = read(folder, part)
        by_what: dict[str, Counter] = {}
        for record in records:
            by_what.setdefault(record["what"], Counter())[record["outcome"]] += 1
        for what, outcomes in sorted(by_what.items()):
            lines.append(f"| {what} | {sum(outcomes.values()):,} | {words(outcomes)} |")
    return "\n".join(lines)


def words(outcomes: Counter) -> str:
    return ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())


if __name__ == "__main__":
    main()
