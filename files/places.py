"""Whether a place can be written to, asked before the work begins."""

import os
from pathlib import Path

from errors import InputError, Parameter


def check_place(output: Path, name: str, kind: str = "file") -> None:
    """Raises InputError unless `output`, the parameter `name`, can be written where it is.

    kind: "file"; "folder", which is there or is made, with those above it; or "new folder", to be made or empty.
    """
    option = Parameter(name)
    if kind == "file" and output.is_dir():
        raise InputError(("expected ", option, f" to be a file, got the folder {str(output)!r}"), "choose another name")
    if kind == "file" and output.exists() and not output.is_file():  # a new file would take the device's place
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
        raise InputError(("expected an existing folder for ", option, f", got {str(output.parent)!r}"), "make it first")
    place = output if kind == "folder" else output.parent
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        raise InputError(
            ("expected a place that can be written to for ", option, f", got {str(output)!r}"), "choose another"
        )
