"""Progress of long work on standard error: a bar with rate and time left; a line per minute where it is no terminal."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


FIRST_LINE_AFTER, SECONDS_BETWEEN_LINES = 15.0, 60.0
SLOW_STARTS = 2  # advances that say nothing about the rate: the first steps of a training compile its two graphs


class ProgressBar:
    """A progress bar: `advance(count)` moves it and can change the few words beside it."""

    def __init__(self, bar, task) -> None:
        self._bar, self._task = bar, task

    def advance(self, count: float = 1, title: str | None = None, words: str = "") -> None:
        self._bar.update(self._task, advance=count, description=title, words=words)


class ProgressLines:
    """Progress as lines for a log: the first after 15 seconds, then one per minute; none for shorter work."""

    def __init__(self, title: str, total: float, unit: str, done: float) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done, self._done_before, self._started = done, done, time.monotonic()
        self._next_line, self._advances = self._started + FIRST_LINE_AFTER, 0

    def advance(self, count: float = 1, title: str | None = None, words: str = "") -> None:
        self._done += count
        self._advances += 1
        now = time.monotonic()
        if self._advances <= SLOW_STARTS:
            self._done_before, self._started = self._done, now
        if now < self._next_line or self._done == self._done_before:
            return
        self._next_line = now + SECONDS_BETWEEN_LINES
        rate = (self._done - self._done_before) / (now - self._started)
        left = time_in_words((self._total - self._done) / rate)
        shown_rate = "" if self._unit == "s" else f"{rate:,.3g} {self._unit}/s"
        of_what = " of the time" if self._unit == "s" else ""  # not of the epoch that the title names
        parts = (f"{self._done / self._total:.0%}{of_what}", shown_rate, f"{left} left", words)
        print(f"{title or self._title}: {', '.join(part for part in parts if part)}", file=sys.stderr, flush=True)


def time_in_words(seconds: float) -> str:
    """
    >>> time_in_words(40), time_in_words(100), time_in_words(9000)
    ('40 s', '2 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def progress_bar(title: str, total: float, unit: str, done: float = 0) -> Iterator[ProgressBar | ProgressLines]:
    """Shows progress of `total` units of work, `done` of them finished before. The rate is in units per second."""
    if not sys.stderr.isatty():
        yield ProgressLines(title, total, unit, done)
        return
    # Imported here, so that short commands do not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task) -> Text:
            return Text("" if task.speed is None or unit == "s" else f"{task.speed:,.0f} {unit}/s")

    def whole() -> Column:  # never wrapped; the bar fits 80 characters
        return Column(no_wrap=True)

    columns = (
        TextColumn("{task.description}", table_column=whole()),
        BarColumn(bar_width=16),
        TextColumn("{task.percentage:>3.0f} %", table_column=whole()),
        RateColumn(table_column=whole()),
        TimeRemainingColumn(compact=True, table_column=whole()),
        TextColumn("{task.fields[words]}", table_column=whole()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        yield ProgressBar(bar, bar.add_task(title, total=total, completed=done, words=""))


def track(items: Iterable[Item], title: str, total: int, unit: str) -> Iterator[Item]:
    """Yields `items`, showing how many of `total` are done."""
    with progress_bar(title, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()
