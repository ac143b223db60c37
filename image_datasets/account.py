"""What lies beside the pictures that are read: counted by reason, the first ones by name."""

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
        """All in one line, the most frequent first."""
        return ", ".join(f"{count:,} {reason} ({self.names(reason)})" for reason, count in self.counts.most_common())

    def names(self, reason: str) -> str:
        """The first names of a reason, and how it goes on."""
        shown = ", ".join(self._names.get(reason, ()))
        return shown + ", …" if self.counts[reason] > NAMES_SHOWN else shown
