"""A run folder from a stranger is data: each mistake or trap in it is one line, and nothing outside is touched."""

import json
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
import export
import generate
import train
from drawing.output import write_files
from image_datasets import load_images
from runs import RunFolder, RunIsBusy, check_new

FROZEN = Path(__file__).resolve().parent / "frozen_runs" / "db04404"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of a finished conditional run, in a folder of its own; what lies beside it must stay as it is."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FROZEN / "conditional", tmp_path / "run")
    shutil.copy(FROZEN / "shapes.npz", tmp_path / "shapes.npz")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious.png").write_text("mine")
    return tmp_path / "run"


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def outside_of(run: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in run.parent.rglob("*")
        if run not in path.parents and "output" not in path.parts
    }


def lambda_layer(run):
    with zipfile.ZipFile(run / "generator.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"].append({"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}})
    with zipfile.ZipFile(run / "generator.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)


def class_imported_by_name(run):
    with zipfile.ZipFile(run / "generator.keras", "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that is there already
        archive.writestr("config.json", json.dumps({"module": "os", "class_name": "system", "config": {}}))


def pickled_checkpoint(run):
    (newest,) = (run / "checkpoints").iterdir()
    np.savez(newest, state=np.array([{"code": print}], object))


def nested_brackets(run):
    (run / "config.json").write_text("[" * 200_000)


def pipe_for_scaling(run):
    (run / "preprocessing.json").unlink()
    os.mkfifo(run / "preprocessing.json")


def device_for_config(run):
    (run / "config.json").unlink()
    (run / "config.json").symlink_to("/dev/zero")


def samples_elsewhere(run):
    shutil.rmtree(run / "samples")
    (run / "samples").symlink_to(run.parent / "outside")


def escapes_in_names(run):
    edit(run / "config.json", lambda document: document["images"].update(dtype="uint8\n\x1b]0;title\x07" * 100))


def readings_without_entries(run):
    (run / "metrics.jsonl").write_text('{"epoch": 1}\n')


def wrong_shape(run):
    edit(run / "config.json", lambda document: document["images"].update(shape=[10**9, 10**9, 3]))


def classes_that_are_no_names(run):
    edit(run / "config.json", lambda document: document["images"].update(class_names=[{"a": 1}, 2]))


HOSTILE = [
    (generate, lambda_layer, "keras.layers.Lambda; it was not loaded"),
    (generate, class_imported_by_name, "the same name twice"),
    (train, pickled_checkpoint, "object array, which can run code"),
    (generate, nested_brackets, "brackets nested too deep"),
    (generate, pipe_for_scaling, "expected a regular file, got a pipe"),
    (generate, device_for_config, "expected a regular file, got a device"),
    (train, samples_elsewhere, "expected a folder, got the link"),
    (generate, escapes_in_names, "expected dtype of the images"),
    (train, readings_without_entries, "expected the readings of an epoch"),
    (generate, wrong_shape, "expected shape of the images"),
    (generate, classes_that_are_no_names, "expected class_names of the images"),
]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(("script", "trap", "words"), HOSTILE, ids=[row[1].__name__ for row in HOSTILE])
def test_a_trap_is_one_line_and_touches_nothing(run, run_script, monkeypatch, script, trap, words):
    from models import ImageLayout

    narrow = classmethod(
        lambda cls, shape, preset="r1gan", filters=None, smooth=True: cls(*shape, largest_base=4, narrowest=4)
    )
    monkeypatch.setattr(ImageLayout, "of", narrow)  # as wide as the networks of the frozen run
    trap(run)
    before = outside_of(run)
    arguments = (run, "--output", run.parent / "output") if script is generate else ("--run-dir", run, "--resume")
    outcome = run_script(script, *arguments)
    assert outcome.status == 2 and words in outcome.stderr, outcome
    assert outcome.stderr.count("\n") == 1 and outcome.stderr.strip().isprintable() and len(outcome.stderr) < 340
    assert outside_of(run) == before


def test_classes_do_not_climb_out(run):
    """The names go where they should, one folder each, and the rest of the program still knows them as they are."""
    names = ["../outside", str(run.parent / "outside")]
    edit(run / "config.json", lambda document: document["images"].update(class_names=names))
    opened = RunFolder.open(run)
    assert opened.class_names == tuple(names)
    from drawing.request import choose_images

    arguments = type("Arguments", (), {"seeds": [0], "latents": None, "walk": None, "direction": None, "count": None,
                                       "rows": None, "columns": None, "truncation": 1.0})()  # fmt: skip
    request = choose_images(arguments, opened, [0, 1])
    before = outside_of(run)
    write_files(run.parent / "output", iter([np.zeros((2, 16, 16, 3), np.uint8)]), request.names)
    assert outside_of(run) == before and len(list((run.parent / "output").glob("*/seed0000.png"))) == 2


def test_a_run_that_is_trained_is_not_changed(run):
    opened = RunFolder.open(run)
    before = (run / "config.json").read_bytes()
    other = type(opened.config)(**{**vars(opened.config), "epochs": 99})
    with opened.locked(), pytest.raises(RunIsBusy, match="which another process trains"):
        RunFolder.open(run).with_config(other)
    assert (run / "config.json").read_bytes() == before
    assert RunFolder.open(run).with_config(other).config.epochs == 99
    assert RunFolder.open(run).config.epochs == 99


def test_what_resuming_takes_back(run):
    """Samples of later epochs go, with or without metrics.jsonl; those of finished epochs and other files stay."""
    opened = RunFolder.open(run)
    step = opened.steps_per_epoch
    for name in ("epoch_0002.png", "epoch_0010.png", "notes.png", "epoch_x.png"):
        (run / "samples" / name).write_bytes(b"x")
    (run / "metrics.jsonl").unlink()
    opened.clean_after(step)
    assert {path.name for path in (run / "samples").iterdir()} == {"epoch_0001.png", "notes.png", "epoch_x.png"}
    records = [{"epoch": epoch, "step": epoch * step} for epoch in (1, 2)]
    opened.save_metrics(records)
    opened.clean_after(step)
    assert opened.load_metrics() == records[:1]


def test_a_damaged_checkpoint_names_the_one_before(run):
    opened = RunFolder.open(run)
    (older,) = (run / "checkpoints").iterdir()
    newest = run / "checkpoints" / "step_000000008.npz"
    content = older.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"remove it to continue from {older.name}"):
        opened.load_checkpoint()
    newest.unlink()
    assert set(opened.load_checkpoint())
    older.write_bytes(content[:-10])
    with pytest.raises(ValueError, match="there is no older one"):
        opened.load_checkpoint()


def test_names_of_checkpoints_go_by_their_numbers(run):
    for name in ("step_1000000000.npz", "step_999999999.npz", "step_x.npz"):
        (run / "checkpoints" / name).write_bytes(b"")
    assert RunFolder.open(run).latest_checkpoint().name == "step_1000000000.npz"


def test_a_run_cannot_begin_where_one_begins(tmp_path):
    (tmp_path / "new").mkdir()
    check_new(tmp_path / "new")
    (tmp_path / "new" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="which holds a run; go on with"):
        check_new(tmp_path / "new")


OUTPUTS = [
    "run/config.json", "run/generator.keras", "run/checkpoints/step_000000004.npz", "run/samples/epoch_0001.png",
    "outside/../run/samples/new.png", "shapes.npz", "/dev/null",
]  # fmt: skip


@pytest.mark.parametrize("output", OUTPUTS)
def test_outputs_never_replace_what_a_run_needs(run, run_script, output):
    edit(run / "config.json", lambda document: document["config"].update(data="shapes.npz"))
    before = outside_of(run.parent / "nowhere")
    rows = [(generate, "--output", output), (evaluate, "--json", output)]
    if output.endswith((".json", ".keras")):
        rows = rows[1:]
    for script, option, path in rows:
        outcome = run_script(script, run, option, path)
        assert outcome.status == 2 and option in outcome.stderr and outcome.stderr.count("\n") == 1, outcome
    assert outside_of(run.parent / "nowhere") == before


def test_an_export_does_not_replace_training_images(run, run_script):
    pytest.importorskip("onnxruntime")
    edit(run / "config.json", lambda document: document["config"].update(data="shapes.npz"))
    before = (run.parent / "shapes.npz").read_bytes()
    outcome = run_script(export, run, "--output", "shapes.npz", "--format", "onnx")
    assert outcome.status == 2 and "outside of the training images 'shapes.npz'" in outcome.stderr, outcome
    assert (run.parent / "shapes.npz").read_bytes() == before


def test_names_of_arrays_are_cut(run, run_script):
    np.savez("many.npz", **{f"{number}{'x' * 200}\x1b": np.zeros(3) for number in range(20)})
    outcome = run_script(train, "--data", "many.npz")
    assert outcome.status == 2 and "and 12 more; save it again" in outcome.stderr, outcome
    assert len(outcome.stderr) < 800 and outcome.stderr.strip().isprintable()


def test_a_run_without_its_scaling_says_what_is_missing(run, run_script):
    (run / "preprocessing.json").unlink()
    outcome = run_script(generate, run, "--output", "grid.png")
    assert outcome.status == 2 and "got a run without it; restore it" in outcome.stderr, outcome


def test_outputs_among_the_training_images_are_refused(run, run_script):
    (run.parent / "photos").mkdir()
    edit(run / "config.json", lambda document: document["config"].update(data="photos"))
    outcome = run_script(generate, run, "--output", "photos/new.png")
    assert outcome.status == 2 and "outside of the training images 'photos'" in outcome.stderr


def test_a_run_does_not_begin_among_its_images(run, run_script, monkeypatch):
    monkeypatch.chdir(run.parent / "outside")
    for arguments in ((), ("--run-dir", "below/new")):
        outcome = run_script(train, "--data", ".", *arguments)
        assert outcome.status == 2 and "pass --run-dir ../run" in outcome.stderr, outcome
    assert not Path("runs").exists() and not Path("below").exists()


ENDLESS = (
    "--count 99999999999",
    "--rows 100000000",
    "--rows 99999 --columns 99999",
    "--walk 0,5 --steps 999999999 --output walk.png",
    "--direction 1 --steps 999999999",
)


@pytest.mark.parametrize("arguments", ENDLESS)
def test_numbers_without_bound_are_refused_at_once(run, run_script, arguments):
    edit(run / "config.json", lambda document: document["config"].update(conditional=False))
    outcome = run_script(generate, run, *arguments.split())
    assert outcome.status == 2 and "at most 1000000" in outcome.stderr, outcome


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_folder_of_traps_is_read_or_refused_in_one_line(tmp_path, run_script, monkeypatch):
    """Pipes, devices, links in a circle and to nothing, names that a terminal obeys, and hundreds of empty files."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    for name, target in (("zero.png", "/dev/zero"), ("loop.png", "loop.png"), ("gone.png", "nothing")):
        (folder / name).symlink_to(target)
    for number in range(4):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / f"{number}\x1b[2J\n.png")
    loaded = load_images(folder)
    assert len(loaded.images) == 4
    for words in ("pipe.png", "zero.png", "loop.png", "gone.png"):
        assert words in loaded.report.left_out
    for number in range(300):
        (folder / f"{number}.png").touch()
    (folder / "bad\x1b[31m\n.png").write_bytes(b"x" * 100)
    outcome = run_script(train, "--data", "photos")
    assert outcome.status == 2 and outcome.stderr.count("\n") == 1, outcome
    assert outcome.stderr.strip().isprintable() and len(outcome.stderr) < 1000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    ("script", "option"), [(train, "--data"), (train, "--labels"), (generate, "--latents"), (generate, "--project")]
)
@pytest.mark.parametrize("ending", [".npy", ".zip", ".csv", ".json", ".png"])
def test_a_pipe_never_holds_a_program_up(run, run_script, script, option, ending):
    os.mkfifo(f"pipe{ending}")
    given = (run,) if script is generate else ("--data", "shapes.npz") if option == "--labels" else ()
    outcome = run_script(script, *given, option, f"pipe{ending}")
    assert outcome.status == 2 and outcome.stderr.count("\n") == 1, outcome
