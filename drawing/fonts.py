"""Fonts for any name: the built-in font, or an installed one with the letters; a number if there is none."""

import functools
import io
from collections.abc import Sequence

from PIL import ImageFont

PRINTABLE = frozenset(map(chr, range(32, 127)))  # ASCII, which the built-in font has


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """The first font with all letters of `text`: Pillow's own, or one that Matplotlib finds; else Pillow's own."""
    path = font_file(text)
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def font_file(text: str) -> str | None:
    """The file of an installed font with all letters of `text`; None if the built-in font has them, or no font has."""
    return _path_of_font(_unusual_letters(text))


def drawable(text: str) -> str:
    r"""The text, or its letters as escapes if no font has them all.

    >>> drawable("cat " + chr(0xE0000))
    'cat \\U000e0000'
    """
    return text if _is_drawable(text) else text.encode("ascii", "backslashreplace").decode()


def drawable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes; if no font has the letters of a name, the number of the class instead, counted from 0.

    >>> drawable_names(["cat", chr(0xE0000)])  # a letter that nobody draws
    ('cat', '1')
    """
    return tuple(name if _is_drawable(name) else str(number) for number, name in enumerate(names))


def legend(names: Sequence[str]) -> str:
    """Explains the numbers in `drawable_names` in one line; "" if there are none.

    >>> legend(["cat", "dog"])
    ''
    """
    missing = [f"{number} is {name}" for number, name in enumerate(names) if not _is_drawable(name)]
    return f"no installed font has the letters of some classes; in pictures {', '.join(missing)}" if missing else ""


def _is_drawable(text: str) -> bool:
    return not _unusual_letters(text) or font_file(text) is not None


def _unusual_letters(text: str) -> frozenset[str]:
    """The letters of a text that the built-in font lacks."""
    letters = frozenset(text) - PRINTABLE
    return letters - _builtin_letters() if letters else letters


@functools.cache
def _builtin_letters() -> frozenset[str]:
    return _letters(io.BytesIO(ImageFont.load_default(16).font_bytes))


@functools.lru_cache(maxsize=256)
def _path_of_font(letters: frozenset[str]) -> str | None:
    """The file of an installed font with these letters, preferring upright ones; None without one or any letters."""
    if not letters:
        return None
    from matplotlib import font_manager  # takes a second to import, and is rarely needed

    known = [one for one in font_manager.fontManager.ttflist if not one.name.startswith("Last Resort")]  # frames alone
    for entry in sorted(known, key=lambda one: (one.name != "DejaVu Sans", one.style != "normal", one.weight != 400)):
        try:
            if letters <= _letters_of_file(entry.fname):
                ImageFont.truetype(entry.fname, 16)
                return entry.fname
        except (OSError, RuntimeError):  # a font that is gone, or a bitmap font
            continue
    return None


@functools.lru_cache(maxsize=1024)
def _letters_of_file(path: str) -> frozenset[str]:
    return _letters(path)


def _letters(source: str | io.BytesIO) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    return frozenset(map(chr, FT2Font(source).get_charmap()))
