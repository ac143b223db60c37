"""Measures the house: lines by room, long functions, many parameters, and how many places an addition touches.

python benchmarks/house_table.py
python benchmarks/house_table.py --root ../pixelwright-before

A place is a hunk of the addition's recipe in CONTRIBUTING.md, or a list that is out of date once the recipe is applied:
one with all the old names, but without the new one. An option has a place wherever config.py and train.py name it.
Works on any checkout of this project, so that two can be compared.
"""

import argparse
import ast
import re
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LONGEST, MOST_PARAMETERS = 40, 6
BESIDE = ("tests", "benchmarks", "docs", "notebooks")
# The additions of CONTRIBUTING.md: the title, the new name, and the variables that hold the old names.
ADDITIONS = (
    ("A loss", "least_squares", ("LOSSES",)),
    ("A network", "dense", ("PRESETS",)),
    ("A data set", "stripes", ("DATASET_NAMES", "DRAWN_DATASETS", "KERAS_DATASETS")),
    ("A scaling", "half", ("MODES",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, metavar="FOLDER")
    root = parser.parse_args().root
    lines = lines_by_room(root)
    print("| room | lines |", "|---|---|", *(f"| {room} | {count:,} |" for room, count in lines.items()), sep="\n")
    print(f"| all | {sum(lines.values()):,} |\n")
    found = [function for path in house_files(root) for function in functions_of(path, root)]
    for title, limit, measured in (("lines", LONGEST, 1), ("parameters", MOST_PARAMETERS, 2)):
        beyond = sorted((one for one in found if one[measured] > limit), key=lambda one: -one[measured])
        print(f"functions of more than {limit} {title}: {len(beyond)} of {len(found)}")
        print(*(f"  {one[measured]:3d} {one[0]}" for one in beyond), sep="\n")
    print("\n| to add | files of the recipe | places | of them lists that would go stale |\n|---|---|---|---|")
    print(f"| an option | | {places_of_an_option(root):g} in the median | |")
    for title, new, variables in ADDITIONS:
        print(row_of_addition(root, title, new, variables))


def project_files(root: Path) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [root / name for name in names if (root / name).is_file()]


def house_files(root: Path) -> list[Path]:
    """The Python files of the program itself."""
    return [
        path for path in project_files(root) if path.suffix == ".py" and path.relative_to(root).parts[0] not in BESIDE
    ]


def lines_by_room(root: Path) -> dict[str, int]:
    """Lines of each package and of each file beside them."""
    lines = Counter()
    for path in house_files(root):
        room = path.relative_to(root).parts[0]
        lines[room] += len(path.read_text(encoding="utf-8").splitlines())
    return dict(sorted(lines.items()))


def functions_of(path: Path, root: Path) -> Iterator[tuple[str, int, int]]:
    """Each function's place, lines (with decorators and docstring) and parameters (without self and cls)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            count = len([name for name in names if name not in ("self", "cls")])
            yield f"{path.relative_to(root)}:{node.name}", node.end_lineno - start + 1, count


# Places


def places_of_an_option(root: Path) -> float:
    """In how many places an option is written: the median over all options; adjacent lines are one place."""
    config, train = ((root / name).read_text(encoding="utf-8") for name in ("config.py", "train.py"))
    tree = ast.parse(config)
    (fields,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TrainingConfig"]
    names = [field.target.id for field in fields if isinstance(field, ast.AnnAssign)]
    return statistics.median(
        places(config, rf"\b{name}\b|--{name.replace('_', '-')}\b") + places(train, f'"--{name.replace("_", "-")}"')
        for name in names
    )


def places(text: str, pattern: str) -> int:
    """How many groups of adjacent lines contain the pattern."""
    lines = [number for number, line in enumerate(text.splitlines()) if re.search(pattern, line)]
    return sum(1 for before, line in zip([-9, *lines], lines, strict=False) if line - before > 2)


def row_of_addition(root: Path, title: str, new: str, variables: tuple[str, ...]) -> str:
    """The row of an addition; without numbers if the project has it already."""
    names = names_in(root, variables)
    if new in names:
        return f"| {title.lower()} | | | {new} is there already |"
    recipe = recipe_of(root, title)
    files, hunks = (len(re.findall(mark, recipe, re.MULTILINE)) for mark in (r"^\+\+\+ ", r"^@@ "))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        copy_project(root, copy)
        applied = subprocess.run(["git", "apply"], cwd=copy, input=recipe, capture_output=True, text=True)
        if applied.returncode:
            raise SystemExit(f"expected the recipe {title!r} of CONTRIBUTING.md to apply, got {applied.stderr}")
        stale = stale_lists(copy, names, new)
    return f"| {title.lower()} | {files} | {hunks + len(stale)} | {', '.join(stale) or 'none'} |"


def recipe_of(root: Path, title: str) -> str:
    """The diff below a title of CONTRIBUTING.md."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.search(rf"^### {title}\n.*?^```diff\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def copy_project(root: Path, folder: Path) -> None:
    """Copies the Python files of the project into a new git repository."""
    for path in project_files(root):
        if path.suffix in (".py", ".toml"):
            target = folder / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def names_in(root: Path, variables: tuple[str, ...]) -> set[str]:
    """The names in the tuples and dictionary keys that the program assigns to these variables."""
    names: set[str] = set()
    for path in house_files(root):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id in variables for target in targets):
                parts = node.value.keys if isinstance(node.value, ast.Dict) else node.value.elts
                names |= {part.value for part in parts if isinstance(part, ast.Constant)}
    return names


def stale_lists(root: Path, names: set[str], new: str) -> list[str]:
    """The places of the lists that contain all of `names` but not `new`."""
    found = {
        (str(path.relative_to(root)), line)
        for path in root.rglob("*.py")
        if path.parent.name != "benchmarks"  # benchmarks compare a fixed set of recipes
        for line, text in lists_of(path, names)
        if names <= {*re.findall(r"\w+", text)} and new not in re.findall(r"\w+", text)
    }
    return [f"{name}:{line}" for name, line in sorted(found)]


def lists_of(path: Path, names: set[str]) -> Iterator[tuple[int, str]]:
    """The line and the words of each tuple, list, dictionary and string of a file with all `names`, docstrings too.

    Leaves out dictionaries in tests: they hold what is expected for each name, and a test looks up every name.
    """
    source = path.read_text(encoding="utf-8")
    if not all(name in source for name in names):  # parsing is what takes time
        return
    for node in ast.walk(ast.parse(source)):
        parts = [node]
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = node.keys if path.parent.name != "tests" else []
        elif isinstance(node, ast.JoinedStr):
            parts = node.values
        words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if words:
            yield node.lineno, " ".join(words)


if __name__ == "__main__":
    main()
