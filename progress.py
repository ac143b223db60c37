"""Progress of long work: a bar with rate and time left on standard error, nothing when that is not a terminal."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class ProgressBar:
    """A bar that is told how far the work is: `advance(count)`, with a few words beside it."""

    def __init__(self, bar, task) -> None:
        self._bar, self._task = bar, task

    def advance(self, count: int = 1, title: str | None = None, words: str = "") -> None:
        if self._bar is not None:
            self._bar.update(self._task, advance=count, description=title, words=words)


@contextlib.contextmanager
def progress_bar(title: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressBar]:
    """A bar for `total` units of work of which `done` are finished. The rate is in units a second."""
    if not sys.stderr.isatty():
        yield ProgressBar(None, None)
        return
    # Imported where it is used, so that short commands do not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f} {unit}/s")

    def whole() -> Column:  # fits 80 characters without being broken into lines
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
    """Goes through `items`, showing how many of `total` are done."""
    with progress_bar(title, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()
