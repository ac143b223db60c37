"""Makes standard output and error safe to use, whether they are closed, full, without a reader, or a terminal."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

LONGEST_MESSAGE = 300


class OutputLost(OSError):
    """Standard output did not take a result."""


def printable(text: str) -> str:
    """The text with unprintable characters written as escapes, since names of files and classes may hold anything.

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
    """A message in one line of at most `longest` printable characters, cut in the middle: its end says what to do."""
    words = printable(" ".join(text.split()))
    if len(words) <= longest:
        return words
    return f"{words[: longest - 123]} … {words[-120:]}"


def print_result(text: object) -> None:
    """Prints to standard output and flushes. If the reader has gone, as with `| head`, the work goes on.

    Within `usable_streams`, raises OutputLost for a full disk and the like.
    """
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Replaces the standard streams with ones that can always be written to.

    A closed stream would give its descriptor to the next file opened, and libraries would write their messages into
    that file; so it is opened on the null device, and messages go to standard output if standard error is closed.
    Messages matter less than the work: when standard error cannot be written to, because the terminal has gone, they
    are dropped. When standard output cannot be written to, the first write raises OutputLost, or BrokenPipeError if its
    reader has gone; later writes are dropped. Results contain names of classes and files, so control characters are
    escaped: no name can control a terminal.
    """
    closed = [number for number in (0, 1, 2) if _is_closed(number)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    before = sys.stdout, sys.stderr
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if _number_of(sys.stdout) is not None:
        buffered = io.BufferedWriter(_Results(_number_of(sys.stdout)))
        encoding = sys.stdout.encoding  # the terminal's, or PYTHONIOENCODING
        sys.stdout = _PrintableText(buffered, encoding, "backslashreplace", line_buffering=os.isatty(1))
    number = 1 if 2 in closed else _number_of(sys.stderr)
    if number is not None:
        sys.stderr = io.TextIOWrapper(_Words(number), "utf-8", "backslashreplace", write_through=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _PrintableText(io.TextIOWrapper):
    """A text stream that escapes everything but printable characters and line ends."""

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
    """A standard error that cannot fail."""

    def write(self, data) -> int:
        with contextlib.suppress(OSError):  # nobody can read it; see `usable_streams`
            os.write(self._number, data)
        return len(data)


class _Results(_Stream):
    """A standard output that fails once, with the reason."""

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
            raise OutputLost(
                f"expected to write the result to standard output, got {reason}; send it elsewhere"
            ) from error


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
        return False
    except OSError:
        return True


def _number_of(stream) -> int | None:
    """The descriptor of a stream; None for a stream in memory, as in a test or a notebook."""
    try:
        return stream.fileno()
    except (AttributeError, OSError):
        return None
