"""--alpha keep: RGBA comes in, is trained on and goes out, and no visible pixel is changed on the way."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import QUICKEST, small_images, train_here
from PIL import Image

import evaluate
import export
import generate
import train
from evaluation.features import FeatureExtractor
from image_datasets import ReadingOptions, load_images
from imaging import fit_image, load_image, on_checkers, save_animation, save_image, save_images
from preprocessing import PixelScaler
from runs import RunFolder
from training.augmentation import augment

RANDOM = np.random.default_rng(0)
KEEP = ReadingOptions(alpha="keep")


def rgba_images(count: int = 32, side: int = 16) -> np.ndarray:
    """Blobs, opaque in the middle and transparent around it, with colors below that nobody sees: uint8."""
    images = np.empty((count, side, side, 4), np.uint8)
    images[..., :3] = small_images(count, (side, side))
    rows, columns = np.indices((side, side)) - side / 2 + 0.5
    images[..., 3] = np.clip(400 - 50 * np.hypot(rows, columns), 0, 255)
    return images


def without_hidden(images: np.ndarray) -> np.ndarray:
    return images * (images[..., 3:] > 0)


@pytest.fixture(scope="module")
def rgba_run(tmp_path_factory) -> Path:
    """A run of one epoch on RGBA."""
    folder = tmp_path_factory.mktemp("rgba")
    np.save(folder / "sprites.npy", rgba_images())
    arguments = ("--data", folder / "sprites.npy", "--alpha", "keep", "--augmentation", "color,cutout")
    train_here(*arguments, "--run-dir", folder / "run", "--epochs", 1, "--batch-size", 16, *QUICKEST)
    return folder / "run"


# Files


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_file_gives_rgba_back_hidden_colors_too(tmp_path, name, dtype):
    image = RANDOM.integers(0, np.iinfo(dtype).max, (9, 7, 4), dtype, endpoint=True)
    image[:3, :, 3], image[3:6, :, 3] = 0, np.iinfo(dtype).max
    if name == "a.webp" and dtype == np.uint16:
        pytest.skip("WebP has 8 bits, and is refused for more by tests/test_image_files_odd.py")
    save_image(tmp_path / name, image)
    np.testing.assert_array_equal(load_image(tmp_path / name, alpha="keep"), image)


def test_many_files_at_once_give_rgba_back(tmp_path):
    images = RANDOM.integers(0, 256, (3, 5, 4, 4), np.uint8)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    save_images(paths, images)
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(load_image(path, alpha="keep"), image)


@pytest.mark.parametrize("suffix", [".webp", ".apng"])
def test_an_animation_keeps_rgba(tmp_path, suffix):
    frames = RANDOM.integers(0, 256, (3, 8, 8, 4), np.uint8)
    frames[:, 2:4, :, 3] = 0
    save_animation(tmp_path / f"a{suffix}", frames)
    with Image.open(tmp_path / f"a{suffix}") as picture:
        for number, frame in enumerate(frames):
            picture.seek(number)
            np.testing.assert_array_equal(without_hidden(np.asarray(picture.convert("RGBA"))), without_hidden(frame))


# Data sets


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_all_kinds_become_rgba_without_loss(tmp_path, packed):
    rgba = rgba_images(1)[0]
    gray, rgb = rgba[..., :1], rgba[..., :3]
    opaque = np.full_like(gray, 255)
    palette = Image.fromarray(np.indices((16, 16))[0].astype(np.uint8) % 4, "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    folder = tmp_path / "sprites"
    folder.mkdir()
    Image.fromarray(rgba).save(folder / "0_rgba.png")
    Image.fromarray(rgba[..., [0, 3]], "LA").save(folder / "1_gray_alpha.png")
    palette.save(folder / "2_palette.png", transparency=bytes([255, 0, 128, 255]))
    Image.fromarray(rgb).save(folder / "3_rgb.png")
    Image.fromarray(gray[..., 0]).save(folder / "4_gray.png")
    np.save(folder / "5_array.npy", rgba)
    if packed:
        with zipfile.ZipFile(tmp_path / "sprites.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    loaded = load_images(tmp_path / "sprites.zip" if packed else folder, KEEP)
    colors = np.array([[10, 20, 30, 255], [0, 0, 0, 0], [70, 80, 90, 128], [100, 110, 120, 255]], np.uint8)
    expected = [
        without_hidden(rgba),
        without_hidden(rgba[..., [0, 0, 0, 3]]),
        colors[np.indices((16, 16))[0] % 4],
        np.concatenate([rgb, opaque], axis=-1),
        np.concatenate([gray, gray, gray, opaque], axis=-1),
        without_hidden(rgba),
    ]
    np.testing.assert_array_equal(loaded.images, np.stack(expected))


@pytest.mark.parametrize("in_memory_bytes", [0, 2**30])
def test_arrays_of_rgba_are_kept_or_put_on_a_ground_as_files_are(tmp_path, in_memory_bytes):
    images = rgba_images(5)
    np.save(tmp_path / "array.npy", images)
    (tmp_path / "files").mkdir()
    save_images([tmp_path / "files" / f"{number}.png" for number in range(5)], images)
    for alpha in ("keep", "drop", "white", "black"):
        from_array, from_files = (
            load_images(tmp_path / name, ReadingOptions(alpha=alpha, in_memory_bytes=in_memory_bytes)).images[:]
            for name in ("array.npy", "files")
        )
        np.testing.assert_array_equal(from_array, from_files)
        assert from_array.shape[3] == (4 if alpha == "keep" else 3)


def test_an_array_of_opaque_rgba_is_rgb(tmp_path):
    images = rgba_images(3)
    images[..., 3] = 255
    np.save(tmp_path / "array.npy", images)
    np.testing.assert_array_equal(load_images(tmp_path / "array.npy").images, images[..., :3])


def test_one_refusal_names_both_ways(tmp_path, run_script):
    np.save(tmp_path / "array.npy", rgba_images(4) / np.float32(255))
    save_images([tmp_path / f"{number}.png" for number in range(4)], rgba_images(4))
    for data in (tmp_path / "array.npy", tmp_path):
        message = run_script(train, "--data", data, "--dry-run").stderr
        assert message.count("\n") == 1 and "--alpha white" in message
    assert "--alpha keep would keep the transparency" in message
    np.save(tmp_path / "array.npy", rgba_images(4))
    message = run_script(train, "--data", tmp_path / "array.npy", "--dry-run").stderr
    assert "which --alpha keep would keep; run: python train.py" in message
    asked = run_script(train, "--data", tmp_path, "--alpha", "keep", "--channels", 3).stderr
    assert "expected --alpha keep, which is a fourth channel, without --channels, got 3" in asked


# What happens on the way


def test_colors_that_nobody_sees_do_not_show_after_resizing():
    image, other = rgba_images(2, 32)
    other[..., 3] = image[..., 3]
    seen = image[..., 3:] > 0
    other = np.where(seen, image, other)
    assert (image != other).any()
    resized = fit_image(image, (16, 16))
    np.testing.assert_array_equal(resized, fit_image(other, (16, 16)))
    opaque = image.astype(np.uint16) * 257  # 16 bits, which Pillow resizes in floats: 8 bits are rounded twice
    opaque[..., 3] = 65535
    difference = fit_image(opaque, (16, 16))[..., :3].astype(int) - fit_image(opaque[..., :3], (16, 16))
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("mode", ["normalize", "tanh", "center", "standardize"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_scaling_is_undone_exactly(tmp_path, mode, per_channel):
    images = rgba_images()
    PixelScaler(mode, per_channel=per_channel).fit(images).save(tmp_path / "scaling.json")
    scaler = PixelScaler.load(tmp_path / "scaling.json")
    scaler.check_trainable()
    np.testing.assert_array_equal(scaler.inverse_transform(scaler.transform(images)), images)


def test_color_leaves_the_opacity_alone_and_changes_colors_as_without_it():
    images = tf.constant(rgba_images(16), tf.float32) / 127.5 - 1.0
    seed = tf.constant([3, 4])
    changed = augment(images, ("color",), 2.0, seed)
    np.testing.assert_array_equal(changed[..., 3], images[..., 3])
    np.testing.assert_array_equal(changed[..., :3], augment(images[..., :3], ("color",), 2.0, seed))


def test_the_checkered_ground_is_seen_where_nothing_else_is():
    images = RANDOM.integers(0, 256, (2, 16, 16, 4), np.uint8)
    images[0, ..., 3], images[1, ..., 3] = 0, 255
    through, opaque = on_checkers(images)
    assert set(np.unique(through)) == {204, 255} and (through[0, :4, 0] == [255, 255, 204, 204]).all()
    np.testing.assert_array_equal(opaque, images[1, ..., :3])
    sixteen = on_checkers(images.astype(np.uint16) * 257)
    np.testing.assert_array_equal(sixteen[0], through.astype(np.uint16) * 257)


def test_features_are_those_of_the_images_on_white():
    images = rgba_images(8)
    look = FeatureExtractor("classifier", "", lambda batch: (tf.reduce_mean(batch, axis=(1, 2)), None), "")
    opacity = images[..., 3:] / 255
    on_white = images[..., :3] * opacity + 255 * (1 - opacity)
    np.testing.assert_allclose(look.extract([images], None, 8).values, on_white.mean(axis=(1, 2)) / 255, atol=1e-3)


# A run


def test_a_run_draws_rgba_and_shows_it_on_checkers(rgba_run, tmp_path, run_script):
    assert RunFolder.open(rgba_run).image_shape == (16, 16, 4)
    assert run_script(generate, rgba_run, "--count", 3, "--output", tmp_path / "drawn.npy").status == 0
    assert run_script(generate, rgba_run, "--count", 3, "--output", tmp_path / "drawn").status == 0
    assert run_script(generate, rgba_run, "--count", 3, "--scale", 1, "--output", tmp_path / "grid.png").status == 0
    drawn = np.load(tmp_path / "drawn.npy")
    files = [load_image(path, alpha="keep") for path in sorted((tmp_path / "drawn").iterdir())]
    np.testing.assert_array_equal(np.stack(files), drawn)
    grid = load_image(tmp_path / "grid.png")
    np.testing.assert_array_equal(grid[:16, :16], on_checkers(drawn)[0])
    assert load_image(rgba_run / "samples" / "epoch_0001.png").shape[2] == 3
    assert "RGBA images of 16×16" in (rgba_run / "report.html").read_text(encoding="utf-8")


def test_a_run_takes_what_it_drew_and_other_pictures(rgba_run, tmp_path, run_script, monkeypatch):
    monkeypatch.setattr("drawing.projection.STEPS", 20)  # test_projection.py has how close it comes
    save_image(tmp_path / "sprite.png", rgba_images(1)[0])
    Image.new("L", (16, 16), 7).save(tmp_path / "gray.png")
    for name in ("sprite.png", "gray.png"):
        outcome = run_script(generate, rgba_run, "--project", tmp_path / name, "--output", tmp_path / "sheet.png")
        assert outcome.status == 0 and "root-mean-square error" in outcome.stdout, outcome.stderr
    outcome = run_script(generate, rgba_run, "--count", 2, "--nearest", 2, "--output", tmp_path / "nearest.png")
    assert outcome.status == 0 and load_image(tmp_path / "nearest.png").shape[2] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model", "generator.onnx", "generator.tflite", "page.html", "share"])
def test_exports_draw_four_channels(rgba_run, tmp_path, name, run_script):
    """export.py compares what it wrote with what generate.py draws before the file gets its name."""
    outcome = run_script(export, rgba_run, "--output", tmp_path / name)
    assert outcome.status == 0 and (tmp_path / name).exists(), outcome.stderr


@pytest.mark.slow
def test_evaluation_says_what_it_looked_at(rgba_run, tmp_path, run_script, monkeypatch):
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 15)  # of a classifier that need not be good
    np.savez(tmp_path / "real.npz", images=rgba_images(40), labels=np.arange(40) % 2)
    arguments = ("--data", tmp_path / "real.npz", "--count", 20, "--cache", tmp_path / "cache")
    outcome = run_script(evaluate, rgba_run, *arguments)
    assert outcome.status == 0 and "all 16x16x4, seen on white" in outcome.stdout, outcome.stderr
