"""Output that is closed, full, without a reader, or obeyed by a terminal."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import run_command
from streams import LONGEST_MESSAGE, one_line, printable

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import contextlib, os, sys
from command_line import run_command
from streams import print_result

def main():
    print_result("the result " * 20_000)
    print_result("more")
    print("words about the work", file=sys.stderr)
    with open(sys.argv[1], "w") as file:
        with contextlib.suppress(OSError):
            os.write(2, b"what a library writes")
        file.write("the work")
    return 0

run_command(main)
"""


def run(folder, shell: str) -> subprocess.CompletedProcess:
    """The program, with what the shell does to its streams; its exit status is printed to descriptor 3."""
    (folder / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "P": sys.executable}
    command = shell.replace("PROGRAM", '"$P" program.py work.txt')
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@given(st.text())
def test_a_message_is_one_short_printable_line(text):
    line = one_line(text)
    assert line.isprintable() and len(line) <= LONGEST_MESSAGE
    assert printable(text).isprintable()


def test_a_message_keeps_its_beginning_and_its_way_out():
    line = one_line("photo.png: expected " + "x" * 1000 + "; leave it out")
    assert line.startswith("photo.png: expected xxx") and line.endswith("; leave it out")
    assert one_line("a\n\tb\x1b[31m\u202e\udc80") == "a b\\x1b[31m\\u202e\\udc80"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_said(tmp_path):
    outcome = run(tmp_path, "PROGRAM > /dev/full; echo $?")
    assert outcome.stdout == "1\n"
    assert "expected to write the result to standard output" in outcome.stderr and outcome.stderr.count("\n") == 1

    short = (
        """"$P" -c "from command_line import run_command; run_command(lambda: print('x') or 0)" >/dev/full; echo $?"""
    )
    outcome = run(tmp_path, short)
    assert outcome.stdout == "1\n" and outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("shell", "status"),
    [
        ("PROGRAM | true; echo ${PIPESTATUS[0]}", "0"),
        ("PROGRAM >&-; echo $?", "0"),
        ("PROGRAM > out.txt 2> /dev/full; echo $?", "0"),
        ("PROGRAM 2>&- > out.txt; echo $?", "0"),
        ("PROGRAM <&- >&- 2>&-; echo $?", "0"),
    ],
)
def test_the_work_is_done_whoever_listens(tmp_path, shell, status):
    outcome = run(tmp_path, shell)
    assert outcome.stdout.splitlines()[-1] == status, outcome
    assert (tmp_path / "work.txt").read_text() == "the work"
    if "2>" not in shell:
        assert "words about the work" in outcome.stderr and "Traceback" not in outcome.stderr


def test_words_go_to_standard_output_when_standard_error_is_closed(tmp_path):
    run(tmp_path, "PROGRAM 2>&- > out.txt")
    assert (tmp_path / "out.txt").read_text().endswith("more\nwords about the work\n")


def test_what_is_printed_is_printable(tmp_path):
    program = "from command_line import run_command; run_command(lambda: print('cat\\x1b[2J, dög', 7, sep='\\n') or 0)"
    outcome = run(tmp_path, f""""$P" -c "{program}" """)
    assert outcome.stdout == "cat\\x1b[2J, dög\n7\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no memory"),
        RuntimeError("can't start new thread"),
        type("ResourceExhaustedError", (Exception,), {})("OOM " * 999),
    ],
)
def test_out_of_memory_is_one_line(run_command_here, error):
    status, words = run_command_here(error)
    assert status == 1 and words.count("\n") == 1 and "close other programs" in words and len(words) < 500


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold programs to this limit")
def test_too_little_address_space_is_one_line_before_tensorflow_starts(tmp_path):
    """With less TensorFlow aborts, or waits for ever."""
    shutil.copytree(ROOT / "tests/frozen_runs/db04404/plain", tmp_path / "run")
    outcome = run(tmp_path, f"ulimit -v 2000000; timeout 60 {sys.executable} {ROOT}/generate.py run")
    assert outcome.returncode == 2 and outcome.stderr.count("\n") == 1, outcome
    assert "got a limit of 1.91 GiB; raise it" in outcome.stderr


def test_other_errors_keep_their_traceback(run_command_here):
    with pytest.raises(ZeroDivisionError):
        run_command_here(ZeroDivisionError())


@pytest.fixture
def run_command_here(capfd):
    """A function that runs a command that raises; its exit status, and what was written to standard error."""

    def run(error: Exception) -> tuple[int, str]:
        def main() -> int:
            raise error

        with pytest.raises(SystemExit) as left:
            run_command(main)
        return left.value.code, capfd.readouterr().err

    return run
