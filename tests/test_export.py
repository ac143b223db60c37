"""export.py: every written file draws what generate.py draws, or is not kept."""

import importlib.util
import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import small_images

import export
import generate
from config import TrainingConfig
from exporting import share
from exporting.comparison import Difference, Reading, check_difference
from exporting.request import ExportRequest, choose_format
from exporting.trained import TrainedGenerator
from exporting.writing import Exported, cautions, export_generator
from image_datasets import ImageSet
from preprocessing import MODES, PixelScaler
from runs import RunFolder
from training.networks import build_networks


@pytest.fixture(scope="module")
def make_run(tmp_path_factory):
    """A function that makes a run folder whose generator was never trained, but has other weights than zeros."""

    def make(images: np.ndarray, **options) -> Path:
        path = tmp_path_factory.mktemp("runs") / "run"
        labels = np.arange(len(images)) % 3
        config = TrainingConfig.of(data="small.npz", preset="dcgan", precision="float32", **options)
        image_set = ImageSet("small", images, labels, ("cat", "dog", "it's <b>"))
        scaler = PixelScaler(config.scaling).fit(images)
        run = RunFolder.create(path, config, image_set, scaler)
        networks = build_networks(config, run.image_shape, scaler.output_activation, len(image_set.class_names))
        networks.update_batch_statistics()
        run.save_network("generator", networks.averaged_generator)
        run.save_network("discriminator", networks.discriminator)
        return path

    return make


@pytest.fixture(scope="module")
def sixteen_bits(make_run) -> Path:
    """Gray, 16 bits, told the classes, and an unbounded scaling: everything that the small run is not."""
    images = small_images(channels=1, dtype=np.uint16)
    return make_run(images, conditional=True, scaling="standardize")


@pytest.mark.parametrize("name", ["model", "generator.onnx", "generator.tflite"])
@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
def test_a_written_file_draws_what_generate_draws(name, precision, trained_run, tmp_path, run_script):
    outcome = run_script(export, trained_run, "--output", tmp_path / name, "--precision", precision)
    assert outcome.status == 0 and not outcome.stderr, outcome.stderr
    assert outcome.stdout.splitlines()[0] == str(tmp_path / name)
    assert "values differ" in outcome.stdout
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing else is left"


def test_float16_halves_the_file(trained_run, tmp_path):
    generator = TrainedGenerator.of(RunFolder.open(trained_run))
    whole, half = (
        export_generator(generator, ExportRequest(tmp_path / f"{precision}.tflite", "tflite", precision)).size
        for precision in ("float32", "float16")
    )
    assert half < 0.52 * whole


@pytest.mark.parametrize("form", ["savedmodel", "onnx", "tflite"])
def test_sixteen_bits_classes_and_an_unbounded_scaling_travel_along(form, sixteen_bits, tmp_path):
    generator = TrainedGenerator.of(RunFolder.open(sixteen_bits))
    exported = export_generator(generator, ExportRequest(tmp_path / "out", form))
    assert exported.reading.images.dtype == np.uint16
    assert exported.reading.images.shape == (64, 16, 16, 1)
    assert len(np.unique(exported.reading.images)) > 1000, "the images say something"


def test_onnx_for_others_without_this_program(sixteen_bits, tmp_path, run_script):
    """By name, in any batch size, channels first, and what is raw becomes pixels by the line of the scaler."""
    for name, options in (("pixels.onnx", ["--channels-first"]), ("raw.onnx", ["--raw"])):
        assert run_script(export, sixteen_bits, "--output", tmp_path / name, *options).status == 0
    inputs = {"latents": np.ones((3, 100), np.float32), "label": np.array([0, 1, 2], np.int32)}
    session = onnxruntime.InferenceSession(tmp_path / "pixels.onnx")
    (images,) = session.run(["images"], inputs)
    (scaled,) = onnxruntime.InferenceSession(tmp_path / "raw.onnx").run(["images"], inputs)
    assert images.shape == (3, 1, 16, 16) and scaled.shape == (3, 16, 16, 1)
    factor, offset = PixelScaler.load(sixteen_bits / "preprocessing.json").line_back()
    levels = np.rint(scaled.astype(np.float64) * factor + offset).clip(0, 65535)
    assert np.abs(levels.transpose(0, 3, 1, 2) - images).max() <= 1
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["pixelwright"])
    assert metadata["class_names"] == ["cat", "dog", "it's <b>"] and metadata["latent_dim"] == 100
    assert metadata["images_sha256"] == RunFolder.open(sixteen_bits).fingerprint


