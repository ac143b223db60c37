"""Names in pictures: in letters that a font has, else as numbers, with a line that says what they stand for."""

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

import drawing.fonts
from drawing.fonts import drawable, drawable_names, font_file, font_for, legend
from drawing.sheets import Panel, draw_sheet
from training.plots import plot_losses

CAT = "猫"


@pytest.fixture
def only_dejavu(monkeypatch):
    """As on a machine with no fonts but Matplotlib's own."""
    own = [entry for entry in font_manager.fontManager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    drawing.fonts._path_of_font.cache_clear()
    yield
    drawing.fonts._path_of_font.cache_clear()


@pytest.fixture
def font_with_a_cat(tmp_path, only_dejavu):
    """An installed font whose one letter is a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for place in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(place)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord(CAT): "cat"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "cat": (700, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Cats", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path / "cats.ttf"
    builder.save(path)
    font_manager.fontManager.addfont(path)
    return path


def test_a_font_is_chosen_by_the_letters_it_has(font_with_a_cat):
    assert font_for("cat", 12).getname()[0] == "Aileron" and font_for("кот", 12).getname()[0] == "DejaVu Sans"
    assert font_file(CAT) == str(font_with_a_cat) and font_file("cat") is None
    assert drawable_names(["dog", CAT]) == ("dog", CAT) and legend(["dog", CAT]) == ""
    sheet = draw_sheet([Panel(np.full((1, 16, 16, 1), 255, np.uint8), 1)], row_names=[CAT])
    assert (sheet[:, :12] == 0).sum() > 20  # the square


def test_without_a_font_a_number_stands_for_a_class_and_a_line_says_so(only_dejavu):
    assert drawable_names(["dog", CAT]) == ("dog", "1")
    assert legend(["dog", CAT]) == f"no installed font has the letters of some classes; in pictures 1 is {CAT}"
    assert drawable(f"a {CAT}") == r"a \u732b"


@pytest.mark.filterwarnings("error")
def test_the_name_of_a_run_is_drawn_without_a_warning(only_dejavu, tmp_path, capfd):
    plot_losses(tmp_path / "losses.png", np.zeros((4, 2)), 2, f"{CAT} $x: r1gan")
    assert capfd.readouterr().err == "" and (tmp_path / "losses.png").exists()


def test_the_grid_of_a_conditional_run_says_what_its_numbers_are(only_dejavu, tmp_path, run_script):
    import train

    images = np.zeros((8, 16, 16, 1), np.uint8)
    np.savez(tmp_path / "cats.npz", images=images, labels=np.array([CAT, "dog"] * 4))
    arguments = ("--data", tmp_path / "cats.npz", "--conditional", "--batch-size", 4, "--precision", "float32")
    outcome = run_script(train, *arguments, "--preset", "tutorial", "--dry-run")
    assert outcome.status == 0 and f"in pictures 1 is {CAT}\n" in outcome.stderr
