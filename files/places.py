"""Checks before the work begins whether a path can be written to; and finds what a mistyped one may have meant."""

import os
from collections.abc import Callable
from pathlib import Path

from errors import InputError, Parameter, nearest_name


def check_place(output: Path, name: str, kind: str = "file") -> None:
    """Raises InputError unless `output`, the value of the parameter `name`, can be written.

    kind: "file"; "folder", which may exist and is otherwise created with its parents; or "new folder", which must not
    exist or be empty.
    """
    option = Parameter(name)
    if kind == "file" and output.is_dir():
        raise InputError(("expected ", option, f" to be a file, got the folder {str(output)!r}"), "choose another name")
    if kind == "file" and output.exists() and not output.is_file():  # a new file would replace the device
        raise InputError(
            ("expected ", option, f" to be a file, got the device or pipe {str(output)!r}"), "choose another name"
        )
    if kind != "file" and output.exists() and not output.is_dir():
        raise InputError(
            ("expected ", option, f" to be a folder, got the file {str(output)!r}"), "choose another name or ending"
        )
    if kind == "new folder" and output.is_dir() and any(output.iterdir()):
        raise InputError(
            ("expected ", option, f" to be new or an empty folder, got {str(output)!r}"), "choose another name"
        )
    if kind != "folder" and not output.parent.is_dir():
        raise InputError(
            ("expected an existing folder for ", option, f", got {str(output.parent)!r}"), "create it first"
        )
    place = output if kind == "folder" else output.parent
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        raise InputError(("expected a writable path for ", option, f", got {str(output)!r}"), "choose another")


def nearest_path(path: Path, accepts: Callable[[Path], bool]) -> Path | None:
    """The accepted path beside `path` whose name is nearest to its own, hidden ones left out; None if none is near."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".") and accepts(entry)]
    except (OSError, ValueError):  # no such folder, one that cannot be listed, or no possible name
        return None
    near = nearest_name(path.name, names)
    return path.parent / near if near else None
