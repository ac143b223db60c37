"""What the pages say is done here: every command and block of Python, every recipe, every example in a docstring."""

import contextlib
import doctest
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import eagerly, small_images
from processes import run_a_script

import evaluate
import export
import generate
import train
from benchmarks.house_table import copy_project, recipe_of, stale_lists
from config import LOSSES, PRESETS, TrainingConfig
from docs import house
from image_datasets import DATASET_NAMES
from imaging import save_image
from preprocessing import MODES

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])  # test_sharing.py runs that of the example run
SCRIPTS = {"train.py": train, "generate.py": generate, "evaluate.py": evaluate, "export.py": export}

# The one place for time and size. Options that a command gets in any case, and such that are made small where given.
BUDGET = {
    "train.py": {
        "--epochs": 1,
        "--image-count": 32,
        "--image-size": 16,
        "--batch-size": 16,
        "--precision": "float32",
        "--preset": "tutorial",  # the fewest layers to compile
        "--filters": 8,
        "--cache": "cache",
    },
    "evaluate.py": {"--count": 24, "--cache": "cache"},
    "benchmarks/directions.py": {"--count": 2},
    "benchmarks/leaks.py": {"--count": 24},
    "benchmarks/step_profile.py": {"--preset": "tutorial", "--precision": "float32", "--batch-size": 8, "--steps": 3},
}
SMALLER = {"--count": 24, "--epochs": 3}
GLYPH_COUNT, CLASSIFIER_STEPS = 100, 3
TAKE_FEW_STEPS = ("train.py", "evaluate.py")  # which then take less time than compiling them
NEED_COMPILING = {"--distribute", "--steps-per-execution", "--xla"}

