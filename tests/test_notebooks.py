"""Every notebook runs from top to bottom, and its committed outputs are those of today, without errors.

python tests/test_notebooks.py     # runs the notebooks and writes their outputs and pictures into the files
python tests/test_notebooks.py 4   # only those whose names begin with 4

A cell whose words differ from run to run carries the tag changing-output; digits may differ anyway.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# The one place for time and size.
SHARE_OF_TRAINING = 0.02  # of what the notebooks train for their committed outputs
SECONDS_PER_CELL = 600  # on a busy machine
MEGABYTES = 2.5

# Settings that are smaller in a shortened notebook, since they take most of its time: {module: {name: value}}. Python
# runs this program at the start of the kernel and of each command that the notebook runs, and changes a module as soon
# as it is imported.
SMALLER = {
    "training.networks": {"STATISTICS_BATCHES": 1},
    "evaluation.classifier": {"FEWEST_STEPS": 3},
    "drawing.projection": {"CANDIDATES": 32, "STEPS": 10},
}
MAKE_SMALLER = f"""
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder):
    smaller = {SMALLER}

    def find_spec(self, module, path, target=None):
        if module not in self.smaller:
            return None
        settings = self.smaller.pop(module)  # now the search goes past this finder
        spec = importlib.util.find_spec(module)
        execute = spec.loader.exec_module

        def execute_and_change(loaded):
            execute(loaded)
            for name, value in settings.items():
                getattr(loaded, name)  # or it has another name by now
                setattr(loaded, name, value)

        spec.loader.exec_module = execute_and_change
        return spec

sys.meta_path.insert(0, Finder())
"""

PLACES = tuple("/" + folder + "/" for folder in ("home", "root", "work", "tmp", "Users", "var"))
TRAINING = [path for path in NOTEBOOKS if path.stem[0] in "45"]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_training_notebook = pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)


def execute(path: Path, folder: str | os.PathLike, share: float, *more: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run by a new kernel in `folder`. Raises CellExecutionError if a cell fails.

    share: of the training that a notebook does, 1 for all of it. more: folders that Python searches first.
    """
    notebook = nbformat.read(path, as_version=4)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (*more, ROOT)))  # `folder` is not in the repository
    environment["PIXELWRIGHT_NOTEBOOK_SHARE"] = str(share)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of whoever ran it
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell printed, and the text that stands for each table and picture; never the pictures themselves."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append(output.text)
        elif output.output_type == "error":
            found.append("\n".join(output.traceback))
        else:
            found += [output.data[kind] for kind in sorted(output.data) if kind.startswith("text/")]
    return found


def words(cell: nbformat.NotebookNode) -> str:
    """Its printed text with every run of numbers as one #, since digits may differ from machine to machine."""
    without_warnings = [output for output in cell.outputs if output.get("name") != "stderr"]
    text = " ".join(texts(nbformat.NotebookNode(outputs=without_warnings)))
    text = re.sub(r"[-+−]?\d[\d.,]*(e[-+]?\d+)?", " # ", text)
    return re.sub(r"#( #)+", "#", " ".join(text.split()))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@each_notebook
def test_runs_from_top_to_bottom(path, tmp_path):
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(MAKE_SMALLER)
    (tmp_path / "empty").mkdir()
    fresh = execute(path, tmp_path / "empty", SHARE_OF_TRAINING, tmp_path / "start")
    for cell, committed in zip(code_cells(fresh), code_cells(nbformat.read(path, as_version=4)), strict=True):
        assert "changing-output" in cell.metadata.get("tags", ()) or words(cell) == words(committed), (
            "the committed output is not what the cell prints; run python tests/test_notebooks.py\n" + cell.source
        )


