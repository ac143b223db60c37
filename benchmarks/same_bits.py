"""Do two commits train the same weights? One fingerprint per recipe, to compare by eye or with diff.

python benchmarks/same_bits.py                                   # of this commit
git worktree add ../other COMMIT
python benchmarks/same_bits.py --program ../other/train.py       # of another one, on the same machine
python benchmarks/same_bits.py --runs runs/mine runs/other       # of runs that are there already

Each recipe is trained on the command line for 200 steps on drawn digits in float32; `resumed` is stopped after the
first 100 and resumed. A fingerprint is the SHA-256 of all weights, batch statistics and moments in the last checkpoint,
and of the losses of all steps; a second one is that of the last sample grid. The bits hold for one machine: another
processor or another TensorFlow may give others.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RECIPES = {
    "r1gan": ["--preset", "r1gan"],
    "dcgan": ["--preset", "dcgan"],
    "tutorial": ["--preset", "tutorial"],
    "resumed": ["--preset", "r1gan"],
}
COMMON = ["--data", "glyphs", "--image-count", "3200", "--precision", "float32"]  # 100 batches of 32 per epoch
EPOCHS = 2
CLOCKS = ("progress/seconds",)  # entries of a checkpoint that differ from run to run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES, help="(default: all)")
    parser.add_argument("--program", type=Path, default=ROOT / "train.py", metavar="FILE", help="(default: this one's)")
    parser.add_argument("--runs", type=Path, nargs="+", metavar="FOLDER", help="train nothing, read these")
    arguments = parser.parse_args()
    print("| run | step | weights, optimizers, losses | last grid |\n|---|---:|---|---|")
    if arguments.runs:
        for run in arguments.runs:
            print(row(run.name, run))
        return
    with tempfile.TemporaryDirectory() as folder:
        for recipe in arguments.recipes:
            run = Path(folder) / recipe
            train(arguments.program, run, recipe)
            print(row(recipe, run), flush=True)


def train(program: Path, run: Path, recipe: str) -> None:
    """Trains EPOCHS epochs into the folder `run`."""
    command = [sys.executable, str(program), "--run-dir", str(run)]
    parts = [[*COMMON, *RECIPES[recipe], "--epochs", str(EPOCHS)]]
    if recipe == "resumed":
        parts = [[*COMMON, *RECIPES[recipe], "--epochs", "1"], ["--resume", "--epochs", str(EPOCHS)]]
    for part in parts:
        subprocess.run([*command, *part], check=True, stdout=subprocess.DEVNULL)


def row(name: str, run: Path) -> str:
    newest = max((run / "checkpoints").glob("step_*.npz"))
    grid = max((run / "samples").glob("epoch_*.png"))
    return f"| {name} | {int(newest.stem.split('_')[1])} | {fingerprint(newest)} | {sha256(grid.read_bytes())} |"


def fingerprint(checkpoint: Path) -> str:
    """The SHA-256 of every array in it, by name, except times."""
    digest = hashlib.sha256()
    with np.load(checkpoint, allow_pickle=False) as archive:
        for name in sorted(set(archive.files).difference(CLOCKS)):
            array = archive[name]
            digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()[:32]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


if __name__ == "__main__":
    main()