# What is not run, and why. Options of this project's own scripts are checked all the same.
NOT_RUN = (
    ("-m venv", "CI begins with it"),
    ("pip install", "CI does it, for requirements-dev.txt; it needs the network"),
    ("bin/pytest", "this is it"),
    ("-m ruff", "changes files; test_house.py runs it to check"),
    (".ci/run", "CI is it"),
    ("jupyter execute", "test_notebooks.py runs all of them"),
    ("tests/test_notebooks.py", "writes a notebook anew; its tests run it"),
    ("tests/test_claims.py", "its tests run it, on fewer images"),
    ("pre-commit install", "writes into .git"),
    ("docs/reference.py", "a test below runs it"),
    ("tensorboard --logdir", "a server, which does not end"),
    ("--features inception", "downloads 88 MB"),
    ("fidelity ", "another project's program, needs PyTorch"),
    ("from cleanfid import", "another project's program, needs PyTorch"),
    ("benchmarks/every_scaling.py", "six trainings, minutes"),
    ("benchmarks/sixteen_bits.py", "two trainings, minutes"),
    ("benchmarks/scaling.py", "measures for minutes, with other libraries"),
    ("benchmarks/recipes.py", "many trainings, hours"),
    ("benchmarks/photograph_crops.py", "reads photographs that are not in the repository"),
    ("train.py --data noto-emoji-64.zip", "trains for minutes, on images that are not in the repository"),
    ("benchmarks/hour.py", "draws hours of training"),
    ("benchmarks/checkerboard.py", "reads images that are not in the repository; test_benchmarks.py calls it"),
    ("benchmarks/streaming.py", "writes two million files, minutes"),
    ("benchmarks/feed.py", "measures for minutes"),
    ("benchmarks/steps.py", "measures for minutes, with PyTorch"),
    ("benchmarks/costs.py", "measures for minutes"),
    ("benchmarks/gpu_rates.py", "measures for minutes, on a GPU"),
    ("benchmarks/sampling.py", "measures for minutes"),
    ("benchmarks/exports.py", "measures for minutes"),
    ("benchmarks/fidelity.py", "needs PyTorch"),
    ("benchmarks/signals.py", "trains for a minute"),
    ("benchmarks/failures.py", "trains for minutes"),
    ("benchmarks/larger_pictures.py", "measures for minutes"),
    ("benchmarks/repeats.py", "repeats steps for minutes"),
    ("benchmarks/same_bits.py", "four trainings, minutes; test_same_bits.py reads runs with it"),
    ("benchmarks/soak.py", "an hour; test_soak.py runs its short form"),
    ("benchmarks/keras_versions.py", "makes five environments, needs the network"),
)
PYTHONS = ("python", "python3", ".venv/bin/python")
INSTALLED = (".venv/bin/pip", ".venv/bin/pytest", "pip", "jupyter", "tensorboard", "pre-commit", "fidelity")
PROGRAMS = (*PYTHONS, *INSTALLED, ".ci/run")
LISTINGS = ("text", "json", "diff", "yaml")  # languages of blocks that are there to be read


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page, text.count("\n", 0, match.start()) + 2, match[1], match[2]) for match in found]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def commands_of(page: Path) -> list[str]:
    """The command lines of a page: in fenced blocks, indented, and between backticks; those joined by && apart."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks_of(page) if not block.language for line in block.text.splitlines()]
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    programs = "|".join(map(re.escape, PROGRAMS))  # followed by a space or by nothing more
    lines += re.findall(rf"^ {{4}}((?:{programs}) .*)$", without_blocks, re.MULTILINE)
    lines += re.findall(rf"`((?:{programs})(?: [^`]+)?)`", without_blocks)
    return [part for line in lines for part in re.split(r"\s+&&\s+", line.strip()) if part]


def argument_words(command: str) -> list[str]:
    """The words of a command, comments left out, the program under its plain name."""
    words = shlex.split(command, comments=True)
    return [re.sub(r"^(\.venv/bin/)?(python|pip)3?$", r"\2", words[0]), *words[1:]]


COMMANDS = {shlex.join(argument_words(command)): page for page in reversed(PAGES) for command in commands_of(page)}


SHARING = ROOT / "docs" / "sharing.md"  # test_sharing.py runs it: its exports, then the Python that reads them
EXPORTS = {shlex.join(argument_words(command)) for command in commands_of(SHARING) if "export.py" in command}


def reason_not_to_run(command: str) -> str | None:
    return next((reason for words, reason in NOT_RUN if words in command), None)


# Commands


def shortened(script: str, arguments: list[str]) -> list[str]:
    """The same command with less to do."""
    words = list(arguments)
    settings = dict(BUDGET.get(script, {}))
    if "--resume" in words:
        settings = {"--epochs": 3}  # the other options would contradict the run
    for option, value in (SMALLER | settings).items():
        if option in words:
            words[words.index(option) + 1] = str(value)
        elif option in settings and "--help" not in words:
            words += [option, str(value)]
    return words


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, trained_run) -> Path:
    """A folder with what the pages' commands are about, small: images of every kind, runs, latent vectors."""
    folder = tmp_path_factory.mktemp("pages")
    images = small_images(32)
    for index, image in enumerate(images):
        for name in ("photos/cat", "photos/dog", "samples"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            save_image(folder / name / f"{index}.png", image)
    with zipfile.ZipFile(folder / "cifar10-train.zip", "w") as archive:
        for path in (folder / "photos").rglob("*.png"):
            archive.write(path, path.relative_to(folder / "photos"))
    np.save(folder / "scans.npy", small_images(32, channels=1, dtype=np.uint16)[..., 0])
    save_image(folder / "face.png", images[0])
    np.save(folder / "digits.npy", images[:1])
    np.save(folder / "z.npy", np.zeros((4, 100), np.float32))
    np.save(folder / "cutout.npy", images)
    (folder / "latents.json").write_text(str(np.zeros((1, 100)).tolist()))
    shutil.copytree(ROOT / "docs" / "example-run", folder / "docs" / "example-run")
    for name in ("mine", "dcgan", "tutorial", "cutout"):
        shutil.copytree(trained_run, folder / "runs" / name)
    return folder


@pytest.fixture
def here(workplace, monkeypatch) -> Path:
    """The workplace as the working directory, the budget in force, and small images in place of downloads."""
    import keras

    from image_datasets import KERAS_DATASETS

    monkeypatch.chdir(workplace)
    monkeypatch.setenv("XDG_CACHE_HOME", str(workplace / "cache"))
    monkeypatch.setattr("image_datasets.glyphs.GLYPH_COUNT", GLYPH_COUNT)
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", CLASSIFIER_STEPS)
    monkeypatch.setattr("drawing.projection.CANDIDATES", 32)
    monkeypatch.setattr("drawing.projection.STEPS", 20)  # test_generate_command.py has the law of all of them
    monkeypatch.setattr("training.recorder.Recorder._draw", lambda self: None)  # half the time of so short a run
    images, labels = small_images(60, (32, 32)), np.arange(60).reshape(-1, 1) % 10
    for name in KERAS_DATASETS:  # test_datasets.py reads the files as they are
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: ((images, labels), (images, labels)))
    return workplace


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_python_commands_or_marked_as_a_listing(block):
    assert block.language in ("", "python", *LISTINGS), f"{block}: mark what is not run with ```text"
    if not block.language:
        for line in block.text.splitlines():
            assert line.split()[0] in PROGRAMS, f"{block}: expected a command, got {line!r}; mark listings with ```text"


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.split()[1:2] and command.split()[1] in SCRIPTS]
)
def test_our_scripts_understand_every_command_of_the_pages(command, monkeypatch):
    """As it stands, down to the settings that it makes; the slow test below runs it, shortened."""
    _, script, *arguments = shlex.split(command)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    if "--help" in arguments:
        with pytest.raises(SystemExit, match="0"):
            SCRIPTS[script].build_parser().parse_args()
        return
    understood = SCRIPTS[script].build_parser().parse_args()
    if script == "train.py" and not understood.resume:
        TrainingConfig.of(**train.explicit_choices(understood))


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in EXPORTS and not reason_not_to_run(each)])
def test_every_command_of_the_pages_runs(command, here, run_script):
    program, script, *arguments = shlex.split(command)
    assert program == "python", f"{COMMANDS[command]}: {command}"
    arguments = shortened(script, arguments)
    if script == "train.py" and "--run-dir" in arguments and "--resume" not in arguments:
        shutil.rmtree(arguments[arguments.index("--run-dir") + 1], ignore_errors=True)
    if script in SCRIPTS:
        few_steps = script in TAKE_FEW_STEPS and not set(arguments) & NEED_COMPILING
        with eagerly() if few_steps else contextlib.nullcontext():
            outcome = run_script(SCRIPTS[script], *arguments)
        assert outcome.status == 0, f"{COMMANDS[command]}: {command}\n{outcome.stderr}"
    else:
        result = run_a_script(ROOT / script, *arguments, folder=here)
        assert result.status == 0, f"{COMMANDS[command]}: {command}\n{result.stderr}"


