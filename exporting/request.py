"""What export.py is asked for, checked before anything slow begins."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from errors import InputError, words

FORMATS = ("savedmodel", "onnx", "tflite", "page", "share")
PRECISIONS = ("float32", "float16")
ENDINGS = {".onnx": "onnx", ".tflite": "tflite", ".html": "page"}
FOLDERS = ("savedmodel", "share")
PACKAGES = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "tflite": ("ai_edge_litert",)}


@dataclass(frozen=True)
class ExportRequest:
    """Where a generator goes and how.

    format: one of FORMATS. precision: of the stored weights. raw: without the way back to pixels.
    channels_first: images (n, channels, height, width). title: of a page.
    """

    output: Path
    format: str
    precision: str = "float32"
    raw: bool = False
    channels_first: bool = False
    title: str | None = None

    def __post_init__(self) -> None:
        if self.format in ("page", "share") and (self.raw or self.channels_first):
            raise InputError(
                words("expected no {raw} and {channels_first} for a page, which shows pixels"), "leave them out"
            )
        if self.title is not None and self.format not in ("page", "share"):
            raise InputError(words("expected {title} with a page, got {}", self.format), "leave it out")
        _check_place(self.output, self.format in FOLDERS)
        for package in PACKAGES.get(self.format, ()):
            if importlib.util.find_spec(package) is None:
                raise ValueError(
                    f"expected the package {package} for {self.format}, got an environment without it; "
                    "pip install -r requirements-export.txt"
                )


def choose_format(output: Path, named: str | None) -> str:
    """The format of `--format`, or by the ending of the output; a folder is a SavedModel, one named share is shared.

    Raises ValueError for an ending that says nothing.
    """
    suffix = output.suffix.lower()
    folder = "share" if output.name == "share" else "savedmodel"
    by_ending = ENDINGS.get(suffix) or (None if suffix else folder)
    if named is None and by_ending is None:
        raise InputError(
            words(
                "expected {output} to end in {}, or a folder without ending, got {!r}",
                ", ".join(ENDINGS),
                output,
            ),
            "rename it",
            words("pass {format}"),
        )
    return named or by_ending


def _check_place(output: Path, is_folder: bool) -> None:
    parent = output.absolute().parent
    if not parent.is_dir():
        raise InputError(words("expected an existing folder for {output}, got {!r}", parent), "make it first")
    if not os.access(parent, os.W_OK):
        raise InputError(
            f"expected a folder that can be written to, got {str(parent)!r}", words("choose another {output}")
        )
    if is_folder and (output.is_file() or (output.is_dir() and any(output.iterdir()))):
        raise InputError(
            words("expected {output} to be new or an empty folder, got {!r}", output), "choose another name"
        )
    if not is_folder and output.is_dir():
        raise InputError(words("expected {output} to be a file, got the folder {!r}", output), "choose another name")