@each_notebook
def test_outputs_are_committed_and_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert outputs and any("image/png" in output.get("data", {}) for output in outputs), "expected committed pictures"
    assert not [output for output in outputs if output.output_type == "error"]
    numbers = [cell.execution_count for cell in code_cells(notebook)]
    assert numbers == list(range(1, len(numbers) + 1)), "the cells were not run once each, in order"
    for cell in notebook.cells:
        printed = [*texts(cell), cell.source] if cell.cell_type == "code" else [cell.source]
        for text in printed:
            text = re.sub(r"base64,[\w+/=]+", "", text)  # a picture, which may have any letters
            assert not any(place in text for place in PLACES), text
            assert not re.search(r"0x[0-9a-f]{6,}|Traceback|\w+Warning: ", text), text
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert path.stat().st_size < MEGABYTES * 1e6, "use fewer or smaller pictures"


@each_notebook
def test_each_exercise_has_a_solution_that_runs(path):
    cells = nbformat.read(path, as_version=4).cells
    exercises = next(cell.source for cell in cells if "## Exercises\n" in cell.source)
    numbers = [int(number) for number in re.findall(r"^(\d)\. ", exercises.split("## Exercises\n")[1], re.MULTILINE)]
    assert 3 <= len(numbers) <= 5 and numbers == list(range(1, len(numbers) + 1))
    solutions = {
        int(cell.source.splitlines()[0].removeprefix("### Solution ")): index
        for index, cell in enumerate(cells)
        if cell.source.startswith("### Solution ")
    }
    assert list(solutions) == numbers
    for index in solutions.values():
        solution = cells[index + 1]
        assert "solution" in solution.metadata.get("tags", ()) and "assert " in solution.source, cells[index].source


@each_notebook
@pytest.mark.parametrize("folder", [ROOT, ROOT / "notebooks"], ids=["in the root", "in notebooks"])
def test_finds_the_modules(path, folder):
    cells = code_cells(nbformat.read(path, as_version=4))
    setup = next(cell.source for cell in cells if "sys.path" in cell.source)
    # Isolated: neither PYTHONPATH nor the current folder is searched unless the cell says so.
    result = subprocess.run([sys.executable, "-I", "-c", setup + "\nimport preprocessing"], cwd=folder)
    assert result.returncode == 0


def test_two_notebooks_train():
    assert len(TRAINING) == 2


@each_training_notebook
def test_training_follows_from_one_factor(path):
    cells = nbformat.read(path, as_version=4).cells
    reading = [index for index, cell in enumerate(cells) if "PIXELWRIGHT_NOTEBOOK_SHARE" in cell.source]
    kinds = [cells[index].cell_type for index in reading]
    assert kinds == ["markdown", "code"] and reading[1] == reading[0] + 1, "expected it explained, then read, once"


@each_training_notebook
def test_has_the_cell_for_colab(path):
    colab = [cell for cell in code_cells(nbformat.read(path, as_version=4)) if "colab" in cell.metadata.get("tags", ())]
    assert len(colab) == 1 and not colab[0].outputs, "expected one cell that does nothing elsewhere"
    first = nbformat.read(TRAINING[0], as_version=4)
    assert colab[0].source in [cell.source for cell in code_cells(first)], "expected the same text in all of them"


@each_notebook
def test_teaches_with_the_networks_of_the_project(path):
    """A cell may write networks out only if it asserts that they are those of the project."""
    layers = r"\bSequential\(|\b(Separable|Depthwise)?Conv[123]D\w*\(|\bDense\(|\bclass \w+\(.*\b(Model|Layer|Loss)\b"
    for cell in code_cells(nbformat.read(path, as_version=4)):
        written = re.findall(r"^(\w+) = keras\.Sequential\(", cell.source, re.MULTILINE)
        compared = re.findall(r"^assert settings\((\w+)\) == settings\(\w+\.\w+\)$", cell.source, re.MULTILINE)
        if written and written == compared:
            continue
        assert not re.search(layers, cell.source), "expected networks from models/, got one of its own\n" + cell.source


if __name__ == "__main__":
    chosen = [notebook for notebook in NOTEBOOKS if notebook.stem.startswith(tuple(sys.argv[1:]) or "")]
    for notebook_path in chosen:
        with tempfile.TemporaryDirectory() as empty_folder:
            executed = execute(notebook_path, empty_folder, share=1.0)
        nbformat.write(executed, notebook_path)
        print(notebook_path.relative_to(ROOT))
