"""``retiarii show --watch``: follow an experiment on the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live

from retiarii.cli._text import console
from retiarii.cli._watch_view import hint, line, view
from retiarii.cli._watched import ExperimentWatch, Seen
from retiarii.terminal import SafeConsole, plain

if TYPE_CHECKING:
    from retiarii.storage import Store

_LOOK_S = 1.0
_LINE_EVERY_S = 5.0

EXIT_FAILED = 1


def watch(store: Store, experiment_id: str) -> int:
    """Follow an experiment until it ends, or until Ctrl-C.

    Args:
        store: The store.
        experiment_id: The experiment.

    Returns:
        The exit code: 0 if it is done, was stopped, or goes on after Ctrl-C; 1 if it failed or was killed.
    """
    out = console()
    watched = ExperimentWatch(store, experiment_id)
    resume = store.command(f"resume {experiment_id}")
    can_redraw = out.is_terminal and not out.is_dumb_terminal
    try:
        seen = (_live if can_redraw else _lines)(watched, resume, out)
    except KeyboardInterrupt:
        return 0
    return EXIT_FAILED if seen.state in ("dead", "failed") else 0


def _live(watched: ExperimentWatch, resume: str, out: SafeConsole) -> Seen:
    """Redraw the view in place until the experiment ends; the last view stays."""
    draws_bars = out.encoding.startswith("utf")
    with Live(console=out, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            seen = watched.look()
            live.update(view(seen, resume, draws_bars=draws_bars), refresh=True)
            if seen.state != "running":
                return seen
            time.sleep(_LOOK_S)


def _lines(watched: ExperimentWatch, resume: str, out: SafeConsole) -> Seen:
    """Print a line whenever something changed, at most every few seconds, until the experiment ends."""
    printed, due = "", 0.0
    while True:
        seen = watched.look()
        text, now = line(seen), time.monotonic()
        is_news = text.partition(" ")[2] != printed.partition(" ")[2]  # without the time of day
        if is_news and (now >= due or seen.state != "running"):
            out.print(plain(text), soft_wrap=True)
            printed, due = text, now + _LINE_EVERY_S
        if seen.state != "running":
            out.print(plain(hint(seen, resume)), soft_wrap=True)
            return seen
        time.sleep(_LOOK_S)
