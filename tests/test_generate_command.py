"""generate.py as its help describes it."""

import shutil

import numpy as np
import pytest
from conftest import small_images

import generate
import train
from imaging import load_image
from sampling import latents_from_seeds


@pytest.fixture
def draw(trained_run, run_script):
    """generate.py on the trained run; returns the one line of standard output."""

    def run(*arguments) -> str:
        outcome = run_script(generate, trained_run, *arguments)
        assert outcome.status == 0, outcome.stderr
        assert outcome.stderr == "", "quiet when standard error is no terminal"
        return outcome.stdout.strip()

    return run


def test_default_grid_goes_into_the_run_folder(draw, trained_run):
    assert draw() == str(trained_run / "samples.png")
    assert load_image(trained_run / "samples.png").shape == (8 * 16 + 14, 8 * 16 + 14, 3)


def test_rows_columns_seed_and_output(draw, tmp_path):
    draw("--rows", 2, "--columns", 3, "--seed", 7, "--output", tmp_path / "grid.png")
    draw("--seeds", "7-12", "--output", tmp_path / "faces")
    grid = load_image(tmp_path / "grid.png")
    assert grid.shape == (2 * 16 + 2, 3 * 16 + 4, 3)
    np.testing.assert_array_equal(grid[:16, :16], load_image(tmp_path / "faces" / "seed0007.png"))
    np.testing.assert_array_equal(grid[18:, 36:], load_image(tmp_path / "faces" / "seed0012.png"))


def test_seeds_are_files_arrays_and_grids_of_the_same_images(draw, tmp_path):
    draw("--seeds", "0-2,12", "--output", tmp_path / "files")
    draw("--seeds", "0-2,12", "--output", tmp_path / "array.npy")
    draw("--seeds", "0-2,12", "--output", tmp_path / "array.npz")
    draw("--seeds", "0-2,12", "--output", tmp_path / "grid.tif")
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
    common = ("--data", tmp_path / "deep.npy", "--epochs", 1, "--batch-size", 16, "--precision", "float32")
    assert run_script(train, *common, "--run-dir", tmp_path / "run").status == 0
    for name in ("grid.png", "grid.tif", "array.npy"):
        assert run_script(generate, tmp_path / "run", "--output", tmp_path / name).status == 0
    grid = load_image(tmp_path / "grid.png")
    assert grid.dtype == np.uint16 and grid.shape[2] == channels
    assert len(np.unique(grid)) > 256, "16 bits, not 8 widened"
    np.testing.assert_array_equal(grid, load_image(tmp_path / "grid.tif"))
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy")[0], grid[:16, :16])
