"""An option is written once: what the parser takes, what the config takes and what the page says are one."""

import argparse
import ast
import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest

import evaluate
import generate
import train
from benchmarks.house_table import house_files
from config import LOSSES, PRESETS, TrainingConfig
from image_datasets import ReadingOptions
from options import Choice, Flag, Level, Names, Number, Range, Size, Whole, converter, options_of

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = options_of(TrainingConfig)
# A text that each kind refuses, as the command line gives it; and a value of Python that it refuses.
REFUSED = {
    Whole: ("0.5", -1),
    Number: ("nan", float("nan")),
    Choice: ("anything", "anything"),
    Names: ("cutout,cutout", ("cutout", "cutout")),
    Size: ("big", (0, 16)),
    Level: ("-1", 0.0),
    Range: ("1,0", (0.0, float("inf"))),
}


def parse(*words: str) -> argparse.Namespace:
    return train.build_parser().parse_args(words)


def test_the_kinds_of_all_options_are_tried():
    kinds = {type(one.kind) for one in OPTIONS.values()}
    assert {kind.__name__ for kind in kinds - set(REFUSED)} == {"Text", "Flag"}, "kinds that refuse nothing as text"


@pytest.mark.parametrize("name", [name for name, one in OPTIONS.items() if type(one.kind) in REFUSED])
def test_command_line_and_config_refuse_in_the_same_words(name, capsys):
    text, value = REFUSED[type(OPTIONS[name].kind)]
    with pytest.raises(SystemExit) as left:
        parse(f"--{name.replace('_', '-')}", text)
    assert left.value.code == 2
    assert f"expected {OPTIONS[name].kind.wanted}, got {text!r}" in capsys.readouterr().err
    with pytest.raises(ValueError) as refused:
        TrainingConfig(**{name: value})
    assert str(refused.value) == f"expected {name} to be {OPTIONS[name].kind.wanted}, got {value!r}"


@pytest.mark.parametrize("name", [name for name, one in OPTIONS.items() if isinstance(one.kind, (Whole, Number))])
def test_bounds_hold_on_both_sides(name):
    kind = OPTIONS[name].kind
    least = getattr(kind, "least", None)
    assert kind.fits(least) if least is not None else not kind.fits(kind.above)
    assert not kind.fits((least if least is not None else kind.above) - 1)
    assert kind.below is None or not kind.fits(kind.below)
    assert not kind.fits(True) and not kind.fits("1")


def test_without_options_the_config_is_the_default():
    assert train.explicit_choices(parse()) == {}
    assert TrainingConfig.of() == TrainingConfig()


def test_every_field_is_an_option_of_its_name():
    of_the_program = ("smooth", "start_sha256")  # train.py fills them in
    fields = [field for field in dataclasses.fields(TrainingConfig) if field.name not in of_the_program]
    assert [field.name for field in fields] == list(OPTIONS)
    for field in fields:
        kind = OPTIONS[field.name].kind
        choice = {"loss": "hinge", "preset": "dcgan"}.get(field.name, field.default)
        if isinstance(kind, Flag):
            assert train.explicit_choices(parse(f"--{field.name.replace('_', '-')}")) == {field.name: True}
        elif field.default not in (None, ()):
            given = train.explicit_choices(parse(f"--{field.name.replace('_', '-')}", str(choice)))
            assert given == {field.name: choice} and type(given[field.name]) is type(choice)


def test_every_option_is_read():
    """One that nothing reads would be kept in config.json, and change nothing."""
    read = {field.name for field in dataclasses.fields(ReadingOptions)}  # which takes them by name
    for path in house_files(ROOT):
        if path.name != "config.py":
            read |= settings_read_in(path)
    assert not set(OPTIONS) - read, "declared in config.py, and read nowhere"


def settings_read_in(path: Path) -> set[str]:
    """`config.name`, `self.config.name` and so on."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    return {node.attr for node in attributes if ast.unparse(node.value).endswith("config")}


def test_names_in_messages_and_help_come_from_the_tuples(capsys):
    with pytest.raises(ValueError, match=" or ".join(LOSSES)):
        TrainingConfig(loss="wgan")
    with pytest.raises(ValueError, match=" or ".join(PRESETS)):
        TrainingConfig(preset="stylegan")
    with pytest.raises(SystemExit):
        parse("--help")
    assert "--loss {" + ",".join(LOSSES) + "}" in capsys.readouterr().out


def test_older_spellings_are_accepted_and_not_shown(capsys):
    assert train.explicit_choices(parse("--spectral-normalisation", "--augmentation", "colour,cutout")) == {
        "spectral_normalization": True,
        "augmentation": ("color", "cutout"),
    }
    with pytest.raises(SystemExit):
        parse("--help")
    shown = capsys.readouterr().out
    assert "normalisation" not in shown and "colour," not in shown and "--spectral-normalization" in shown


def test_a_config_goes_through_json_and_back():
    config = TrainingConfig(image_size=(32, 48), augmentation=("color", "cutout"), maximum=4095.0, evaluate_every=2)
    assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == (config, ())


def test_a_config_in_the_old_spelling_opens():
    document = TrainingConfig(augmentation=("color",), spectral_normalization=True).to_json()
    document["augmentation"] = ["colour"]
    document["spectral_normalisation"] = document.pop("spectral_normalization")
    config, unknown = TrainingConfig.from_json(json.loads(json.dumps(document)))
    assert not unknown and config.augmentation == ("color",) and config.spectral_normalization


def test_values_of_another_type_are_refused():
    for name, value in (("epochs", "3"), ("epochs", True), ("r1", "1"), ("data", 7), ("conditional", 1), ("seed", 1.0)):
        with pytest.raises(ValueError, match=f"expected {name} to be"):
            TrainingConfig(**{name: value})


def test_a_size_is_height_by_width():
    size = converter(Size())
    assert size("64") == (64, 64) and size("48x80") == size("48×80") == (48, 80)


@pytest.mark.parametrize("script", [train, generate, evaluate], ids=lambda script: script.__name__)
def test_scripts_share_what_is_the_same(script):
    """Where scripts have an option of the same name as train.py's for image files, it takes the same values."""
    of_train = {action.dest: action for action in train.build_parser()._actions}
    for action in script.build_parser()._actions:
        if action.dest in ("image_size", "channels", "alpha", "cmyk", "cache"):
            assert action.metavar == of_train[action.dest].metavar


def test_the_page_of_options_is_current(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    tables = importlib.import_module("option_tables")
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page(), "run python docs/option_tables.py"
