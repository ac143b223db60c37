"""What the scripts share: one-line errors with exit status 2, lists of seeds, a quiet import of TensorFlow."""

import argparse
import contextlib
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from errno import ENOMEM
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None

from errors import Explained, Parameter, nearest_name
from files import reason_of
from options import Whole, converter
from streams import LONGEST_MESSAGE, OutputLost, one_line, usable_streams

MOST_SEEDS = 100_000
CACHE_HELP = "folder for classifiers and features (default: ~/.cache/pixelwright)"
BEST_HELP = "use the weights with the best distance, which train.py --evaluate-every kept (default: the last)"
LESS_MEMORY = "choose a smaller batch, size or count, or close other programs"
LEAST_ADDRESS_SPACE = 3 * 2**30  # bytes; with less TensorFlow aborts or waits for ever
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
ONE_AT_A_TIME = threading.RLock()  # all threads share standard error


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wide help that leaves examples as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors are one line: expected, got, what to do."""

    def __init__(self, **settings) -> None:
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> None:
        kind, _, words = message.partition("unrecognized arguments: ")
        if not kind and any(Path(word).is_file() for word in words.split()):
            message = f"expected one path, got several (the shell expands *.png into names): {words}; name the folder"
        elif not kind:
            message += self._like(words.split())
        self.exit(BAD_INPUT, f"{self.prog}: error: {one_line(message)}; see {self.prog} --help\n")

    def _like(self, words: list[str]) -> str:
        """A question about the first of these words that is part of an option or nearly one; "" if none is."""
        options = self.option_strings()
        for word in (word.partition("=")[0] for word in words if word.startswith("--")):
            near = next((option for option in options if word[2:] in option), None) or nearest_name(word, options)
            if near:
                return f"; did you mean {near}?"
        return ""

    def option_strings(self) -> list[str]:
        """Every option, as typed."""
        return [text for action in self._actions for text in action.option_strings]

    def format_help(self) -> str:
        """The short help. Options that an error message names when they are needed appear only in docs/options.md."""
        hidden = {action: action.help for action in self._actions if getattr(action, "rare", False)}
        try:
            for action in hidden:
                action.help = argparse.SUPPRESS
            return super().format_help()
        finally:
            for action, words in hidden.items():
                action.help = words

    def error_line(self, error: Exception) -> str:
        """An error in one line; its parameters are shown as the options of this parser."""
        with_options = [
            action for action in self._actions if action.option_strings and action.help != argparse.SUPPRESS
        ]
        options = {action.dest: action.option_strings[0] for action in with_options}

        def in_command(parameter: Parameter) -> str | None:
            return parameter.as_option(options[parameter.name]) if parameter.name in options else None

        words = error.text(in_command) if isinstance(error, Explained) else str(error)
        if isinstance(error, OSError) and error.strerror:
            words = f"expected to read or write {error.filename or 'a file'}, got {reason_of(error)}"
        line = one_line(words, getattr(error, "longest", LONGEST_MESSAGE))
        return f"{self.prog}: error: {line or type(error).__name__}"


def run_command(main: Callable[[], int]) -> None:
    """Runs a script's main function and exits with its status; Ctrl-C outside of training exits with 130, in one line.

    Warnings of image libraries are not shown: where one means that pixels may be wrong, the file is refused.
    """
    with usable_streams(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
        raise SystemExit(_status_of(main))


def _status_of(main: Callable[[], int]) -> int | str | None:
    """What main returns or exits with, after standard output is flushed."""
    try:
        try:
            status = main()
        except SystemExit as left:
            status = left.code
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of standard output has gone, as with `| head`
        return DONE
    except OutputLost as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return FAILED
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        print(f"error: expected more memory than there is, got {one_line(str(error))}; {LESS_MEMORY}", file=sys.stderr)
        return FAILED


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, TensorFlow or the system ran out of memory; does not import TensorFlow."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):  # no memory for its stack
        return True
    return isinstance(error, MemoryError) or "ResourceExhaustedError" in names or getattr(error, "errno", 0) == ENOMEM


@contextlib.contextmanager
def one_line_errors(parser: ArgumentParser) -> Iterator[None]:
    """Turns errors about what the user gave (ValueError, TypeError, OSError) into one line and exit status 2.

    Use it around reading and checking input, not around the work itself, where a traceback helps more.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(parser.error_line(error), file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None


def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages, which bypass Python's standard error.

    The messages are shown if the import fails. Keras gets the settings that this project is written for, whatever the
    user's own configuration is, and GPU memory is allocated as needed. Raises MemoryError where
    TensorFlow could not work.
    """
    check_address_space()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_libraries():
        import keras
        import tensorflow  # noqa: F401

        keras.config.set_image_data_format("channels_last")


def check_address_space() -> None:
    """Raises MemoryError when this process may have less than TensorFlow needs to start, as after `ulimit -v`.

    A default training of small images takes 2.4 GiB; TensorFlow 2.21 waits for ever with 1.9 GiB, and aborts with 1.4.
    """
    if resource is None or "tensorflow" in sys.modules:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise MemoryError(
            f"expected at least {LEAST_ADDRESS_SPACE >> 30} GiB of address space for TensorFlow, got a limit of "
            f"{limit / 2**30:.2f} GiB; raise it with ulimit -v"
        )


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Holds back what C++ libraries and Python's warnings write to standard error; shows it if the block fails.

    A ValueError, TypeError or OSError explains itself, so the held-back text is not shown for those.
    """
    with ONE_AT_A_TIME:
        yield from _held_back()


def _held_back() -> Iterator[None]:
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except (ValueError, TypeError, OSError):
            raise
        except BaseException:
            held_back.seek(0)
            os.write(standard_error, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)


# Types of options: text -> value; their errors say what was expected

positive_integer = converter(Whole("N", 1))
seed_number = converter(Whole("N", 0))


def seed_list(text: str) -> list[int]:
    """ "0-7,12" -> [0, 1, 2, 3, 4, 5, 6, 7, 12].

    >>> seed_list("0-2,12,1")
    [0, 1, 2, 12, 1]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None or (match[2] is not None and int(match[2]) < int(match[1])):
            raise argparse.ArgumentTypeError(f"expected seeds such as 0-7,12, got {text!r}")
        following = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(seeds) + len(following) > MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"expected at most {MOST_SEEDS} seeds, got more in {text!r}; use --count")
        seeds.extend(following)
    return seeds
