"""`counting_bar`: a progress bar of things that are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from retiarii.cli._text import error_console

_REFRESH_S = 0.1


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error, if that is a terminal, and yield the function that moves it.

    The function takes the number of things that are done, and of all. There is no thread that draws: processes may be
    forked meanwhile.

    Args:
        what: What is counted, in the plural.
    """
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=error_console(), transient=True, auto_refresh=False) as bar:
        task, due = bar.add_task(what, total=None), 0.0

        def show(done: int, total: int) -> None:
            nonlocal due
            now = time.monotonic()
            is_due = now >= due
            bar.update(task, completed=done, total=total, refresh=is_due)
            due = now + _REFRESH_S if is_due else due

        yield show
