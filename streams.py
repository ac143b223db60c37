"""Standard output and error as they may be: closed, full, without a reader, or obeyed by a terminal."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

LONGEST_MESSAGE = 300


class OutputLost(OSError):
    """Standard output did not take a result."""


def printable(text: str) -> str:
    """The same text, what is no printable character written as an escape: names of files and classes may hold anything.

    >>> printable("cat\\n\\x1b[31m")
    'cat\\\\n\\\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def one_line(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A message in one line of so many printable characters, shortened in the middle: the way out is at its end."""
    words = printable(" ".join(text.split()))
    if len(words) <= longest:
        return words
    return f"{words[: longest - 123]} … {words[-120:]}"


def print_result(text: object) -> None:
    """Prints to standard output at once. A reader who has gone, as `| head` does, is no reason to stop the work.

    Raises OutputLost, within `usable_streams`, for a full disk and the like.
    """
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Makes standard streams that can be written to whatever becomes of them.

    One that is closed would give its number to the next file that is opened, and libraries would write their messages
    into that file; it is opened on nothing here, and messages go to standard output when standard error is closed.
    Standard error carries words about the work, and the work is worth more: where it cannot be written to, since the
    terminal has gone, the words are dropped. What standard output does not take is OutputLost, or BrokenPipeError when
    its reader has gone; once, and the rest goes nowhere. Names of classes and files are printed there, so that nothing
    in them may write to a terminal what it obeys.
    """
    closed = [number for number in (0, 1, 2) if _is_closed(number)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    before = sys.stdout, sys.stderr
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if _number_of(sys.stdout) is not None:
        buffered = io.BufferedWriter(_Results(_number_of(sys.stdout)))
        encoding = sys.stdout.encoding  # of the terminal, or what PYTHONIOENCODING says
        sys.stdout = _PrintableText(buffered, encoding, "backslashreplace", line_buffering=os.isatty(1))
    number = 1 if 2 in closed else _number_of(sys.stderr)
    if number is not None:
        sys.stderr = io.TextIOWrapper(_Words(number), "utf-8", "backslashreplace", write_through=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _PrintableText(io.TextIOWrapper):
    """Text of which only printable characters and ends of lines are written as they are."""

    def write(self, text: str) -> int:
        super().write("\n".join(map(printable, text.split("\n"))))
        return len(text)


class _Stream(io.RawIOBase):
    def __init__(self, number: int) -> None:
        self._number = number
        self._failed = False

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True


class _Words(_Stream):
    """Standard error that cannot fail."""

    def write(self, data) -> int:
        with contextlib.suppress(OSError):  # nobody can hear it; see `usable_streams`
            os.write(self._number, data)
        return len(data)


class _Results(_Stream):
    """Standard output that fails once, and says how."""

    def write(self, data) -> int:
        if self._failed:
            return len(data)
        try:
            return os.write(self._number, data)
        except OSError as error:
            self._failed = True
            if isinstance(error, BrokenPipeError):
                raise
            reason = (error.strerror or str(error)).lower()
            raise OutputLost(f"expected standard output to take the result, got {reason}; send it elsewhere") from error


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
        return False
    except OSError:
        return True


def _number_of(stream) -> int | None:
    """The descriptor of a stream; None for one in memory, as a test or a notebook may have."""
    try:
        return stream.fileno()
    except (AttributeError, OSError):
        return None
