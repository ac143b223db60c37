"""Counts files that are not read, by reason, and remembers the first names."""

from collections import Counter

NAMES_SHOWN = 5


class Account:
    """Names by reason.

    >>> account = Account()
    >>> for name in ("a.txt", "b.txt", "c.svg"):
    ...     account.add(name[1:], name)
    >>> account.text()
    '2 .txt (a.txt, b.txt), 1 .svg (c.svg)'
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return sum(self.counts.values())

    def add(self, reason: str, name: str) -> None:
        self.counts[reason] += 1
        first = self._names.setdefault(reason, [])
        if len(first) < NAMES_SHOWN:
            first.append(name)

    def text(self) -> str:
        """Everything in one line, most frequent reason first."""
        return ", ".join(f"{count:,} {reason} ({self.names(reason)})" for reason, count in self.counts.most_common())

    def names(self, reason: str) -> str:
        """The first names for a reason, and an ellipsis if there are more."""
        shown = ", ".join(self._names.get(reason, ()))
        return shown + ", …" if self.counts[reason] > NAMES_SHOWN else shown
