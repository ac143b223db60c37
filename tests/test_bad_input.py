"""Mistakes people make: each is one line, expected and got and the way out; status 2; nothing left behind."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICKEST
from PIL import Image

import generate
import train
from config import LOSSES, PRESETS
from image_datasets import DATASET_NAMES
from imaging import save_image

ROOT = Path(__file__).resolve().parent.parent
IMAGE = np.zeros((16, 16, 3), np.uint8)


@pytest.fixture
def here(collection, monkeypatch):
    """The collection as the working directory."""
    monkeypatch.chdir(collection)
    return collection


@pytest.fixture(scope="module")
def collection(tmp_path_factory, trained_run):
    """A folder of good and bad things; mistakes leave nothing behind, so that all tests can share it."""
    tmp_path = tmp_path_factory.mktemp("collection")
    images = np.zeros((8, 16, 16, 3), np.uint8)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no image")
    for name, size in (("good", (16, 16)), ("odd", (18, 21)), ("corrupt", (16, 16)), ("mixed", (16, 16))):
        (tmp_path / name).mkdir()
        for index in range(4):
            save_image(tmp_path / name / f"{index}.png", np.zeros((*size, 3), np.uint8))
    whole = (tmp_path / "corrupt" / "2.png").read_bytes()
    (tmp_path / "corrupt" / "2.png").write_bytes(whole[:60])
    save_image(tmp_path / "mixed" / "4.png", np.zeros((20, 24, 3), np.uint8))
    (tmp_path / "not.zip").write_bytes(b"not a zip archive")
    np.save(tmp_path / "good.npy", images)
    np.save(tmp_path / "float.npy", images.astype(np.float32))
    np.save(tmp_path / "nan.npy", np.full((8, 16, 16, 3), np.nan))
    np.save(tmp_path / "int64.npy", images.astype(np.int64))
    np.save(tmp_path / "bool.npy", images.astype(bool))
    np.save(tmp_path / "objects.npy", np.array([IMAGE, IMAGE[:8]], object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", images.reshape(8, -1))
    np.save(tmp_path / "first.npy", np.moveaxis(images, -1, 1))
    np.save(tmp_path / "none.npy", images[:0])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:200])
    np.savez(tmp_path / "many.npz", a=images, b=images, c=images)
    np.savez(tmp_path / "labels.npz", images=images, labels=np.arange(3))
    np.save(tmp_path / "short_latents.npy", np.zeros((4, 99), np.float32))
    np.save(tmp_path / "integer_latents.npy", np.zeros((4, 100), np.int32))
    np.save(tmp_path / "nan_latents.npy", np.full((4, 100), np.nan, np.float32))
    (tmp_path / "movie.mp4").write_bytes(b"no picture")
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model": "somebody else's"}))
    for name, change in (("newer", {"version": 99}), ("incomplete", {"images": {}})):
        shutil.copytree(trained_run, tmp_path / name)
        document = json.loads((trained_run / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps(document | change))
    for name in ("unchecked", "cut", "foreign", "unread", "changed"):
        shutil.copytree(trained_run, tmp_path / name, ignore=shutil.ignore_patterns("*.keras"))
    for checkpoint in (tmp_path / "unchecked" / "checkpoints").iterdir():
        checkpoint.unlink()
    newest = sorted((tmp_path / "cut" / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:5000])
    np.savez(tmp_path / "foreign" / "checkpoints" / newest.name, **{"generator/0": np.zeros(3)})
    (tmp_path / "unread" / "metrics.jsonl").write_text('{"epoch": 1, "st')
    config = json.loads((tmp_path / "changed" / "config.json").read_text())
    config["config"]["loss"] = "wgan"
    (tmp_path / "changed" / "config.json").write_text(json.dumps(config))
    with zipfile.ZipFile(tmp_path / "secret.zip", "w") as archive:
        archive.write(tmp_path / "good" / "1.png", "1.png")
    content = bytearray((tmp_path / "secret.zip").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1  # the flag of an encrypted member
    (tmp_path / "secret.zip").write_bytes(content)
    (tmp_path / "alpha").mkdir()
    Image.new("RGBA", (16, 16), (9, 9, 9, 0)).save(tmp_path / "alpha" / "1.png")
    shutil.copytree(trained_run, tmp_path / "damaged")
    (tmp_path / "damaged" / "generator.keras").write_bytes(b"PK not really")
    shutil.copytree(trained_run, tmp_path / "unscaled")
    (tmp_path / "unscaled" / "preprocessing.json").write_text("{}")
    return tmp_path


def left_behind(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    } | {str(path): (0, 0) for path in folder.rglob("*") if path.is_dir()}


# (script, arguments, words that the line must have)
MISTAKES = [
    (train, "--data good.npy --conditional", "expected images of at least two classes with --conditional, got 0"),
    (train, "--augmentation flip", "some of color, translation, cutout, mirror, each at most once, got 'flip'"),
    (train, "--augmentation cutout,cutout", "each at most once"),
    (train, "--r1 -1", "--r1: expected a number of at least 0 and below 1e+06 (0 is off), got '-1'"),
    (
        train,
        "--loss wasserstein --gradient-penalty 0",
        "or --spectral-normalization with --loss wasserstein, got neither; pass --gradient-penalty 10",
    ),
    (train, "--penalty-interval 0", "from 1"),
    (train, "--steps-per-execution 6", "divisible by 4, the steps from one penalty to the next, got 6; pass 8"),
    (train, "--schedule linear", "constant"),
    (train, "--xla on --distribute mirrored", "expected --distribute or --xla on, got both"),
    (train, "--data missing/path", "'missing/path'; check the spelling"),
    (train, "--data cifar11", ", ".join(DATASET_NAMES)),
    (train, "--data cifar11", "got 'cifar11'; did you mean cifar10?"),
    (train, "--data CIFAR10", "did you mean cifar10?"),
    (train, "--data mixd/", "got 'mixd'; did you mean mixed?"),
    (train, "--data empty", "in empty, got none; check the path"),
    (train, "--data texts", "got none among 1 file: 1 .txt (a.txt); check the path"),
    (train, "--data corrupt", "corrupt/2.png"),
    (
        train,
        "--data mixed",
        "16x16 RGB uint8 (4), 20x24 RGB uint8 (1); run: python train.py --data mixed --image-size",
    ),
    (train, "--data not.zip", "expected a whole zip archive"),
    (train, "--data movie.mp4", "expected a folder of images"),
    (
        train,
        "--data float.npy",
        "got float32 from 0 to 0, which looks like 0 for black and 1 for white; run: python",
    ),
    (train, "--data nan.npy", "expected finite values"),
    (train, "--data int64.npy", "got int64"),
    (train, "--data bool.npy", "got bool"),
    (train, "--data objects.npy", "object array"),
    (train, "--data flat.npy", "(8, 768)"),
    (train, "--data first.npy", "channels-first"),
    (train, "--data none.npy", "got none"),
    (train, "--data cut.npy", "cannot be read"),
    (train, "--data many.npz", "got a (8, 16, 16, 3), b"),
    (train, "--data labels.npz", "8 labels"),
    (train, "--data odd --batch-size 4", "got 18x21; pass --image-size 16x20 or --image-size 20x24"),
    (train, "--data good.npy --batch-size 4 --image-size 30", "got 30x30; pass --image-size 28x28 or"),
    (train, "--data good.npy --image-size big", "a size such as 64 or 48x80"),
    (train, "--data good.npy --batch-size 4 --image-count 9", "to the 8 of good, got 9; pass --image-count 8"),
    (train, "--data good.npy --batch-size 9", "at most 8"),
    (train, "--data good.npy --batch-size 0", "expected a whole number from 2"),
    (train, "--data good.npy --batch-size 1", "--batch-size: expected a whole number from 2, got '1'"),
    (train, "--data good.npy --epochs many", "expected a whole number from 1, got 'many'"),
    (train, "--preset stylegan", f"--preset: expected {' or '.join(PRESETS)}, got 'stylegan'"),
    (train, "--loss wgan", f"--loss: expected {' or '.join(LOSSES)}, got 'wgan'"),
    (train, "--scaling guess", "or pca or zca, got 'guess'"),
    (train, "--data good.npy --batch-size 4 --scaling positive_standardize", "lossless"),
    (train, "--learning-rate 7", "--learning-rate: expected a number above 0 and below 1 (0.0002 is usual), got '7'"),
    (train, "--epoch 3", "unrecognized arguments"),
    (train, "--data good/0.png good/1.png", "expected one path, got several (the shell expands *.png into names)"),
    (train, "--run-dir run", "'run', which holds a run; go on with --resume"),
    (train, "--run-dir texts", "'texts', which holds other files"),
    (train, "--run-dir movie.mp4", "got the file 'movie.mp4'"),
    (train, "--run-dir movie.mp4/run", "a folder that can be written to"),
    (train, "--resume", "--run-dir with --resume"),
    (train, "--resume --run-dir missing", "'missing', which is not a folder"),
    (train, "--resume --run-dir other", "something else"),
    (
        train,
        "--resume --run-dir run --batch-size 8 --seed 1",
        "--batch-size 8 (the run has 16), --seed 1 (the run has 0)",
    ),
    (train, "--resume --run-dir run --epochs 3 --data good.npy", "--batch-size of at most 8"),
    (train, "--resume --run-dir run --epochs 1", "expected --epochs of at least 2, which are done, got 1"),
    (train, "--resume --run-dir unchecked", "expected a checkpoint in unchecked/checkpoints, got none"),
    (train, "--resume --run-dir cut", "expected a whole checkpoint"),
    (train, "--resume --run-dir foreign", "it belongs to another run"),
    (train, "--resume --run-dir unread", "unread/metrics.jsonl, line 1: expected JSON"),
    (train, "--resume --run-dir changed", f"{' or '.join(LOSSES)}, got 'wgan'"),
    (train, "--data secret.zip", "such as secret.zip/1.png: expected a whole member of a zip archive, got an"),
    (train, "--data alpha", "(1.png); --alpha keep would keep the transparency; add images; two are the least"),
    (
        train,
        "--data good.npy --batch-size 4 --scaling standardize --maximum data",
        "--maximum with a scaling that divides by it",
    ),
    (train, "--maximum lots", "expected data or a level above 0"),
    (train, "--averaging 1", "--averaging: expected a number of at least 0 and below 1"),
    (generate, "run --class cat", "expected a conditional run with --class"),
    (generate, "run --walk 3,x", "expected seeds such as 0-7,12, got '3,x'"),
    (generate, "run --walk 3", "expected at least two seeds with --walk, got 1"),
    (generate, "run --walk 0,1 --output walk.npy", "expected a .gif, .webp, .apng or an image file with --walk"),
    (generate, "run --output grid.gif", "expected --walk with a .gif"),
    (generate, "run --truncation 0", "expected a share above 0 and at most 1"),
    (generate, "run --steps 3", "expected --walk or --direction with --steps"),
    (generate, "run --project odd/0.png", "odd/0.png: expected"),
    (generate, "run --project float.npy", "float.npy: expected"),
    (generate, "run --project alpha/1.png", "partly or fully transparent; save it as opaque gray or RGB"),
    (generate, "run --project many.npz", "expected the arrays images and labels"),
    (generate, "run --project good.npy --class none", "expected a conditional run with --class"),
    (generate, "run --project good/0.png --output z.npy", "expected --output to be an image file"),
    (generate, "run --save-latents z.npy", "expected --project with --save-latents"),
    (generate, "run --nearest 3 --walk 0,1", "expected --nearest without --walk"),
    (generate, "run --best", "a run that has measured no distance; train one that does or leave --best out"),
    (generate, "missing", "'missing', which is not a folder; train.py creates one"),
    (generate, "text", "'text', which is not a folder; train.py creates one"),
    (generate, "newr", "'newr', which is not a folder; did you mean newer?"),
    (generate, "texts", "has no config.json"),
    (generate, "other", "something else"),
    (generate, "newer", "expected version 1 or earlier, got 99"),
    (generate, "incomplete", "without 'shape'"),
    (generate, "damaged", "damaged/generator.keras: expected a whole Keras file"),
    (generate, "unscaled", "unscaled/preprocessing.json"),
    (generate, "run --latents short_latents.npy", "(n, 100), got (4, 99)"),
    (generate, "run --latents integer_latents.npy", "got int32"),
    (generate, "run --latents nan_latents.npy", "got 400 that are not"),
    (generate, "run --latents missing.npy", "'missing.npy', which does not exist"),
    (generate, "run --seeds 3-1", "seeds such as 0-7,12, got '3-1'"),
    (generate, "run --seeds 4294967296 --output x.npy", "expected seeds from 0 to 4294967295"),
    (generate, "run --seeds 1 --seed 2", "got two of them"),
    (generate, "run --seeds 0-4294967295", "at most 100000 seeds"),
    (generate, "run --latents cut.npy", "cannot be read"),
    (generate, "run --latents many.npz", "several arrays"),
    (generate, "run --latents short_latents.npy --seed 3", "got two of them"),
    (generate, "run --seeds 1 --count 2", "not allowed with"),
    (generate, "run --count 0", "expected a whole number from 1, got '0'"),
    (generate, "run --count 9 --rows 2 --columns 2", "at least 9 cells, got 2x2"),
    (generate, "run --output grid.jpg", "JPEG, which changes the values"),
    (generate, "run --output missing/grid.png", "an existing folder for --output, got 'missing'"),
    (generate, "run --count 3 --rows 2 --output x.npy", "--rows and --columns with an image file"),
    (generate, "", "required: RUN"),
]


@pytest.mark.parametrize(
    ("script", "arguments", "words"), MISTAKES, ids=[f"{row[0].__name__} {row[1]}" for row in MISTAKES]
)
def test_mistake_is_one_line_with_status_2_and_leaves_nothing(here, run_script, script, arguments, words):
    before = left_behind(here)
    outcome = run_script(script, *arguments.split())
    assert outcome.status == 2
    assert words in outcome.stderr, outcome.stderr
    told = outcome.stderr.partition("run: python -c")[0]
    assert not re.search(r"(?<![-\w])[a-z_]+=[\w'(\[]", told), f"a keyword of Python, which a command lacks: {told}"
    assert len(outcome.stderr.splitlines()) == 1 and outcome.stderr.startswith(f"{script.__name__}.py: error: ")
    assert outcome.stdout == ""
    assert left_behind(here) == before


def test_changed_data_is_refused_on_resume(tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((16, 16, 16, 3), np.uint8)
    np.save("data.npy", images)
    arguments = ("--data", "data.npy", "--run-dir", "new", "--epochs", 1, "--batch-size", 16, *QUICKEST)
    assert run_script(train, *arguments).status == 0
    images[3, 2, 1, 0] = 1
    np.save("data.npy", images)
    before = left_behind(tmp_path)
    outcome = run_script(train, "--run-dir", "new", "--resume", "--epochs", 2)
    assert outcome.status == 2 and "other pixels" in outcome.stderr and left_behind(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        "train.py --data cifar11",
        *(pytest.param(words, marks=pytest.mark.slow) for words in ("train.py --data mnist", "generate.py damaged")),
    ],
)
def test_standard_error_of_a_real_process_is_one_line(here, arguments):
    """Nothing of what TensorFlow has to say at its start comes before the error."""
    script, *options = arguments.split()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment |= {"KERAS_HOME": str(here / "keras"), "https_proxy": "http://127.0.0.1:9"}  # no network
    result = subprocess.run(
        [sys.executable, ROOT / script, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith(f"{script}: error: "), result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(here, run_script):
    (here / "empty").chmod(0o500)
    outcome = run_script(train, "--data", "good.npy", "--batch-size", 4, "--run-dir", "empty/run")
    assert outcome.status == 2 and "can be written to" in outcome.stderr


@pytest.mark.slow
def test_what_a_message_tells_to_do_works_when_it_is_done(here, run_script, obey, monkeypatch):
    """Each message of train.py that names a command, code or options is obeyed, and the command then works.

    Its steps are not timed, which needs them compiled.
    """
    monkeypatch.setattr("training.dry_run._seconds_per_step", lambda *_: 1.0)
    obeyed = 0
    for script, arguments, _ in MISTAKES:
        if script is not train or "--resume" in arguments:
            continue
        message = run_script(train, *arguments.split(), "--dry-run").stderr
        if "run: python -c" in message:
            obey(message)
        for words in advised(message, arguments):
            outcome = run_script(train, *words, "--dry-run", *QUICKEST)
            assert outcome.status == 0, f"{message}{words}\n{outcome.stderr}"
            obeyed += 1
    assert obeyed >= 14, f"{obeyed} messages name what to do; when this was measured, 14 did, and all of it worked"


def advised(message: str, arguments: str) -> list[list[str]]:
    """The arguments that a message proposes: of its whole command, or with each of the options that it says to pass."""
    saved = re.search(r"run: python -c .* and pass (\S+)$", message.strip())
    if saved:
        return [[*arguments.replace(arguments.split()[1], saved[1]).split(), "--batch-size", "4"]]
    whole = re.search(r"run: python train\.py (.*)$", message.strip())
    if whole:
        return [shlex.split(whole[1])]
    passed = re.search(r"; pass (--[a-z-]+) (\S+)(?: or (?:--[a-z-]+ )?(\S+))?$", message.strip())
    return [[*arguments.split(), passed[1], value] for value in passed.groups()[1:] if value] if passed else []
