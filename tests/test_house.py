"""The house: a file imports from floors below its own or its own, never up, and never from a script."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.house import FLOORS, WITH_TENSORFLOW

ROOT = Path(__file__).resolve().parent.parent
FLOOR_OF = {room: floor for floor, *_, rows in FLOORS for row in rows for room, _ in row}
SCRIPTS = {room for room, floor in FLOOR_OF.items() if floor == max(FLOOR_OF.values())}
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
SOURCES = [
    ROOT / name
    for name in FILES
    if name.endswith(".py") and name.split("/")[0] not in ("tests", "benchmarks", "docs", "setup.py")
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int | None:
    """The floor of one of our modules, by its longest known prefix; None for a library."""
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((FLOOR_OF[prefix] for prefix in prefixes if prefix in FLOOR_OF), None)


def imported_modules(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return modules


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_never_run_up(path):
    module = module_name(path)
    if module == "training":
        assert not imported_modules(path), "a package whose rooms are listed one by one imports nothing itself"
        return
    floor = floor_of(module)
    assert floor is not None, f"{module} has no floor; give it one in docs/house.py"
    for imported in imported_modules(path):
        if imported == module or floor_of(imported) is None:
            continue
        assert floor_of(imported) <= floor, f"{module} (floor {floor}) imports {imported} from above"
        if module.split(".")[0] == "pixels":
            assert imported.split(".")[0] in ("pixels", "errors", "files", "progress"), f"{module} needs {imported}"
        assert imported.split(".")[0] not in SCRIPTS, f"{module} imports the script {imported}"


def test_imports_do_not_bring_tensorflow():
    """So that mistakes in a command are answered at once."""
    modules = [name for name in map(module_name, SOURCES) if not name.startswith(WITH_TENSORFLOW)]
    program = (
        f"import importlib, sys\nfor name in {modules}:\n    importlib.import_module(name)\n"
        "    if 'tensorflow' in sys.modules or 'keras' in sys.modules: sys.exit(f'{name} imports TensorFlow')"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_every_room_is_there():
    for room in FLOOR_OF:
        path = ROOT / room.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{room} of docs/house.py is not there"


def test_no_catch_all_module():
    assert not [path for path in SOURCES if path.stem in ("utils", "helpers", "misc", "common")]


def test_ci_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2 and commands[0].endswith(".venv/bin/python train.py")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert ci[-2:] == [commands[1], ".venv/bin/pytest -m slow"]


def test_code_is_clean():
    for arguments in (["check"], ["format", "--check"]):
        result = subprocess.run([sys.executable, "-m", "ruff", *arguments], cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_no_paths_of_a_machine():
    """Text that is committed speaks of no one's home."""
    for name in FILES:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".json", ".jsonl", ".txt", ".ipynb"):
            text = path.read_text(encoding="utf-8")
            assert not any(place in text for place in ("/" + "home/", "/" + "root/", "/" + "work/")), name


def test_links_in_the_pages_lead_somewhere():
    for name in FILES:
        if name.endswith(".md"):
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8")):
                assert "://" in link or ((ROOT / name).parent / link).exists(), f"{name}: {link}"
