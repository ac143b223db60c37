"""benchmarks/soak.py, shortened: every part of it runs, and finds nothing."""

import shutil
import sys
from pathlib import Path

import pytest
from processes import run_a_script

ROOT = Path(__file__).resolve().parent.parent


def soak(folder: Path, minutes: float, *parts: str, trials: int = 10**9, mutations: int = 500) -> str:
    arguments = ["--minutes", minutes, "--folder", folder, "--trials", trials, "--mutations", mutations]
    for part in parts:
        arguments += ["--only", part]
    outcome = run_a_script(ROOT / "benchmarks" / "soak.py", *arguments, folder=ROOT)
    assert outcome.status == 0, outcome.stderr
    return outcome.stdout


def assert_nothing_found(folder: Path, table: str) -> None:
    """What must not be is in capitals."""
    wrong = ("WRONG", "UNDOCUMENTED", "LOADED", "SLOW", "A MESSAGE", "TOO MUCH")
    assert not any(words in table for words in wrong), table
    assert not (folder / "found").exists()


@pytest.mark.slow
def test_mutations_find_nothing_and_go_on_where_they_stopped(tmp_path):
    first = soak(tmp_path, 10, "mutations", trials=2, mutations=60)
    table = soak(tmp_path, 10, "mutations", trials=16, mutations=60)
    assert "| mutated PNG | " in first and "| mutated generator.keras | " in table
    assert_nothing_found(tmp_path, table)
    assert first.count("| mutated ") == 2 and len((tmp_path / "trials.jsonl").read_text().splitlines()) == 16
    assert soak(tmp_path, 0) == table


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_kills_faults_and_trainers_find_nothing(tmp_path):
    table = soak(tmp_path, 10, "writes", "kills", "faults", "limits", "trainers", trials=1)
    for words in ("SIGKILL at a call that writes", "SIGKILL at a random moment", "no space left at a write"):
        assert words in table
    assert "address space runs out" in table
    assert_nothing_found(tmp_path, table)