@pytest.mark.parametrize("command", [command for command in COMMANDS if reason_not_to_run(command) is not None])
def test_what_is_not_run_names_scripts_options_and_files_that_exist(command):
    words = shlex.split(command)
    for word in words:
        if word.endswith(".txt"):
            assert (ROOT / word).exists(), word
        if word.endswith(".py"):
            known = re.findall(r'add_argument\(\s*"(--[\w-]+)"', (ROOT / word).read_text(encoding="utf-8"))
            if word in SCRIPTS:
                known += SCRIPTS[word].build_parser().option_strings()
            assert set(re.findall(r"--[\w-]+", command)) <= {*known, "--help"}, command


def test_nothing_is_excused_in_vain():
    """Each reason not to run still has its command; those of other people's pages may wait for theirs."""
    waiting = {"tensorboard --logdir", "benchmarks/recipes.py"}
    idle = [words for words, _ in NOT_RUN if not any(words in command for command in COMMANDS)]
    assert set(idle) <= waiting


# Python


@pytest.mark.parametrize(
    "page",
    sorted({block.page for block in BLOCKS if block.language == "python"} - {SHARING}),
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, here):
    namespace: dict = {"__name__": "page"}
    for block in blocks_of(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)


# Examples in docstrings

PACKAGES = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")})
MODULES = [path.stem for path in sorted(ROOT.glob("*.py")) if path.stem != "setup"] + [
    f"{name}.{path.stem}" for name in PACKAGES for path in sorted((ROOT / name).glob("*.py")) if path.stem != "__init__"
]
WITH_EXAMPLES = {
    "preprocessing": ("PixelScaler", "scale_image"),
    "imaging.resizing": ("fit_image",),
    "imaging.grids": ("image_grid",),
    "imaging.animations": ("to_display",),
    "image_datasets.loading": ("load_images",),
    "image_datasets.image_set": ("epoch_order",),
    "image_datasets.glyphs": ("draw_glyphs",),
    "models.sampling": ("latents_from_seeds", "with_classes"),
    "pixels.checks": ("validate_images",),
    "imaging.reading": ("load_image",),
    "imaging.writing": ("save_image", "stretch_values"),
    "models.layout": ("ImageLayout",),
    "config": ("TrainingConfig.of",),
    "errors": ("Parameter",),
    "options": ("option_name", "Size.read"),
    "command_line": ("seed_list",),
    "files": ("atomic_path",),
    "evaluation.distances": ("frechet_distance", "class_difference"),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("image_datasets.glyphs.GLYPH_COUNT", GLYPH_COUNT)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]
    printed: list[str] = []
    for test in examples:
        runner.run(test, out=printed.append)
    assert runner.failures == 0, "".join(printed)
    expected = {f"{name}.{member}" for member in WITH_EXAMPLES.get(name, ())}
    assert expected <= {test.name for test in examples}, "public functions that people begin with have an example"