def test_metadata_travels_in_every_format(sixteen_bits, tmp_path):
    generator = TrainedGenerator.of(RunFolder.open(sixteen_bits))
    for name, form in (("model", "savedmodel"), ("generator.tflite", "tflite")):
        export_generator(generator, ExportRequest(tmp_path / name, form))
    stored = json.loads((tmp_path / "model/assets.extra/pixelwright.json").read_text())
    with zipfile.ZipFile(tmp_path / "generator.tflite") as archive:
        assert json.loads(archive.read("pixelwright.json")) == stored == generator.metadata


def test_a_file_that_draws_something_else_is_not_kept(trained_run, tmp_path):
    generator = TrainedGenerator.of(RunFolder.open(trained_run))
    others = replace(generator, drawn=generator.drawn ^ 2)
    for name in ("model", "generator.tflite"):
        request = ExportRequest(tmp_path / name, choose_format(Path(name), None))
        with pytest.raises(ValueError, match="expected every value within 1 of 255"):
            export_generator(others, request)
    assert not list(tmp_path.iterdir())


def test_the_bounds_in_levels():
    check_difference(Difference(1, 5, 10), "float32", 255)
    check_difference(Difference(2, 5, 10), "float16", 255)
    check_difference(Difference(1, 5, 10), "float32", 65535)
    for levels, precision, white in ((2, "float32", 255), (3, "float16", 255), (2, "float32", 65535)):
        with pytest.raises(ValueError, match="nothing was kept"):
            check_difference(Difference(levels, 5, 10), precision, white)


def test_a_shared_folder_is_a_run_that_draws_the_same_and_tells_nothing_of_the_machine(
    trained_run, image_file, tmp_path, monkeypatch, run_script
):
    monkeypatch.setattr("exporting.page.BROWSERS", ())
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "scores.json").write_text(json.dumps({"images": {"of": str(run)}, "real": {"of": str(image_file)}}))
    assert run_script(export, run, "--output", tmp_path / "share").status == 0
    shared = {str(path.relative_to(tmp_path / "share")) for path in (tmp_path / "share").rglob("*") if path.is_file()}
    names = {
        "config.json",
        "preprocessing.json",
        "generator.keras",
        "discriminator.keras",
        "metrics.jsonl",
        "README.md",
    }
    assert shared == names | {"page.html", "grid.png", "scores.json", "samples/epoch_0002.png"}
    for name in shared:
        if not name.endswith((".keras", ".png")):
            assert str(tmp_path.parent.parent) not in (tmp_path / "share" / name).read_text(encoding="utf-8"), name
    images = []
    for run, output in ((trained_run, "own.npy"), (tmp_path / "share", "shared.npy")):
        assert run_script(generate, run, "--count", 3, "--output", tmp_path / output).status == 0
        images.append(np.load(tmp_path / output))
    np.testing.assert_array_equal(*images)


def test_a_shared_folder_of_the_best_weights_says_of_which_epoch_they_are(trained_run, tmp_path):
    """The discriminator beside them is that of the last epoch."""
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    shutil.copy(run / "generator.keras", run / "generator_best.keras")
    records = [record | {"best": record["epoch"] == 1} for record in RunFolder.open(run).load_metrics()]
    RunFolder.open(run).save_metrics(records)
    cards = []
    for best in (False, True):
        folder = tmp_path / str(best)
        folder.mkdir()
        share.write(folder, TrainedGenerator.of(RunFolder.open(run), best), "float16", None)
        cards.append((folder / "README.md").read_text(encoding="utf-8"))
    assert cards[0] == (run / "README.md").read_text(encoding="utf-8")
    added = cards[1].removeprefix(cards[0])
    assert "are of epoch 1, which had the best distance" in added and "to epoch 2." in added


def test_a_page_that_is_large_or_slow_says_so():
    reading = Reading(np.zeros(1), "chromium", 1.0, 2.0)
    exported = Exported(30_000_000, reading, Difference(0, 0, 1))
    page, file = (ExportRequest(Path(name), form) for name, form in (("x.html", "page"), ("x.tflite", "tflite")))
    large, slow = cautions(exported, page)
    assert "30 MB" in large and "float16" in large and "0.5 s" in slow
    assert cautions(exported, file) == []
    assert cautions(replace(exported, size=1000, reading=replace(reading, images_per_second=100.0)), page) == []


