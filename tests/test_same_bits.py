"""benchmarks/same_bits.py tells runs apart by every bit of their weights, and by nothing that a clock measured."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def same_bits(monkeypatch):
    """The module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import same_bits

    return same_bits


@pytest.fixture
def fingerprint(same_bits, tmp_path):
    """A function of the arrays of a checkpoint."""

    def of(**arrays) -> str:
        np.savez(tmp_path / "step_000000001.npz", **arrays)
        return same_bits.fingerprint(tmp_path / "step_000000001.npz")

    return of


def test_one_bit_is_another_fingerprint_and_a_clock_is_not(fingerprint):
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    changed = weights.copy()
    changed.view(np.uint32)[2, 1] ^= 1
    first = fingerprint(**{"generator/0": weights, "progress/seconds": np.ones(2)})
    assert first == fingerprint(**{"progress/seconds": np.zeros(2), "generator/0": weights})
    others = [{"generator/0": changed}, {"generator/0": weights.reshape(4, 3)}, {"generator/1": weights}]
    others.append({"generator/0": weights.astype(np.float64)})
    assert len({first, *(fingerprint(**arrays) for arrays in others)}) == 5


def test_runs_are_told_apart_by_their_weights(same_bits, trained_run, tmp_path, monkeypatch, capsys):
    """A copy has the fingerprints of the run, and one with another bit in its last checkpoint has not."""
    runs = [tmp_path / name / trained_run.name for name in ("same", "other")]
    for run in runs:
        shutil.copytree(trained_run, run)
    checkpoint = max((runs[1] / "checkpoints").glob("step_*.npz"))
    with np.load(checkpoint) as archive:
        arrays = dict(archive)
    name = next(name for name in arrays if name.startswith("generator/"))
    arrays[name].view(np.uint32).flat[0] ^= 1
    np.savez(checkpoint, **arrays)
    monkeypatch.setattr(sys, "argv", ["same_bits.py", "--runs", *map(str, [trained_run, *runs])])
    same_bits.main()
    original, same, other = capsys.readouterr().out.splitlines()[2:]
    assert same == original
    assert other.split("|")[3] != original.split("|")[3]
    assert other.split("|")[4] == original.split("|")[4]
