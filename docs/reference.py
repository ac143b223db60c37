"""Builds pages about the public functions from their docstrings: python docs/reference.py

Writes build/reference/index.html. A docstring that Sphinx cannot parse is an error and gives exit status 1;
most often, `Args:` or `Attributes:` is missing above a list of arguments or fields.
"""

import argparse
import importlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from command_line import import_tensorflow  # noqa: E402

# Each chapter first has what people call, then what that uses.
CHAPTERS = {
    "Pixels": ("preprocessing", "imaging", "image_datasets"),
    "Networks": ("models",),
    "Training": ("config", "runs", "training"),
    "Generating and evaluating": ("drawing", "evaluation"),
    "Exporting": ("exporting",),
    "Behind the pixels": ("pixels",),
    "Behind the scripts": ("command_line", "options", "errors", "files", "streams", "progress"),
}
INTRODUCTION = """
Pixelwright trains generative adversarial networks on images, and keeps every pixel value exact on the way in and out.
These pages list its functions and classes, with shapes, types, ranges and errors, from their docstrings. How to train,
generate and evaluate on the command line is in ``README.md``; the notebooks teach the ideas.

.. list-table:: Where to begin
   :header-rows: 1

   * - to
     - call
   * - load images by name or path
     - :any:`image_datasets.load_images`
   * - check an array before a model sees it
     - :any:`preprocessing.validate_images`
   * - scale pixels for a network, and back
     - :any:`preprocessing.PixelScaler`
   * - read and write exact image files
     - :any:`imaging.load_image`, :any:`imaging.save_image`
   * - build the networks for an image shape
     - :any:`models.generator.build_generator`, :any:`models.discriminator.build_discriminator`
   * - open the folder of a run
     - :any:`runs.RunFolder`
   * - generate images from seeds
     - :any:`models.sampling.latents_from_seeds`, :any:`models.sampling.generate_images`
   * - compare two sets of images
     - :any:`evaluation.scores.compare`
"""
SETTINGS = {
    "project": "Pixelwright",
    "copyright": "its authors, MIT license",
    "extensions": ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"],
    "autodoc_default_options": {"members": True},
    "autodoc_member_order": "bysource",
    "autodoc_use_type_comments": False,  # there are none to look for
    "napoleon_numpy_docstring": False,
    "napoleon_use_ivar": True,  # shows the fields of a dataclass as a list
    "default_role": "code",  # one backtick, as in Markdown
    "html_static_path": ["static"],
    "html_theme_options": {"page_width": "1240px", "body_max_width": "none", "sidebar_width": "280px"},
    "toc_object_entries_show_parents": "hide",  # short names; full ones do not fit the sidebar
    "html_show_sphinx": False,
}
# Corrects the theme: its headings of docstring parts are one letter wide, and wide blocks overflow the window.
STYLE = """
body, div.body h1, div.body h2, div.sphinxsidebar h1, div.sphinxsidebar h3 { font-family: system-ui, sans-serif; }
body { font-size: 16px; }
dl.field-list { display: block; }
dl.field-list > dt { padding: 0; margin-top: 0.75rem; }
dl.field-list > dd { margin: 0.25rem 0 0.75rem 1.25rem; }
div.body pre, div.body table { max-width: 100%; overflow-x: auto; }
div.body pre { padding: 0.7rem 0.9rem; font-size: 13px; }
div.body table.docutils { display: block; border: 0; box-shadow: none; }
dl.py { margin-bottom: 1.75rem; }
dt.sig { padding: 0.35rem 0.6rem; background: #f1f4f8; border-left: 3px solid #5b7ba8; overflow-wrap: anywhere; }
div.sphinxsidebar li, div.body { overflow-wrap: anywhere; }
@media (max-width: 600px) { div.body span.pre { white-space: normal; } }
div.sphinxsidebar input { font: inherit; }
div.body table.docutils caption { text-align: left; }
div.sphinxsidebar ul { margin-left: 0; }
div.sphinxsidebar ul ul { margin-left: 14px; }
@media (max-width: 900px) { div.bodywrapper { margin-left: 0; } div.sphinxsidebar { max-width: 100%; } }
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  body, div.document, div.body, div.footer, div.body h1, div.body h2, div.body h3, div.sphinxsidebar h1,
  div.sphinxsidebar h3, div.sphinxsidebar a, div.body a code { background: #14171d; color: #e6e9ef; }
  div.body a { color: #8ab4f8; }
  dt.sig, div.body pre, div.body code, dt:target { background: #1e232c; color: #e6e9ef; }
  div.body div.highlight, div.body div.highlight pre span { background: transparent; color: inherit; }
  div.sphinxsidebar { color: #e6e9ef; }
  div.sphinxsidebar input { background: #1e232c; color: #e6e9ef; border: 1px solid #333a46; }
}
"""


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
        builder.connect("autodoc-process-docstring", keep_last_underscores, priority=600)  # after napoleon
        builder.build()
    if builder.statuscode == 0:
        print(output / "index.html")
    return builder.statuscode


def keep_last_underscores(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escapes the last underscore of a field such as `mean_`, which would be a link in reStructuredText."""
    lines[:] = [re.sub(r"^:ivar (\w+)_:", r":ivar \1\_:", line) for line in lines]


def modules_of(name: str) -> list[str]:
    """A module, or a package's modules, with the package itself first if it exports anything."""
    folder = ROOT / name
    if not folder.is_dir():
        return [name]
    return [name, *(f"{name}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")]


def write_pages(folder: Path) -> None:
    """Writes an index, and one page per chapter with a section for each module."""
    (folder / "static").mkdir()
    (folder / "static" / "custom.css").write_text(STYLE, encoding="utf-8")  # the name that the theme loads
    contents = "\n   ".join(page_name(chapter) for chapter in CHAPTERS)
    index = f"{heading('Pixelwright', '=')}{INTRODUCTION}\n.. toctree::\n   :maxdepth: 2\n\n   {contents}\n"
    (folder / "index.rst").write_text(index, encoding="utf-8")
    for chapter, names in CHAPTERS.items():
        modules = [module for name in names for module in modules_of(name)]
        text = heading(chapter, "=") + "\n".join(map(section, modules))
        (folder / f"{page_name(chapter)}.rst").write_text(text, encoding="utf-8")


def section(module: str) -> str:
    """A module's functions and classes, with exceptions last, without those that its package already shows."""
    here, package = importlib.import_module(module), importlib.import_module(module.partition(".")[0])
    shown = set() if here is package else {name for name in getattr(package, "__all__", ()) if name in vars(package)}
    listed = {
        name: value
        for name, value in vars(here).items()
        if name in getattr(here, "__all__", ()) or getattr(value, "__module__", None) == module
    }
    exceptions = [name for name, value in listed.items() if isinstance(value, type) and issubclass(value, Exception)]
    left_out = sorted({*exceptions, *shown}.intersection(listed))
    lines = [f".. automodule:: {module}", *([f"   :exclude-members: {', '.join(left_out)}"] if left_out else []), ""]
    lines += [f".. autoexception:: {module}.{name}\n" for name in exceptions if name not in shown]
    return heading(module, "-") + "\n".join(lines) + "\n"


def page_name(chapter: str) -> str:
    return chapter.lower().replace(" ", "-")


def heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n\n"


if __name__ == "__main__":
    raise SystemExit(main())