# The reference


def test_every_module_is_in_a_chapter_of_the_reference(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    reference = importlib.import_module("reference")
    rooms = [room for rooms in reference.CHAPTERS.values() for room in rooms]
    written = {module for room in rooms for module in reference.modules_of(room)}
    assert {name for name in MODULES if f"{name}.py" not in SCRIPTS} <= written, "enter it in docs/reference.py"


@pytest.mark.slow
def test_the_reference_is_built_without_warnings_and_has_every_module(tmp_path):
    pytest.importorskip("sphinx")
    result = run_a_script(ROOT / "docs" / "reference.py", "--output", tmp_path, folder=ROOT)
    assert result.status == 0, result.stdout + result.stderr
    pages = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html"))
    for name in {name for name in MODULES if f"{name}.py" not in SCRIPTS}:
        assert f'id="module-{name}"' in pages, f"{name} is in no chapter of docs/reference.py"
    for name, members in WITH_EXAMPLES.items():
        for member in members:
            places = {
                f"{name}.{member}",
                f"{name.split('.')[0]}.{member}",
            }  # a package's names stand where they are called
            assert any(f'id="{place}"' in pages for place in places), member
    assert pages.index('id="preprocessing.PixelScaler"') < pages.index('id="preprocessing.NotFittedError"')
    assert "custom.css" in pages and (tmp_path / "_static" / "custom.css").exists()


# The picture of the house


def test_the_picture_of_the_house_is_current():
    assert house.PICTURE.read_text(encoding="utf-8") == house.draw(), "run python docs/house.py"


# The first page


def test_the_readmes_commands_are_seen_at_once_and_whole():
    """At the width of a repository's front page 97 characters fit a line of code."""
    blocks = blocks_of(ROOT / "README.md")
    assert not [line for block in blocks for line in block.text.splitlines() if len(line) > 97]
    before = (ROOT / "README.md").read_text(encoding="utf-8").split(blocks[1].text)[0]
    assert "![" not in before and len(before.splitlines()) < 20, "the first two commands come before the pictures"


# The core


def test_the_core_is_as_long_as_the_readme_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    stated = {
        name: int(lines) for name, lines in re.findall(r"^\| \[`([\w/.]+)`\]\(\1\) \| (\d+) \|", text, re.MULTILINE)
    }
    assert len(stated) > 10
    for name, lines in stated.items():
        actual = len((ROOT / name).read_text(encoding="utf-8").splitlines())
        assert abs(lines - actual) <= 5 + 0.1 * actual, f"write into the README's table that {name} has {actual} lines"
    (total,) = re.findall(r"^Some ([\d,]+) lines hold the idea", text, re.MULTILINE)
    assert abs(int(total.replace(",", "")) - sum(stated.values())) <= 100, f"they are {sum(stated.values())} in all"


# The tables of docs/recipes.md


@pytest.mark.parametrize(("title", "names"), [("Networks", PRESETS), ("Losses", LOSSES)])
def test_the_page_of_recipes_has_a_row_for_each(title, names):
    section = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    assert sorted(rows) == sorted(names), f"the table {title!r} of docs/recipes.md has other rows"


# Contributing


def test_contributing_sets_up_and_checks_as_ci_does():
    setup, checks, *_ = (block.text.strip() for block in blocks_of(ROOT / "CONTRIBUTING.md"))
    check, slow_check = checks.splitlines()
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-2:] == [f"{setup} && {check}", slow_check]
    assert f"{setup} && {check}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_workflow_runs_ci_on_the_supported_pythons():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    least = re.search(r'requires-python = ">=(\S+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    everything, *lowest_versions = re.findall(r"- run: (.*)", text)
    assert everything == ".ci/run"
    assert "--resolution lowest-direct -r requirements-dev.txt" in lowest_versions[0] and lowest_versions[1:] == [
        "pytest"
    ]
    assert re.search(r"python: \[(.*)\]", text)[1].split(", ")[0] == f'"{least}"'
    assert "python-version: ${{ matrix.python }}" in text


def test_a_commit_is_checked_as_ci_checks_the_code():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: \.venv/bin/python -m (.*)", text)
    assert entries == ["ruff check", "ruff format --check", "pytest tests/test_house.py"]
    assert text.count("language: system") == text.count("pass_filenames: false") == len(entries)


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".pre-commit-config.yaml"])
def test_yaml_is_valid(name):
    yaml = pytest.importorskip("yaml")  # nothing that is installed for the tests needs it
    assert isinstance(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), dict)


