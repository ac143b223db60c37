"""generate.py as its help describes it."""

import dataclasses
import shutil

import numpy as np
import pytest
from conftest import QUICK, QUICKEST, small_images, train_here

import generate
import train
from drawing.neighbors import nearest_images
from image_datasets import ImageSet
from imaging import load_image
from models.sampling import latents_from_seeds, walk_latents
from runs import RunFolder


@pytest.fixture
def draw(trained_run, run_script):
    """generate.py on the trained run; returns the one line of standard output."""

    def run(*arguments) -> str:
        outcome = run_script(generate, trained_run, *arguments)
        assert outcome.status == 0, outcome.stderr
        assert outcome.stderr == "", "quiet when standard error is no terminal"
        return outcome.stdout.strip()

    return run


def test_default_grid_goes_into_the_run_folder(draw, trained_run, tmp_path):
    """Enlarged by a whole factor, so that small images can be seen; each pixel is a square of its own value."""
    assert draw() == str(trained_run / "samples.png")
    preview = load_image(trained_run / "samples.png")
    draw("--scale", 1, "--output", tmp_path / "exact.png")
    exact = load_image(tmp_path / "exact.png")
    assert exact.shape == (8 * 16 + 14, 8 * 16 + 14, 3)
    np.testing.assert_array_equal(preview, exact.repeat(4, axis=0).repeat(4, axis=1))


def test_rows_columns_seed_and_output(draw, tmp_path):
    draw("--rows", 2, "--columns", 3, "--seed", 7, "--scale", 1, "--output", tmp_path / "grid.png")
    draw("--seeds", "7-12", "--output", tmp_path / "faces")
    grid = load_image(tmp_path / "grid.png")
    assert grid.shape == (2 * 16 + 2, 3 * 16 + 4, 3)
    np.testing.assert_array_equal(grid[:16, :16], load_image(tmp_path / "faces" / "seed0007.png"))
    np.testing.assert_array_equal(grid[18:, 36:], load_image(tmp_path / "faces" / "seed0012.png"))


def test_seeds_are_files_arrays_and_grids_of_the_same_images(draw, tmp_path):
    draw("--seeds", "0-2,12", "--output", tmp_path / "files")
    draw("--seeds", "0-2,12", "--output", tmp_path / "array.npy")
    draw("--seeds", "0-2,12", "--output", tmp_path / "array.npz")
    draw("--seeds", "0-2,12", "--scale", 1, "--output", tmp_path / "grid.tif")
    names = ["seed0000.png", "seed0001.png", "seed0002.png", "seed0012.png"]
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == names
    files = np.stack([load_image(tmp_path / "files" / name) for name in names])
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), files)
    np.testing.assert_array_equal(np.load(tmp_path / "array.npz")["images"], files)
    np.testing.assert_array_equal(load_image(tmp_path / "grid.tif")[:, :16], files[0])


def test_count_is_the_seeds_from_seed_on(draw, tmp_path):
    draw("--count", 130, "--output", tmp_path / "many.npy")
    draw("--count", 3, "--seed", 127, "--output", tmp_path / "few.npy")
    many, few = np.load(tmp_path / "many.npy"), np.load(tmp_path / "few.npy")
    assert many.shape == (130, 16, 16, 3) and many.dtype == np.uint8
    np.testing.assert_array_equal(many[127:], few)


