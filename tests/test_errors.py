"""One language for errors: Python's names in Python, options on a command line."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import evaluate
import export
import generate
import train
from command_line import ArgumentParser, one_line_errors
from errors import InputError, InputTypeError, Parameter, words
from imaging import ImageFileError

ROOT = Path(__file__).resolve().parent.parent
SPEAK_OF_OPTIONS = ("train.py", "generate.py", "evaluate.py", "export.py", "command_line.py", "options.py")


def parser(*options: str) -> ArgumentParser:
    made = ArgumentParser(prog="draw.py")
    for option in options:
        made.add_argument(option)
    return made


ERROR = InputError(
    ("expected ", Parameter("alpha"), " for photo.png, got none"),
    ("pass ", Parameter("alpha", "white"), " or ", Parameter("alpha", "my own")),
    "save it opaque",
)


def test_python_reads_its_own_names():
    assert isinstance(ERROR, ValueError) and isinstance(InputTypeError("x"), TypeError)
    assert (
        str(ERROR) == "expected alpha for photo.png, got none; pass alpha='white' or alpha='my own' or save it opaque"
    )


def test_a_command_reads_its_options():
    assert parser("--alpha").error_line(ERROR) == (
        "draw.py: error: expected --alpha for photo.png, got none; "
        "pass --alpha white or --alpha 'my own' or save it opaque"
    )


def test_a_way_out_that_a_command_lacks_is_left_out():
    assert parser("--beta").error_line(ERROR) == (
        "draw.py: error: expected alpha for photo.png, got none; save it opaque"
    )


def test_an_option_is_named_as_the_script_names_it():
    made = ArgumentParser(prog="draw.py")
    made.add_argument("--class", dest="classes")
    assert made.error_line(InputError(("expected one ", Parameter("classes")))).endswith("expected one --class")


def test_an_error_about_a_file_keeps_its_kind_and_its_parts():
    named = ImageFileError("expected grey, got CMYK", ("pass ", Parameter("cmyk", "convert"))).about("a.jpg")
    assert type(named) is ImageFileError
    assert str(named) == "a.jpg: expected grey, got CMYK; pass cmyk='convert'"
    assert parser("--cmyk").error_line(named).endswith("a.jpg: expected grey, got CMYK; pass --cmyk convert")


def test_braces_and_percent_signs_of_a_file_name_are_left_alone():
    assert str(InputError("expected a file, got '{0}%s'").about("{1}")) == "{1}: expected a file, got '{0}%s'"


def test_errors_leave_a_command_in_one_line(capsys):
    with pytest.raises(SystemExit) as left, one_line_errors(parser("--alpha")):
        raise ERROR.about("two\nlines")
    assert left.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_a_mistyped_option_is_answered_with_the_one_that_is_like_it(capsys):
    asked = {"--alhpa=white": "--alpha", "--size": "--image-size", "--epoch": "--epochs"}
    answers = {typed: f"; did you mean {option}?; see " for typed, option in asked.items()} | {"--zzz": ": --zzz; see "}
    for typed, answer in answers.items():
        with pytest.raises(SystemExit):
            parser("--seed", "--alpha", "--image-size", "--epochs").parse_args([typed])
        assert answer in capsys.readouterr().err


def library_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    beside = ("tests", "benchmarks", "docs", "notebooks")
    return [
        ROOT / name
        for name in listed.splitlines()
        if name not in SPEAK_OF_OPTIONS and name.split("/")[0] not in beside and (ROOT / name).exists()
    ]


@pytest.mark.parametrize("path", library_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_messages_are_not_rewritten(path):
    """No message is taken apart: what is in str(error) is shown, or the error's parts are used."""
    rewritten = re.findall(
        r".*str\(error\)\.(?:replace|partition|rpartition|removeprefix|removesuffix).*", path.read_text()
    )
    assert not rewritten


def messages_of(path: Path) -> list[tuple[int, str]]:
    """The strings of a file that are raised, or given to an error that is raised elsewhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    raised += [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error")
    ]
    strings = [part for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [(string.lineno, string.value) for string in strings if isinstance(string.value, str)]


@pytest.mark.parametrize("path", library_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_does_not_speak_of_options(path):
    spoken = {f"line {line}: {text}" for line, text in messages_of(path) if re.search(r"(^|[^\w-])--[a-z]", text)}
    assert not spoken, f"name the parameter, as in errors.words: {spoken}"


def parameters_named_in(path: Path) -> set[str]:
    """The parameters that the errors of a file speak of."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            text = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if node.func.id == "words" and isinstance(text, str):
                named |= {part.name for part in words(text, *[""] * text.count("{")) if isinstance(part, Parameter)}
            elif node.func.id == "Parameter" and isinstance(text, str):
                named.add(text)
    return named


def test_errors_name_parameters_that_exist():
    """An option of a script, or a parameter of a function or field of a dataclass of the library."""
    known = {action.dest for script in (train, generate, evaluate, export) for action in script.build_parser()._actions}
    for path in library_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                known.add(node.target.id)
    named = {path: parameters_named_in(path) for path in library_files()}
    assert sum(map(len, named.values())) > 30
    assert not {str(path): names - known for path, names in named.items() if names - known}