# The recipes of CONTRIBUTING.md, tried on a copy of the project

RECIPES = {
    "A loss": {"training/losses.py", "config.py", "tests/test_losses.py"},
    "A data set": {"image_datasets/loading.py"},
    "A network": {"models/generator.py", "models/discriminator.py", "config.py"},
    "A scaling": {"pixels/settings.py", "preprocessing.py"},
}
# What there is already, and what the recipe adds to it.
ADDED = {
    "A loss": (LOSSES, "least_squares"),
    "A data set": (DATASET_NAMES, "stripes"),
    "A network": (tuple(PRESETS), "dense"),
    "A scaling": (MODES, "half"),
}
# An addition that the project has by now, perhaps in another form, is not tried again.
TO_TRY = [title for title, (names, new) in ADDED.items() if new not in names]
TRIALS = {
    "A data set": """
stripes = load_images("stripes", ReadingOptions(image_count=40))
assert stripes.images.shape == (40, 32, 32, 3) and set(stripes.labels) == {0, 1}
assert set(np.unique(stripes.images)) == {0, 255}
""",
    "A scaling": """
levels = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256, 1)
scaler = PixelScaler("half").fit(levels)
scaled = scaler.transform(levels)
assert scaler.is_lossless and scaled.min() == -0.5 and scaled.max() == 0.5 and scaler.output_range == (-0.5, 0.5)
""",
    "A loss": """
import_tensorflow()
from training.losses import gan_loss
real, generated = np.float32([[1], [3]]), np.float32([[0], [-1]])
assert gan_loss("least_squares").discriminator(real, generated) == 1.0 + 0.25
assert gan_loss("least_squares").generator(generated) == 0.5 * 2.5
""",
}
BEFORE_TRIALS = """
import sys
import numpy as np
import pytest
import train
from command_line import import_tensorflow
from image_datasets import ReadingOptions, load_images
from preprocessing import PixelScaler
"""
TRAIN_WITH_ALL = """
sys.argv = ["train.py", *"--data stripes --image-count 40 --loss least_squares --preset dense --scaling half --epochs 1"
    " --batch-size 16 --precision float32 --run-dir tried".split()]
assert train.main() == 0
assert pytest.main(["tests/test_losses.py", "-k", "least_squares", "-p", "no:cacheprovider"]) == 0
"""