@pytest.mark.parametrize("mode", MODES)
def test_the_line_back_is_the_inverse_of_every_scaling(mode):
    images = small_images(8)
    scaler = PixelScaler(mode).fit(images)
    scaled = np.random.default_rng(0).normal(0, 0.7, images.shape).astype(np.float32)
    factor, offset = scaler.line_back()
    values = scaled.astype(np.float64)
    values = (values.reshape(8, -1) @ factor).reshape(images.shape) if factor.ndim == 2 else values * factor
    levels = np.rint(values + offset.reshape(images.shape[1:] if factor.ndim == 2 else -1)).clip(0, 255)
    apart = np.abs(levels - scaler.inverse_transform(scaled))
    assert apart.max() <= (1 if factor.ndim == 2 else 0) and np.count_nonzero(apart) <= 1, "a tie, at most"
    with pytest.raises(ValueError, match="statistics of each image"):
        PixelScaler("standardize", scope="image").fit(images).line_back()


def set_version(run: Path) -> None:
    document = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(document | {"version": 99}))


def swap_networks(run: Path) -> None:
    shutil.copy(run / "discriminator.keras", run / "generator.keras")


def damage(run: Path) -> None:
    (run / "generator.keras").write_bytes((run / "generator.keras").read_bytes()[:1000])


BAD_USES = {
    "no run": (lambda run: shutil.rmtree(run), ["x.onnx"], "run folder"),
    "a folder that is no run": (lambda run: (run / "config.json").unlink(), ["x.onnx"], "config.json"),
    "a run of another version": (set_version, ["x.onnx"], "version"),
    "a discriminator": (swap_networks, ["x.onnx"], "expected a generator from"),
    "a damaged generator": (damage, ["x.onnx"], "whole Keras file"),
    "no generator yet": (lambda run: (run / "generator.keras").unlink(), ["x.onnx"], "generator.keras"),
    "no best weights": (lambda run: None, ["x.onnx", "--best"], "leave --best out"),
    "an unknown ending": (lambda run: None, ["x.pth"], "expected --output to end in .onnx"),
    "an unknown format": (lambda run: None, ["x.onnx", "--format", "caffe"], "invalid choice"),
    "no such place": (lambda run: None, ["nowhere/x.onnx"], "expected an existing folder"),
    "a folder in the place of a file": (lambda run: Path("x.onnx").mkdir(), ["x.onnx"], "to be a file"),
    "a full folder": (lambda run: Path("full/x").mkdir(parents=True), ["full"], "new or an empty folder"),
}


@pytest.mark.parametrize("name", BAD_USES)
def test_bad_uses_end_in_one_line_and_leave_nothing(name, trained_run, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    spoil, (output, *options), words = BAD_USES[name]
    names = ("config.json", "preprocessing.json", "generator.keras", "discriminator.keras")
    Path("run").mkdir()
    for file in names:
        shutil.copy(trained_run / file, Path("run") / file)
    spoil(Path("run"))
    before = sorted(Path().rglob("*"))
    outcome = run_script(export, "run", "--output", output, *options)
    assert outcome.status == 2 and not outcome.stdout
    assert outcome.stderr.count("\n") == 1 and words in outcome.stderr, outcome.stderr
    assert sorted(Path().rglob("*")) == before


def test_a_missing_package_is_named_with_the_way_to_install_it(trained_run, tmp_path, monkeypatch, run_script):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name))
    outcome = run_script(export, trained_run, "--output", tmp_path / "x.onnx")
    assert outcome.status == 2 and outcome.stderr.count("\n") == 1
    assert "the package tf2onnx" in outcome.stderr and "pip install -r requirements-export.txt" in outcome.stderr
    assert run_script(export, trained_run, "--output", tmp_path / "x.tflite").status == 0, "which does not need it"


def test_a_place_without_permission_is_refused_before_any_work(trained_run, tmp_path, monkeypatch, run_script):
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))
    outcome = run_script(export, trained_run, "--output", tmp_path / "x.onnx")
    assert outcome.status == 2 and "expected a writable path" in outcome.stderr and not list(tmp_path.iterdir())
