"""What export.py should write, checked before anything slow begins."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from errors import InputError, words
from files import check_place

FORMATS = ("savedmodel", "onnx", "tflite", "page", "share")
PRECISIONS = ("float32", "float16")
ENDINGS = {".onnx": "onnx", ".tflite": "tflite", ".html": "page"}
FOLDERS = ("savedmodel", "share")
PACKAGES = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "tflite": ("ai_edge_litert",)}


@dataclass(frozen=True)
class ExportRequest:
    """What to write, and where.

    format: one of FORMATS. precision: the type of the stored weights. raw: without the conversion to pixels.
    channels_first: images (n, channels, height, width). title: the title of a page.
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
        check_place(self.output, "output", "new folder" if self.format in FOLDERS else "file")
        for package in PACKAGES.get(self.format, ()):
            if importlib.util.find_spec(package) is None:
                raise ValueError(
                    f"expected the package {package} for {self.format}, got an environment without it; "
                    "pip install -r requirements-export.txt"
                )


def choose_format(output: Path, named: str | None) -> str:
    """The format: `--format`, or by the ending of the output. A folder is a SavedModel, or a share if named share.

    Raises ValueError for an unknown ending.
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
