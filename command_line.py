"""What the scripts share: one-line errors with exit status 2, lists of seeds, a quiet start of TensorFlow."""

import argparse
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator

from errors import Explained, Parameter
from options import Whole, converter

MOST_SEEDS = 100_000
CACHE_HELP = "folder for classifiers and features of real images (default: pixelwright in $XDG_CACHE_HOME or ~/.cache)"
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wide, and with examples left as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


class ArgumentParser(argparse.ArgumentParser):
    """Errors as one line: what was expected, what came, what to do."""

    def __init__(self, **settings) -> None:
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> None:
        self.exit(BAD_INPUT, f"{self.prog}: error: {one_line(message)}; see {self.prog} --help\n")

    def option_strings(self) -> list[str]:
        """Every option, as it is written."""
        return [text for action in self._actions for text in action.option_strings]

    def error_line(self, error: Exception) -> str:
        """An error in one line; parameters in it are named by the options of this parser, which has their names."""
        with_options = [
            action for action in self._actions if action.option_strings and action.help != argparse.SUPPRESS
        ]
        options = {action.dest: action.option_strings[0] for action in with_options}

        def in_command(parameter: Parameter) -> str | None:
            return parameter.as_option(options[parameter.name]) if parameter.name in options else None

        words = error.text(in_command) if isinstance(error, Explained) else str(error)
        return f"{self.prog}: error: {one_line(words) or type(error).__name__}"


def run_command(main: Callable[[], int]) -> None:
    """Runs a script's main function and leaves with its exit status; Ctrl-C outside of training is 130, in one line."""
    try:
        status = main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of standard output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    raise SystemExit(status)


@contextlib.contextmanager
def one_line_errors(parser: ArgumentParser) -> Iterator[None]:
    """Turns errors about what the user gave (ValueError, TypeError, OSError) into one line and exit status 2.

    Put around reading and checking input, not around the work itself: there, a traceback helps more.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(parser.error_line(error), file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None


def one_line(text: str) -> str:
    return " ".join(text.split())


def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up chatter, which goes past Python to standard error.

    What was held back is shown when the import fails. Keras is set to what this project is written for, whatever the
    user's own settings say, and a GPU's memory is taken as it is needed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_libraries():
        import keras
        import tensorflow  # noqa: F401

        keras.config.set_image_data_format("channels_last")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Holds back what C++ libraries and Python's warnings write to standard error; it is shown when the block fails.

    A ValueError, TypeError or OSError says what is wrong by itself, so then it stays held back.
    """
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


# Types of options: text -> value, with an error that says what was expected

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
