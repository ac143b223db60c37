"""Options, each defined once: a field of a dataclass carries its default, its bounds, its group and its help.

`add_options` turns them into argparse options; `check_options` checks values that come from Python or from a file.
"""

import argparse
import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

from errors import InputError, Parameter, option_text

# Kinds of values. Each describes what it accepts, parses the text of a command line, and checks a value.


@dataclass(frozen=True)
class Text:
    """Any text, such as a name or a path."""

    metavar: str
    wanted: str = "text"

    def read(self, text: str) -> str:
        return text

    def fits(self, value: object) -> bool:
        return isinstance(value, str)


@dataclass(frozen=True)
class Whole:
    """A whole number from `least`, and below `below` if that is given."""

    metavar: str
    least: int
    below: int | None = None

    @property
    def wanted(self) -> str:
        return f"a whole number from {self.least}" + (f" and below {self.below}" if self.below else "")

    def read(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text):
            raise ValueError(text)
        return int(text)

    def fits(self, value: object) -> bool:
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        return is_whole and self.least <= value and (self.below is None or value < self.below)


@dataclass(frozen=True)
class Number:
    """A number below `below`, and at least `least` or above `above`, whichever is given. `usual`: a hint to show."""

    metavar: str
    below: float
    usual: str
    least: float | None = None
    above: float | None = None

    @property
    def wanted(self) -> str:
        start = f"above {self.above:g} and" if self.least is None else f"of at least {self.least:g} and"
        return f"a number {start} below {self.below:g} ({self.usual})"

    def read(self, text: str) -> float:
        return float(text)

    def fits(self, value: object) -> bool:
        if not isinstance(value, Real) or isinstance(value, bool) or not value < self.below:
            return False
        return value > self.above if self.least is None else value >= self.least


@dataclass(frozen=True)
class Choice:
    """One of several names or numbers; the help lists them in place of a metavar, unless one is given.

    formerly: old names, and today's name for each.
    """

    names: tuple
    shown_as: str | None = None
    formerly: tuple[tuple[str, str], ...] = ()

    @property
    def metavar(self) -> str:
        return self.shown_as or "{" + ",".join(map(str, self.names)) + "}"

    @property
    def wanted(self) -> str:
        return " or ".join(map(str, self.names))

    def read(self, text: str) -> object:
        return self.restored(type(self.names[0])(text))

    def restored(self, value: object) -> object:
        return next((today for name, today in self.formerly if name == value), value)

    def fits(self, value: object) -> bool:
        return not isinstance(value, bool) and value in self.names


@dataclass(frozen=True)
class Names:
    """Some of several names, each at most once, separated by commas. `formerly`: older spellings of names."""

    metavar: str
    names: tuple[str, ...]
    formerly: tuple[tuple[str, str], ...] = ()

    @property
    def wanted(self) -> str:
        return f"some of {', '.join(self.names)}, each at most once"

    def read(self, text: str) -> tuple[str, ...]:
        return self.restored(name_list(text))

    def restored(self, value: list | tuple) -> tuple[str, ...]:
        return tuple(dict(self.formerly).get(name, name) for name in value)

    def fits(self, value: object) -> bool:
        return isinstance(value, tuple) and set(value) <= set(self.names) and len(set(value)) == len(value)


@dataclass(frozen=True)
class Size:
    """(height, width) in pixels."""

    metavar: str = "N|HxW"
    wanted: str = "a size such as 64 or 48x80 (height x width)"

    def read(self, text: str) -> tuple[int, int]:
        """ "64" or "48x80", height before width.

        >>> Size().read("64"), Size().read("48x80")
        ((64, 64), (48, 80))
        """
        match = re.fullmatch(r"([0-9]+)(?:[x×]([0-9]+))?", text)
        if match is None:
            raise ValueError(text)
        return int(match[1]), int(match[2] or match[1])

    def restored(self, value: list) -> tuple[int, ...]:
        return tuple(value)

    def fits(self, value: object) -> bool:
        return isinstance(value, tuple) and len(value) == 2 and all(Whole("N", 1).fits(side) for side in value)


@dataclass(frozen=True)
class Level:
    """The word data, or a level above 0."""

    metavar: str = "data|LEVEL"
    wanted: str = "data or a level above 0 such as 4095"

    def read(self, text: str) -> str | float:
        return text if text == "data" else float(text)

    def fits(self, value: object) -> bool:
        return value == "data" or (isinstance(value, Real) and not isinstance(value, bool) and 0 < value < math.inf)


