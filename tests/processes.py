"""Processes of their own for tests, each a fork of one that has imported TensorFlow, which takes most of a start.

It has done nothing with TensorFlow yet, which then would not survive a fork. Where there is no fork, each starts anew.
"""

import functools
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import pytest

PATIENCE = 300.0  # seconds, on a busy machine
RUN_A_SCRIPT = """
import os, runpy, sys
os.chdir(sys.argv[1])
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@functools.cache
def _context() -> BaseContext:
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload(["with_tensorflow"])
    if sys.platform == "linux":
        with pytest.MonkeyPatch.context() as monkeypatch:  # it searches no path of this process, and fails in silence
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
            ensure_running()
    return context


@dataclass(frozen=True)
class Ended:
    """Its exit status, below 0 for a signal, and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Process:
    """A program in Python that runs with `arguments` in sys.argv, and with `environment` beside what there is."""

    def __init__(self, program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._stdout, self._stderr = (Path(self._folder.name, name) for name in ("stdout", "stderr"))
        everything = {**os.environ, **(environment or {})}
        words = (program, arguments, everything, self._stdout, self._stderr)
        self._process = _context().Process(target=_run, args=words, daemon=True)
        self._process.start()

    def first_line(self) -> str:
        """The first line on standard output, without its end; it is waited for. "" if the process ends before."""
        while True:
            alive = self._process.is_alive()
            line, end, _ = self._written(self._stdout).partition("\n")
            if end or not alive:
                return line
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> Ended:
        """Waits for its end. Raises TimeoutError when that takes too long."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"expected an end within {PATIENCE:g} s, got none\n{self._written(self._stderr)}")
        return Ended(self._process.exitcode, self._written(self._stdout), self._written(self._stderr))

    @staticmethod
    def _written(path: Path) -> str:
        return path.read_text(encoding="utf-8") if path.exists() else ""


def run_a_script(path: Path, *arguments: object, folder: Path) -> Ended:
    """Runs a script with arguments and `folder` as its working directory, to its end."""
    return Process(RUN_A_SCRIPT, str(folder), str(path), *map(str, arguments)).end()


def _run(program: str, arguments: tuple[str, ...], environment: dict[str, str], stdout: Path, stderr: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["-c", *arguments]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