def test_own_latents(draw, tmp_path):
    np.save(tmp_path / "z.npy", latents_from_seeds([4, 2], 100))
    draw("--latents", tmp_path / "z.npy", "--output", tmp_path / "own.npy")
    draw("--seeds", "4,2", "--output", tmp_path / "seeds.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "own.npy"), np.load(tmp_path / "seeds.npy"))


def test_the_run_folder_alone_is_enough(trained_run, draw, run_script, tmp_path):
    """Neither the data set nor the place nor the checkpoints are needed to draw."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained_run, moved, ignore=shutil.ignore_patterns("checkpoints", "samples", "metrics.jsonl"))
    config = (moved / "config.json").read_text()
    assert "small.npz" in config
    (moved / "config.json").write_text(config.replace("small.npz", "gone.npz"))
    draw("--count", 3, "--output", tmp_path / "expected.npy")
    assert run_script(generate, moved, "--count", 3, "--output", tmp_path / "moved.npy").status == 0
    np.testing.assert_array_equal(np.load(tmp_path / "moved.npy"), np.load(tmp_path / "expected.npy"))


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_runs_draw_sixteen_bit_files(tmp_path, run_script, channels):
    np.save(tmp_path / "deep.npy", small_images(16, channels=channels, dtype=np.uint16))
    common = ("--data", tmp_path / "deep.npy", "--epochs", 1, "--batch-size", 16, *QUICKEST)
    assert run_script(train, *common, "--run-dir", tmp_path / "run").status == 0
    for name in ("grid.png", "grid.tif", "array.npy"):
        assert run_script(generate, tmp_path / "run", "--output", tmp_path / name).status == 0
    grid = load_image(tmp_path / "grid.png")
    assert grid.dtype == np.uint16 and grid.shape[2] == channels
    assert len(np.unique(grid)) > 256, "16 bits, not 8 widened"
    np.testing.assert_array_equal(grid, load_image(tmp_path / "grid.tif"))
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy")[0], grid[: 4 * 16 : 4, : 4 * 16 : 4])


def test_pictures_for_screens_of_sixteen_bits_use_all_of_them(tmp_path, run_script):
    """Heights of at most 1,076 are not shown as the black that they are beside 65,535."""
    from PIL import Image

    heights = (small_images(16, channels=1, dtype=np.uint16) // 61).astype(np.uint16)
    heights[0, 0, 0] = 1076
    np.save(tmp_path / "heights.npy", heights)
    how = ("--data", tmp_path / "heights.npy", "--maximum", "data", "--epochs", 1, "--batch-size", 16)
    assert run_script(train, *how, *QUICKEST, "--run-dir", tmp_path / "run").status == 0
    assert run_script(generate, tmp_path / "run", "--walk", "0,1", "--steps", 2).status == 0
    for name in ("comparison.png", "progress.gif", "walk.gif"):
        with Image.open(tmp_path / "run" / name) as picture:
            middle = np.median(np.asarray(picture.convert("L")))  # the white between images is less than half
        assert 60 < middle < 200, f"{name} is black or white"
    assert load_image(tmp_path / "run" / "samples" / "epoch_0001.png").dtype == np.uint16


# Classes


@pytest.fixture(scope="module")
def conditional_run(image_file, tmp_path_factory):
    """Two epochs on images of the classes 0, 1, 2."""
    path = tmp_path_factory.mktemp("runs") / "conditional"
    how = ("--data", image_file, "--run-dir", path, "--epochs", 2, "--batch-size", 16, *QUICK)
    train_here(*how, "--conditional")
    return path


def test_grid_of_a_conditional_run_has_a_row_for_each_class(conditional_run, run_script, tmp_path):
    """With the names of the classes on the left."""
    how = ("--scale", 1, "--output")
    run_script(generate, conditional_run, "--columns", 5, *how, tmp_path / "all.png")
    sheet = load_image(tmp_path / "all.png")
    grid = sheet[8:-8, -8 - (5 * 16 + 4 * 2) : -8]
    names = sheet[:, : -grid.shape[1] - 8]
    assert grid.shape == (3 * 16 + 2 * 2, 5 * 16 + 4 * 2, 3) and all(
        (names[row : row + 16] < 128).any() for row in (8, 26, 44)
    )
    run_script(generate, conditional_run, "--class", "1", "--seeds", "0-4", *how, tmp_path / "one.png")
    np.testing.assert_array_equal(load_image(tmp_path / "one.png")[8:-8, -88 - 8 : -8], grid[18:34])
    assert not np.array_equal(grid[:16], grid[18:34])


def test_grid_after_an_epoch_is_that_of_generate(conditional_run, run_script, tmp_path):
    run_script(generate, conditional_run, "--scale", 1, "--output", tmp_path / "grid.png")
    last = load_image(conditional_run / "samples" / "epoch_0002.png")
    np.testing.assert_array_equal(load_image(tmp_path / "grid.png")[8:-8, -8 - last.shape[1] : -8], last)


def test_files_of_a_conditional_run_can_be_trained_on_again(conditional_run, run_script, tmp_path):
    from image_datasets import load_images

    run_script(generate, conditional_run, "--class", "2,0", "--seeds", "3,7", "--output", tmp_path / "files")
    loaded = load_images(tmp_path / "files")
    assert loaded.class_names == ("0", "2") and loaded.labels.tolist() == [0, 0, 1, 1]
    assert (tmp_path / "files" / "2" / "seed0007.png").exists()
    run_script(generate, conditional_run, "--count", 7, "--output", tmp_path / "turn")
    names = sorted(path.relative_to(tmp_path / "turn").as_posix() for path in (tmp_path / "turn").rglob("*.png"))
    assert names == [f"{seed % 3}/seed{seed:04d}.png" for seed in sorted(range(7), key=lambda seed: (seed % 3, seed))]


# Walks


def test_walk_goes_through_its_seeds(draw, tmp_path):
    draw("--walk", "3,8,5", "--steps", 4, "--scale", 1, "--output", tmp_path / "walk.png")
    draw("--seeds", "3,8,5", "--output", tmp_path / "ends.npy")
    walk, (first, second, third) = load_image(tmp_path / "walk.png"), np.load(tmp_path / "ends.npy")
    assert walk.shape == (2 * 16 + 2, 5 * 16 + 8, 3)
    for image, row, column in ((first, 0, 0), (second, 0, 72), (second, 18, 0), (third, 18, 72)):
        np.testing.assert_array_equal(walk[row : row + 16, column : column + 16], image)


def test_a_walk_with_a_mistyped_ending_is_told_of_animations_too(trained_run, tmp_path, run_script):
    outcome = run_script(generate, trained_run, "--walk", "0,5", "--output", tmp_path / "walk.gfi")
    assert outcome.status == 2 and ".png" in outcome.stderr and ".gif" in outcome.stderr and "'.gfi'" in outcome.stderr
    assert not list(tmp_path.iterdir())


def test_walk_may_pass_a_seed_twice(draw, tmp_path):
    draw("--walk", "3,8,3", "--steps", 2, "--scale", 1, "--output", tmp_path / "walk.png")
    walk = load_image(tmp_path / "walk.png")
    assert walk.shape == (2 * 16 + 2, 3 * 16 + 4, 3)
    np.testing.assert_array_equal(walk[:16, :16], walk[18:, 36:])
    draw("--seeds", "3,8,3", "--output", tmp_path / "once.npy")
    assert len(np.load(tmp_path / "once.npy")) == 2


def test_walk_as_an_animation_comes_back(draw, trained_run, tmp_path):
    from PIL import Image

    assert draw("--walk", "0,1", "--steps", 3) == str(trained_run / "walk.gif")
    with Image.open(trained_run / "walk.gif") as animation:
        assert animation.size == (128, 128) and animation.n_frames == 6


def test_walk_keeps_lengths_and_angles_even():
    latents = latents_from_seeds([4, 9], 100)
    (leg,) = walk_latents(latents, 10)
    np.testing.assert_array_equal(leg[[0, -1]], latents)
    lengths = np.linalg.norm(leg, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 11), rtol=1e-5)
    cosines = np.sum(leg[1:] * leg[:-1], axis=1) / (lengths[1:] * lengths[:-1])
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-5)
    (still,) = walk_latents(np.stack([latents[0], latents[0]]), 2)
    np.testing.assert_allclose(still, np.stack([latents[0]] * 3), rtol=1e-6)


def test_truncation_shortens_the_latents(draw, tmp_path):
    np.save(tmp_path / "half.npy", latents_from_seeds(range(3), 100) * np.float32(0.5))
    draw("--seeds", "0-2", "--truncation", 0.5, "--output", tmp_path / "short.npy")
    draw("--latents", tmp_path / "half.npy", "--output", tmp_path / "given.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "short.npy"), np.load(tmp_path / "given.npy"))


# Nearest and projected images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_nearest_images_are_those_of_plain_distances(dtype, monkeypatch):
    monkeypatch.setattr("drawing.neighbors.CHUNK", 7)
    draws = np.random.default_rng(0)
    images, candidates = (draws.integers(0, np.iinfo(dtype).max + 1, (n, 6, 5, 3), dtype) for n in (4, 30))
    candidates[[3, 20]] = images[2]
    indices, distances = nearest_images(images, ImageSet("candidates", candidates), 3)
    differences = images[:, np.newaxis].astype(np.float64) - candidates
    expected = np.sqrt(np.mean(differences**2, axis=(2, 3, 4)))
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :3], rtol=1e-12)
    assert indices[2, :2].tolist() == [3, 20] and distances[2, 0] == 0


def test_nearest_shows_the_images_beside_their_training_images(draw, trained_run, tmp_path):
    how = ("--scale", 1, "--output")
    lines = draw("--seeds", "0-2", "--nearest", 2, *how, tmp_path / "near.png").splitlines()
    assert len(lines) == 4 and all("levels" in line for line in lines[:3])
    draw("--seeds", "0-2", "--output", tmp_path / "own.npy")
    picture, (first, *_) = load_image(tmp_path / "near.png"), np.load(tmp_path / "own.npy")
    distances = [float(number) for number in lines[0].split()[4:6]]
    assert stands_in(picture, first)
    near = [image for image in small_images() if stands_in(picture, image)]
    found = sorted(np.sqrt(np.mean((image.astype(float) - first) ** 2)) for image in near)
    assert all(np.abs(np.array(found) - distance).min() < 0.06 for distance in distances)


def stands_in(picture: np.ndarray, image: np.ndarray) -> bool:
    """Whether the picture holds the image, pixel for pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, image.shape)
    return bool((windows == image).all(axis=(-3, -2, -1)).any())


