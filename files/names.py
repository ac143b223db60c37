"""Turns names that come from data, such as a class in somebody's config.json, into safe file names."""

from collections.abc import Iterable

LONGEST_NAME = 100  # characters, and twice as many bytes: the usual limit of a file name is 255 bytes
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10))}


def plain_names(names: Iterable[str]) -> list[str]:
    """A safe, unique file name for each name: it cannot leave its folder, be hidden, or control a terminal.

    Separators, control characters, and characters that Windows forbids become "-".

    >>> plain_names(["cat", "t-shirt/top", "t-shirt-top", "../x", "/etc", ""])
    ['cat', 't-shirt-top', 't-shirt-top-2', '_.-x', '-etc', '_']
    """
    taken: set[str] = set()
    plain = []
    for name in names:
        base = candidate = _plain(name)
        number = 2
        while candidate.casefold() in taken:  # some file systems ignore case
            candidate, number = f"{base}-{number}", number + 1
        taken.add(candidate.casefold())
        plain.append(candidate)
    return plain


def _plain(name: str) -> str:
    letters = ("-" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in name)
    plain = "".join(letters)[:LONGEST_NAME]
    while len(plain.encode("utf-8")) > 2 * LONGEST_NAME:
        plain = plain[:-1]
    plain = plain.rstrip(". ") if plain.strip(". ") else "_"
    if plain.startswith("."):
        plain = "_" + plain[1:]
    return f"_{plain}" if plain.partition(".")[0].casefold() in _RESERVED else plain
