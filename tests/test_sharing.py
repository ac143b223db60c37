"""docs/sharing.md from top to bottom, and the example run that it offers."""

import io
import shlex
import shutil
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_documentation import EXPORTS, ROOT, SHARING, blocks_of

import export
import generate
from exporting.comparison import Difference
from exporting.trained import TrainedGenerator
from imaging import image_grid, load_image
from runs import RunFolder

EXAMPLE = ROOT / "docs" / "example-run"


def test_the_example_run_draws_what_its_grid_shows():
    """On another processor a value may round the other way."""
    generator = TrainedGenerator.of(RunFolder.open(EXAMPLE))
    grid = load_image(EXAMPLE / "grid.png")
    assert Difference.between(image_grid(generator.drawn, 8, 8), grid).levels <= 1
    page = (EXAMPLE / "page.html").read_text(encoding="utf-8")
    assert generator.metadata["generator_sha256"] in page, "page and generator belong together"
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*")) < 4e6


def test_the_card_of_the_example_run_says_how_to_use_it(monkeypatch):
    monkeypatch.chdir(EXAMPLE)
    (block,) = [block for block in blocks_of(EXAMPLE / "README.md") if block.language == "python"]
    namespace: dict = {}
    exec(block.text, namespace)
    assert namespace["pixels"].shape == (16, 16, 16, 3) and np.ptp(namespace["pixels"]) > 100


@pytest.mark.slow
def test_the_page_about_sharing_runs_from_top_to_bottom(trained_run, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_run, "runs/mine")
    assert len(EXPORTS) == 6
    for command in sorted(EXPORTS):
        assert run_script(export, *shlex.split(command)[2:]).status == 0, command
    assert {path.name for path in Path("share").iterdir()} >= {"generator.keras", "page.html", "README.md", "grid.png"}

    namespace: dict = {"__name__": "page"}
    for block in blocks_of(SHARING):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(SHARING), "exec"), namespace)

    server = namespace["server"]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/7") as answer:
            served = np.asarray(Image.open(io.BytesIO(answer.read())))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert run_script(generate, "runs/mine", "--seeds", 7, "--output", "own").status == 0
    assert np.abs(load_image("own/seed0007.png").astype(int) - served).max() <= 1
