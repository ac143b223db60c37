"""What a run says about itself: a page that stands alone, a card that is right, and nobody's own words overwritten."""

import base64
import dataclasses
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from config import RECIPE, REGULARIZERS, TrainingConfig
from image_datasets import ImageSet
from options import options_of
from preprocessing import PixelScaler
from runs import RunFolder
from training import report

VOID = {"meta", "img", "source"}  # elements without an end
ADDRESSES = {"src", "srcset", "href"}


class Elements(HTMLParser):
    """The elements and the text of a page; a wrongly nested one is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data


@pytest.fixture
def run(trained_run, tmp_path) -> RunFolder:
    shutil.copytree(trained_run, tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


def images_of(run: RunFolder, **changes) -> ImageSet:
    images = np.zeros((run.image_total, *run.image_shape), run.image_dtype)
    known = {"labels": np.arange(run.image_total) % 3, "class_names": ("0", "1", "2")}
    return ImageSet("small", images, **(known | changes))


def test_a_finished_run_has_a_page_that_needs_nothing_else(run):
    elements = Elements((run.path / "report.html").read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in elements.found}
    addresses = [attributes[name] for _, attributes in elements.found for name in attributes if name in ADDRESSES]
    assert all(address.startswith("data:image/") for address in addresses)
    inside = {base64.b64decode(address.split(",")[1]) for address in addresses}
    for name in ("comparison.png", "progress.gif", "losses.png", "scores.png", "samples/epoch_0002.png"):
        assert (run.path / name).read_bytes() in inside, name
    for words in ("2 of 2", "--resume --epochs 4", "(16)", run.fingerprint, "dcgan"):
        assert words in elements.text, words
    assert all(attributes.get("alt") for tag, attributes in elements.found if tag == "img")


def test_a_run_that_its_minutes_end_goes_on_with_more_of_them(run):
    """It has a million epochs to go, of which nobody wants to read."""
    timed = dataclasses.replace(run, config=dataclasses.replace(run.config, minutes=6.0, epochs=1_000_000))
    text = Elements(report.report_page(timed, images_of(run))).text
    assert "--resume --minutes 12" in text and "epochs: 2 in" in text
    page = text.split("Settings")[0]
    assert "1000000" not in page and "2000000" not in page and "--epochs" not in page


def test_names_from_files_are_words_and_no_markup(run):
    bad = ("<script>alert(1)</script>", "a & b", '"><img src=x>')
    images = images_of(run, class_names=bad)
    elements = Elements(report.report_page(run, images))
    assert "script" not in {tag for tag, _ in elements.found} and bad[0] in elements.text
    card = report.model_card(dataclasses.replace(run, class_names=bad), images)
    assert not re.search(r"(?<!\\)<", card)


def test_a_card_that_somebody_changed_is_left_alone(run):
    card = run.path / "README.md"
    first = card.read_text(encoding="utf-8")
    card.write_text(first.replace("license: other", "license: mit"), encoding="utf-8")
    report.write_report(run, images_of(run))
    assert "license: mit" in card.read_text(encoding="utf-8")
    card.write_text(first, encoding="utf-8")
    report.write_report(run, images_of(run, labels=None, class_names=()))
    assert "Classes" in first and "Classes" not in card.read_text(encoding="utf-8")


def test_the_card_has_front_matter_and_shows_no_path_and_no_training_image(run):
    card = (run.path / "README.md").read_text(encoding="utf-8")
    front = card.split("---\n")[1]
    assert "library_name: keras\n" in front and re.search(r"^license: ", front, re.MULTILINE)
    for name, one in options_of(TrainingConfig).items():
        if one.group in (RECIPE, REGULARIZERS):
            assert f"| {name} |" in card.replace("\\", ""), "a reader cannot train the same without it"
    assert str(run.path.parent) not in card and run.config.data not in card
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", card)
    assert pictures == ["samples/epoch_0002.png"] and (run.path / pictures[0]).exists()


@pytest.mark.parametrize("mode", ["normalize", "tanh", "standardize"])
@pytest.mark.parametrize("dtype, maximum", [("uint8", None), ("uint16", None), ("uint16", 4095.0)])
def test_the_cards_code_gives_the_levels_back(run, mode, dtype, maximum, monkeypatch):
    """With a generator that draws every level, scaled as the run scales them."""
    if mode == "standardize" and maximum:
        pytest.skip("it divides by no maximum")
    highest = int(maximum or np.iinfo(dtype).max)
    levels = np.arange(0, highest + 1, max(1, highest // 4095)).astype(dtype).reshape(1, -1, 1, 1)
    scaler = PixelScaler(mode, maximum=maximum).fit(levels)
    scaler.save(run.path / "preprocessing.json")
    config = dataclasses.replace(run.config, scaling=mode, maximum=maximum)
    code = report._sampling_code(dataclasses.replace(run, config=config, image_dtype=dtype))
    monkeypatch.chdir(run.path)
    names = {"np": np, "generator": lambda latents, training: scaler.transform(levels)}
    exec(code, names)  # the code block that the card prints
    assert names["pixels"].dtype == dtype and names["latents"].shape == (16, 100)
    np.testing.assert_array_equal(names["pixels"], levels)
