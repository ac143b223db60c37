"""The one place that reads JSON. Whatever a file contains, the result is a value or a ValueError that names it."""

import json
import os

from files.opening import DamagedFile, brief, open_regular

MOST_BYTES = 2**28  # the largest file we write, the whitening of 4,096 values, has 179 MB


def read_json(path: str | os.PathLike) -> object:
    """The value in a JSON file. Raises FileNotFoundError, or a one-line ValueError if the file is not JSON.

    NaN and infinity, which are not JSON, are refused.
    """
    return _parsed(_read_text(path), str(path), _refuse_constant)


def read_json_lines(path: str | os.PathLike) -> list[object]:
    """The values of a file with one per line. Raises as `read_json` does, naming the line; allows NaN and infinity."""
    lines = _read_text(path).splitlines()
    return [_parsed(line, f"{path}, line {number}", None) for number, line in enumerate(lines, 1)]


def _read_text(path: str | os.PathLike) -> str:
    with open_regular(path, MOST_BYTES) as file:
        data = file.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{path}: expected JSON in UTF-8, got other bytes ({error.reason}); restore it") from error


def _parsed(text: str, name: str, parse_constant) -> object:
    try:
        return json.loads(text, parse_constant=parse_constant)
    except RecursionError:
        raise DamagedFile(f"{name}: expected JSON, got brackets nested too deep; restore it") from None
    except ValueError as error:
        raise DamagedFile(f"{name}: expected JSON, got {brief(error)}; restore it") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} where finite numbers are expected")
