"""The public functions as pages, from their docstrings: python docs/reference.py

Writes build/reference/index.html. A docstring that Sphinx cannot read is an error and exit status 1;
most often a list of arguments or fields wants `Args:` or `Attributes:` above it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from command_line import import_tensorflow  # noqa: E402

CHAPTERS = {
    "Pixels": ("preprocessing", "imaging", "image_datasets", "pixels"),
    "Networks": ("models",),
    "Training": ("config", "runs", "training"),
    "Drawing and judging": ("drawing", "evaluation"),
    "Taking it along": ("exporting",),
    "Behind the scripts": ("command_line", "files", "progress"),
}
SETTINGS = {
    "project": "Pixelwright",
    "copyright": "its authors, MIT licence",
    "extensions": ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"],
    "autodoc_default_options": {"members": True},
    "autodoc_member_order": "bysource",
    "napoleon_numpy_docstring": False,
    "napoleon_use_ivar": True,  # the fields of a dataclass as a list
    "default_role": "code",  # one backtick, as in Markdown
    "html_theme_options": {"page_width": "1240px", "body_max_width": "none"},
    "html_show_sphinx": False,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "reference", metavar="FOLDER")
    output = parser.parse_args().output
    import_tensorflow()  # quietly
    shutil.rmtree(output, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        write_pages(Path(folder))
        builder = Sphinx(
            folder,
            None,
            output,
            Path(folder) / "doctrees",
            "html",
            SETTINGS,
            status=None,
            warningiserror=True,
        )
        builder.build()
    if builder.statuscode == 0:
        print(output / "index.html")
    return builder.statuscode


def modules_of(name: str) -> list[str]:
    """A module, or a package's modules with the package itself first where it has something to say."""
    folder = ROOT / name
    if not folder.is_dir():
        return [name]
    return [name, *(f"{name}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")]


def write_pages(folder: Path) -> None:
    """An index, and a page a chapter in which each module has a section."""
    contents = "\n   ".join(page_name(chapter) for chapter in CHAPTERS)
    (folder / "index.rst").write_text(f"{heading('Pixelwright', '=')}.. toctree::\n\n   {contents}\n", encoding="utf-8")
    for chapter, names in CHAPTERS.items():
        modules = [module for name in names for module in modules_of(name)]
        sections = [f"{heading(module, '-')}.. automodule:: {module}\n" for module in modules]
        text = heading(chapter, "=") + "\n".join(sections)
        (folder / f"{page_name(chapter)}.rst").write_text(text, encoding="utf-8")


def page_name(chapter: str) -> str:
    return chapter.lower().replace(" ", "-")


def heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n\n"


if __name__ == "__main__":
    raise SystemExit(main())