def test_a_scale_is_for_pictures_of_a_size_that_can_be_written(trained_run, run_script, tmp_path):
    for words in (("--output", tmp_path / "files"), ("--output", tmp_path / "a.npy"), ("--rows", 2, "--columns", 2)):
        outcome = run_script(generate, trained_run, "--scale", 400, *words)
        assert outcome.status == 2 and "--scale" in outcome.stderr and not list(tmp_path.iterdir())


def test_nearest_asks_for_images_that_have_moved(trained_run, run_script, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    home = run.config.data
    run.with_config(dataclasses.replace(run.config, data="gone"))
    words = (run.path, "--seeds", "0-2", "--nearest", 2, "--output", tmp_path / "near.png")
    outcome = run_script(generate, *words)
    assert outcome.status == 2 and "pass --data" in outcome.stderr and not (tmp_path / "near.png").exists()
    assert run_script(generate, *words, "--data", home).status == 0
    np.save(tmp_path / "other.npy", small_images()[::-1])
    outcome = run_script(generate, *words, "--data", tmp_path / "other.npy")
    assert outcome.status == 2 and "other pixels" in outcome.stderr


def test_projection_recovers_what_the_generator_drew(draw, tmp_path):
    draw("--seeds", "900,901", "--output", tmp_path / "own.npy")
    out = draw("--project", tmp_path / "own.npy", "--output", tmp_path / "p.png", "--save-latents", tmp_path / "z.npy")
    errors = [float(line.split()[4]) for line in out.splitlines()[:2]]
    assert max(errors) < 2.0, out
    draw("--latents", tmp_path / "z.npy", "--output", tmp_path / "again.npy")
    own, again = np.load(tmp_path / "own.npy").astype(float), np.load(tmp_path / "again.npy")
    np.testing.assert_allclose(np.sqrt(np.mean((own - again) ** 2, axis=(1, 2, 3))), errors, atol=0.06)


def test_projection_reads_images_as_the_run_does(draw, trained_run, run_script, tmp_path, monkeypatch):
    """From an .npz as generate.py writes it; from a file with transparency when the run was trained on such."""
    from PIL import Image

    draw("--seeds", "900", "--output", tmp_path / "own.npz")
    assert "error 0" in draw("--project", tmp_path / "own.npz", "--output", tmp_path / "p.png")
    Image.fromarray(np.dstack([small_images(1)[0], np.full((16, 16), 128, np.uint8)])).save(tmp_path / "clear.png")
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = (run / "config.json").read_text()
    assert config.count('"alpha": null') == 1
    (run / "config.json").write_text(config.replace('"alpha": null', '"alpha": "white"'))
    monkeypatch.setattr("drawing.projection.STEPS", 1)
    outcome = run_script(generate, run, "--project", tmp_path / "clear.png")
    assert outcome.status == 0, outcome.stderr


def test_projection_of_a_training_image_beats_a_thousand_seeds(draw, tmp_path):
    image = small_images()[5]
    np.save(tmp_path / "image.npy", image)
    out = draw("--project", tmp_path / "image.npy", "--seed", 2000, "--output", tmp_path / "p.png")
    draw("--count", 1000, "--output", tmp_path / "many.npy")
    drawn = np.load(tmp_path / "many.npy").astype(float)
    best = np.sqrt(np.mean((drawn - image) ** 2, axis=(1, 2, 3))).min()
    assert float(out.split("error ")[1].split()[0]) < best
