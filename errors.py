"""Errors about the user's input, in one line: expected, got, what to do.

Python calls a parameter image_size, a command line calls it --image-size, and both show the same messages. So a message
is kept in parts: text, and the parameters it mentions. `str(error)` names these as Python does;
`command_line.one_line_errors` calls `error.text` to name them as options of its script.
"""

import shlex
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Parameter:
    """A parameter in a message, alone or with a value to pass.

    >>> str(Parameter("alpha", "white")), Parameter("alpha", "white").as_option("--alpha")
    ("alpha='white'", '--alpha white')
    >>> Parameter("image_size", (28, 32)).as_option("--image-size"), Parameter("best", True).as_option("--best")
    ('--image-size 28x32', '--best')
    """

    name: str
    value: object = None  # None: the parameter itself, without a value

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value!r}"

    def as_option(self, option: str) -> str:
        if self.value is None or self.value is True:
            return option
        text = shlex.quote(option_text(self.value))
        return f"{option}={text}" if text.startswith("-") else f"{option} {text}"


Words = str | Parameter | tuple[str | Parameter, ...]


def words(template: str, *values: object) -> tuple[str | Parameter, ...]:
    """Splits an error message: {name} is a parameter, {name=value} one with a value, {} or {!r} the next of `values`.

    >>> [str(part) for part in words("expected {batch_size} of at most {}, got {}", 8, 9)]
    ['expected ', 'batch_size', ' of at most ', '8', ', got ', '9']
    """
    parts: list[str | Parameter] = []
    remaining = iter(values)
    for text, field, _, conversion in string.Formatter().parse(template):
        parts.append(text)
        if field:
            name, _, value = field.partition("=")
            parts.append(Parameter(name, value or None))
        elif field is not None:
            value = next(remaining)
            parts.append(repr(str(value)) if conversion == "r" else str(value))
    return tuple(part for part in parts if part != "")


class Explained(Exception):
    """An error that states a problem and how to fix it. Raise one of its subclasses below.

    Args:
        problem: "expected …, got …".
        ways_out: the possible fixes, one by one. A script leaves out a fix that needs an option it does not have.
    """

    def __init__(self, problem: Words, *ways_out: Words) -> None:
        self.problem, self.ways_out = _parts(problem), tuple(_parts(way) for way in ways_out)
        super().__init__(self.text(str))

    def text(self, name: Callable[[Parameter], str | None]) -> str:
        """The message. `name` returns what to call a parameter, or None if it cannot be passed here."""
        ways = [way for way in self.ways_out if all(name(part) for part in way if isinstance(part, Parameter))]
        sentences = [" or ".join(_joined(way, name) for way in ways)] if ways else []
        return "; ".join([_joined(self.problem, name), *sentences])

    def about(self, subject: object) -> "Explained":
        """The same error with `subject`, such as a file, named first."""
        return type(self)((f"{subject}: ", *self.problem), *self.ways_out)


class InputError(Explained, ValueError):
    """A value that cannot be used."""


class LongInputError(InputError):
    """An InputError with a list of files or a command that must not be shortened."""

    longest = 4000  # characters


class InputTypeError(Explained, TypeError):
    """A value whose type cannot be used."""


class LongInputTypeError(InputTypeError):
    """An InputTypeError with a command that must not be shortened."""

    longest = LongInputError.longest


def option_text(value: object) -> str:
    """A value as typed on a command line: 28x32, color,cutout, 0.5."""
    if isinstance(value, tuple):
        return ("x" if all(isinstance(part, int) for part in value) else ",").join(map(option_text, value))
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def counted(count: int, thing: str) -> str:
    """A number of things, the plural by an s.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def nearest_name(word: str, names: Sequence[str]) -> str | None:
    """The name that a mistyped word was probably meant to be; None if none is near.

    >>> nearest_name("cifar11", ("mnist", "cifar10")), nearest_name("photos", ("mnist", "cifar10"))
    ('cifar10', None)
    """
    return next(iter(get_close_matches(word, names, 1, 0.8)), None)


def _parts(words: Words) -> tuple[str | Parameter, ...]:
    return words if isinstance(words, tuple) else (words,)


def _joined(parts: tuple[str | Parameter, ...], name: Callable[[Parameter], str | None]) -> str:
    def shown(part: "str | Parameter | Explained") -> str:
        if isinstance(part, Explained):  # an error within another one
            return part.text(name)
        return (name(part) or str(part)) if isinstance(part, Parameter) else part

    return "".join(map(shown, parts))