@dataclass(frozen=True)
class Range:
    """(lowest, highest), two numbers."""

    metavar: str = "LOW,HIGH"
    wanted: str = "two increasing numbers such as 0,1"

    def read(self, text: str) -> tuple[float, ...]:
        """ "-1,1" -> (-1.0, 1.0)."""
        return tuple(float(part) for part in text.split(","))

    def restored(self, value: list) -> tuple[float, ...]:
        return tuple(value)

    def fits(self, value: object) -> bool:
        numbers = isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, Real) for part in value)
        return numbers and all(map(math.isfinite, value)) and value[0] < value[1]


@dataclass(frozen=True)
class Flag:
    """On or off; on the command line, an option without a value."""

    wanted: str = "True or False"

    def fits(self, value: object) -> bool:
        return isinstance(value, bool)


Kind = Text | Whole | Number | Choice | Names | Size | Level | Range | Flag


def converter(kind: Kind) -> Callable[[str], object]:
    """The argparse `type` for an option of this kind; its errors say what was expected and what was given."""

    def convert(text: str) -> object:
        try:
            value = kind.read(text)
        except ValueError:
            value = None
        if value is None or not kind.fits(value):
            raise argparse.ArgumentTypeError(f"expected {kind.wanted}, got {text!r}")
        return value

    return convert


# Dataclass fields that carry their option


@dataclass(frozen=True)
class Option:
    """The option of a field. `help` may contain {default}; `formerly` is another spelling, accepted but not shown.

    rare: an error message names the option when it is needed, so the short help leaves it out; docs/options.md has it.
    """

    group: str
    help: str
    kind: Kind
    formerly: str | None = None
    rare: bool = False


def option(default: object, group: str, help: str, kind: Kind, formerly: str | None = None, rare: bool = False):
    """A dataclass field with its option: options.option(10, "recipe", "passes (default {default})", Whole("N", 1))."""
    return dataclasses.field(default=default, metadata={"option": Option(group, help, kind, formerly, rare)})


def options_of(config: type) -> dict[str, Option]:
    """The options of a dataclass, by field name."""
    fields = dataclasses.fields(config)
    return {field.name: field.metadata["option"] for field in fields if "option" in field.metadata}


def add_options(parser: argparse._ActionsContainer, config: type, group: str) -> None:
    """Adds the options of one group, in the order of their fields."""
    for name, one in options_of(config).items():
        if one.group == group:
            add_option(parser, config, name)


def add_option(parser: argparse._ActionsContainer, config: type, name: str, help: str | None = None) -> None:
    """Adds one option without a default, to distinguish given options from missing ones. `help` replaces the help."""
    one, default = options_of(config)[name], getattr(config, name)
    words = help or one.help.replace("{default}", option_text(default))
    for option, shown in ((name, words), (one.formerly, argparse.SUPPRESS)):
        if option is None:
            continue
        if isinstance(one.kind, Flag):
            added = parser.add_argument(option_name(option), dest=name, action="store_true", default=None, help=shown)
        else:
            kind = converter(one.kind)
            added = parser.add_argument(option_name(option), dest=name, type=kind, metavar=one.kind.metavar, help=shown)
        added.rare = one.rare


def check_options(config: object) -> None:
    """Raises InputError for a field with an unsuitable value. None is allowed where it is the default."""
    for name, one in options_of(type(config)).items():
        value = getattr(config, name)
        if not (value is None and getattr(type(config), name) is None) and not one.kind.fits(value):
            raise InputError(("expected ", Parameter(name), f" to be {one.kind.wanted}, got {value!r}"))


def restored_options(config: type, document: dict) -> dict:
    """Values from JSON, converted to today's names and spellings, and from lists to tuples where a field has one."""
    today = {one.formerly: name for name, one in options_of(config).items() if one.formerly}
    values = {today.get(name, name): value for name, value in document.items()}
    for name, one in options_of(config).items():
        is_tuple = isinstance(one.kind, (Names, Size, Range)) and isinstance(values.get(name), list)
        if is_tuple or (isinstance(one.kind, Choice) and name in values):
            values[name] = one.kind.restored(values[name])
    return values


def option_name(field: str) -> str:
    """The command-line option of a field.

    >>> option_name("batch_size")
    '--batch-size'
    """
    return "--" + field.replace("_", "-")


def name_list(text: str) -> tuple[str, ...]:
    """ "cat,dog" -> ("cat", "dog")."""
    return tuple(part.strip() for part in text.split(","))