def apply_recipe(title: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    words = recipe_of(ROOT, title)
    return subprocess.run(["git", "apply", *options], cwd=folder, input=words, capture_output=True, text=True)


@pytest.fixture(scope="module")
def project_copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "project"
    copy_project(ROOT, folder)
    return folder


@pytest.mark.parametrize("title", TO_TRY)
def test_a_recipe_is_short_stays_in_its_room_and_fits_alone(title, project_copy):
    added = re.findall(r"^\+(?!\+\+)", recipe_of(ROOT, title), re.MULTILINE)
    assert 0 < len(added) < 30
    assert set(re.findall(r"^\+\+\+ b/(.*)$", recipe_of(ROOT, title), re.MULTILINE)) == RECIPES[title]
    outcome = apply_recipe(title, project_copy, "--check")
    assert outcome.returncode == 0, (
        f"{outcome.stderr}; the lines around the diff in CONTRIBUTING.md have changed: move a name that you have added "
        "to the end of its list, or, if a line there has another text now, change it in the diff, too"
    )


@pytest.fixture(scope="module")
def changed_copy(project_copy, tmp_path_factory) -> Path:
    """A copy that has all four additions."""
    folder = tmp_path_factory.mktemp("changed") / "project"
    shutil.copytree(project_copy, folder)
    for title in TO_TRY:
        assert apply_recipe(title, folder).returncode == 0, title
    return folder


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_leaves_no_list_stale(title, changed_copy):
    """Whatever lists all that there was before lists what was added, too; so a recipe need not name more places."""
    names, new = ADDED[title]
    stale = stale_lists(changed_copy, set(names) - {new}, new)
    assert not stale, f"take the names from where they are kept: {stale}"


@pytest.mark.slow
def test_the_recipes_work(changed_copy):
    changed = sorted(set().union(*RECIPES.values()))
    for arguments in (["check", "-q"], ["format", "--check", "-q"]):
        assert subprocess.run([sys.executable, "-m", "ruff", *arguments, *changed], cwd=changed_copy).returncode == 0
    trials = "".join([BEFORE_TRIALS, *(trial for title, trial in TRIALS.items() if title in TO_TRY), TRAIN_WITH_ALL])
    result = subprocess.run([sys.executable, "-c", trials], cwd=changed_copy, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert list((changed_copy / "tried" / "samples").glob("epoch_0001.png"))


@pytest.mark.slow
def test_pip_install_says_in_one_line_what_to_do_instead(tmp_path):
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--target", tmp_path / "packages")
    command = [sys.executable, "-m", "pip", "install", *offline, ROOT]
    result = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in result.stderr.splitlines() if "expected Pixelwright to be cloned and run" in line]
    assert result.returncode == 1 and len(lines) == 1 and not (tmp_path / "packages").exists(), result.stderr
