"""The page of export.py: its arithmetic, and the page itself in a real browser where there is one."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from browser import Browser, Firefox
from conftest import small_images
from keras import layers
from test_export import make_run, sixteen_bits  # noqa: F401 (fixtures)

import export
import generate
from exporting import page
from exporting.comparison import Difference
from exporting.steps import draw_steps, steps_of
from exporting.trained import TrainedGenerator
from files import load_arrays
from imaging import load_image
from models.sampling import latents_from_seeds, walk_latents
from runs import RunFolder

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "example-run"
needs_browser = pytest.mark.skipif(page.find_browser() is None, reason="no Chromium or Chrome is installed")


def filled_in(network: keras.Sequential) -> keras.Sequential:
    """With random weights, those that are one or zero at first included; variances stay positive."""
    random = np.random.default_rng(0)
    weights = [random.uniform(0.1, 0.6, weight.shape) - 0.35 * (weight.ndim > 1) for weight in network.get_weights()]
    network.set_weights(weights)
    return network


NETWORKS = {
    "kernels shorter, equal and longer than the stride": [
        layers.Dense(3 * 5 * 6),
        layers.Reshape((3, 5, 6)),
        layers.Conv2DTranspose(5, 1, 2, "same", activation="relu"),
        layers.Conv2DTranspose(4, 2, 2, "same", use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(0.2),
        layers.Conv2DTranspose(4, 3, 2, "same", activation="leaky_relu"),
        layers.Conv2DTranspose(3, (5, 4), 1, "same", activation="tanh"),
    ],
    "convolutions after enlarging, with normalization before the activation of nothing": [
        layers.Dense(2 * 2 * 9),
        layers.Reshape((2, 2, 9)),
        layers.UpSampling2D((2, 3)),
        layers.BatchNormalization(scale=False),
        layers.Conv2D(7, (4, 3), padding="same"),
        layers.BatchNormalization(center=False),
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.BatchNormalization(),
        layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
    ],
    "doublings that average neighbors": [
        layers.Dense(3 * 5 * 6),
        layers.Reshape((3, 5, 6)),
        layers.Conv2DTranspose(5, 3, 2, use_bias=False),
        layers.AveragePooling2D(2, 1),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(3, 3, 2),
        layers.AveragePooling2D(2, 1),
        layers.Activation("tanh"),
    ],
    "fully connected only": [
        layers.Dense(20, activation="relu"),
        layers.Dense(48),
        layers.Activation("linear"),
        layers.Reshape((4, 4, 3)),
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_steps_draw_what_keras_draws(name):
    network = filled_in(keras.Sequential([keras.Input((10,)), *NETWORKS[name]]))
    inputs = latents_from_seeds(range(4), 10)
    expected = network(inputs).numpy()
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(draw_steps(steps_of(network), inputs), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(),
        layers.Conv2D(4, 3, 2, "same"),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.UpSampling2D(interpolation="bilinear"),
        layers.Activation("softplus"),
        layers.ReLU(max_value=6.0),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_that_a_page_cannot_draw_is_named(layer):
    network = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Reshape((4, 4, 4)), layer])
    with pytest.raises(ValueError, match=f"expected layers that a page can compute, got .*{layer.name}"):
        steps_of(network)


def test_whitening_is_a_step_of_the_page(make_run):  # noqa: F811
    run = make_run(small_images(), scaling="zca")
    generator = TrainedGenerator.of(RunFolder.open(run))
    drawn = draw_steps(page.pixel_steps(generator), generator.latents)
    levels = np.rint(drawn).clip(0, 255).astype(np.uint8)
    assert Difference.between(levels, generator.drawn).levels <= 1 and np.ptp(levels) > 50


def test_the_program_of_the_page_is_what_its_text_says():
    wasmtime = pytest.importorskip("wasmtime")
    folder = Path(page.__file__).parent / "page"
    assert wasmtime.wat2wasm((folder / "convolve.wat").read_text()) == (folder / "convolve.wasm").read_bytes()


def test_without_a_browser_the_page_is_checked_in_numpy(sixteen_bits, tmp_path, monkeypatch, run_script):  # noqa: F811
    monkeypatch.setattr(page, "BROWSERS", ())
    outcome = run_script(export, sixteen_bits, "--output", tmp_path / "page.html", "--title", "Cats & <dogs>")
    assert outcome.status == 0 and "NumPy, as no Chromium was found" in outcome.stdout, outcome.stderr
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>Cats &amp; &lt;dogs></h1>" in text or "<h1>Cats &amp; &lt;dogs&gt;</h1>" in text
    assert "it's <b>" not in text, "a class name is data"
    description = json.loads(text.split('<script id="description" type="application/json">')[1].split("</script>")[0])
    assert description["class_names"][2] == "it's <b>"
    assert not [word for word in ("http://", "https://") if word in text], "nothing is fetched"


def test_raw_pages_and_titles_of_files_are_refused(trained_run, tmp_path, run_script):
    for arguments in (["page.html", "--raw"], ["page.html", "--channels-first"], ["x.onnx", "--title", "Mine"]):
        outcome = run_script(export, trained_run, "--output", tmp_path / arguments[0], *arguments[1:])
        assert outcome.status == 2 and "leave" in outcome.stderr and not list(tmp_path.iterdir())


def levels_on_screen(browser: Browser) -> list[int]:
    return browser.run("Array.from(state.drawn.levels)")


@needs_browser
@pytest.mark.slow
def test_the_page_in_a_browser_from_disk_without_network(trained_run, tmp_path, run_script):
    assert run_script(export, trained_run, "--output", tmp_path / "page.html").status == 0
    outcome = run_script(generate, trained_run, "--seeds", "7,8", "--output", tmp_path / "faces")
    assert outcome.status == 0
    seven, eight = (load_image(tmp_path / f"faces/seed000{seed}.png") for seed in (7, 8))
    with Browser() as browser:
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
        browser.open(tmp_path / "page.html")
        browser.wait("document.querySelectorAll('#grid [data-drawn]').length === 24")
        assert int(browser.run("document.body.dataset.checked")) <= 1
        assert browser.run("document.getElementById('notice').hidden")

        browser.run("document.getElementById('seed').value = 7; document.getElementById('seed').onchange()")
        browser.wait("document.body.dataset.drawn === 'seed0007'")
        drawn = np.array(levels_on_screen(browser)).reshape(seven.shape)
        assert np.abs(drawn - seven).max() <= 1

        browser.press("d", 68)
        download = tmp_path / "downloads" / "seed0007.png"
        browser.wait(download.exists)
        assert np.array_equal(load_image(download), drawn), "the file holds what is on screen"

        browser.run("document.body.focus()")
        browser.press("ArrowRight", 39)
        browser.wait("document.body.dataset.drawn === 'seed0008'")
        assert np.abs(np.array(levels_on_screen(browser)).reshape(eight.shape) - eight).max() <= 1

        slide = "const s = document.getElementById('direction0'); s.value = 3; s.oninput()"
        browser.run(slide)
        browser.wait("document.body.dataset.drawn === 'latents'")
        moved = np.array(levels_on_screen(browser)).reshape(eight.shape)
        assert np.abs(moved - eight).max() > 1, "a slider changes the picture"
        (tmp_path / "latents.json").write_text(browser.run("document.getElementById('latents').value"))
        line = (trained_run, "--seeds", 8, "--direction", 1, "--steps", 3, "--output", tmp_path / "along")
        assert run_script(generate, *line).status == 0
        assert np.abs(load_image(tmp_path / "along/seed0008-step02.png") - moved).max() <= 1
        line = (trained_run, "--latents", tmp_path / "latents.json", "--output", tmp_path / "back")
        assert run_script(generate, *line).status == 0
        assert np.abs(load_image(tmp_path / "back/latent0000.png") - moved).max() <= 1

        browser.press("0", 48)
        browser.wait("document.body.dataset.drawn === 'seed0008'")
        browser.press(" ", 32)
        browser.wait("state.walking && state.walking.to === 10")
        browser.press(" ", 32)
        browser.wait("!state.walking && ['latents', 'seed0009'].includes(document.body.dataset.drawn)")
        (latents,) = json.loads(browser.run("document.getElementById('latents').value"))
        road = walk_latents(latents_from_seeds([9, 10], 100), 1000)[0]
        assert np.abs(road - np.array(latents)).max(axis=1).min() < 0.05, "the walk keeps to its road"
        for width in (400, 768, 1600):
            browser.resize(width, 900)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.messages() == []


@needs_browser
@pytest.mark.slow
def test_a_conditional_run_of_sixteen_bits_in_a_browser(sixteen_bits, tmp_path, run_script):  # noqa: F811
    outcome = run_script(export, sixteen_bits, "--output", tmp_path / "page.html")
    assert outcome.status == 0 and "opened in chrom" in outcome.stdout, outcome.stderr
    line = (sixteen_bits, "--seeds", 3, "--class", "it's <b>", "--output", tmp_path / "images.npy")
    assert run_script(generate, *line).status == 0
    (expected,) = load_arrays(tmp_path / "images.npy")
    with Browser(400, 800, dark=True) as browser:
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
        browser.open(tmp_path / "page.html")
        browser.wait("document.querySelectorAll('#grid [data-drawn]').length === 24")
        browser.run("document.querySelectorAll('#classes input')[2].click()")
        browser.run("document.querySelectorAll('#grid button')[3].click()")
        browser.wait("document.body.dataset.drawn.endsWith('seed0003')")
        browser.run("document.getElementById('download').click()")
        download = tmp_path / "downloads" / "it_s _b_-seed0003.png"
        browser.wait(download.exists)
        image = load_image(download)
        assert image.dtype == np.uint16 and image.shape == (16, 16, 1)
        assert np.abs(image.astype(int) - expected).max() <= 1
        assert browser.messages() == []


@pytest.mark.slow
@pytest.mark.skipif(Firefox.find() is None, reason="no Firefox is installed")
def test_the_page_of_the_example_in_firefox(tmp_path, run_script):
    """It draws seed 7 as generate.py does, moves a slider, plays a walk, and fits a telephone and a desk."""
    assert run_script(generate, EXAMPLE, "--seeds", 7, "--class", 5, "--output", tmp_path).status == 0
    expected = load_image(tmp_path / "5" / "seed0007.png").astype(int)
    with Firefox() as browser:
        browser.open(EXAMPLE / "page.html")
        browser.wait("document.querySelectorAll('#grid [data-drawn]').length === 24")
        assert int(browser.run("document.body.dataset.checked")) <= 1
        browser.run("document.querySelectorAll('#classes input')[5].click()")
        browser.run("document.querySelectorAll('#grid button')[7].click()")
        browser.wait("document.body.dataset.drawn === '5-seed0007'")
        assert np.abs(np.array(levels_on_screen(browser)) - expected.ravel()).max() <= 1
        browser.run("document.getElementById('direction0').stepUp(10)")
        browser.run("document.getElementById('direction0').oninput()")
        browser.wait("document.body.dataset.drawn === '5-latents'")
        assert np.abs(np.array(levels_on_screen(browser)) - expected.ravel()).max() > 1
        browser.run("document.getElementById('walk').click()")
        browser.wait("state.walking && state.walking.to >= 8")
        for width in (400, 1600):
            browser.resize(width, 900)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.messages() == []
