"""The live view of ``retiarii show --watch``, and its lines where there is no terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from retiarii._counted import counted
from retiarii._readable import duration_text, number_text
from retiarii.cli._show_supernet import supernet_section
from retiarii.cli._text import LABEL_STYLE, STATE_STYLES, architecture_text, heading, plain_table
from retiarii.terminal import Text, joined, plain, shortened, visible_line

if TYPE_CHECKING:
    from retiarii.cli._watched import Seen
    from retiarii.trial import Trial

_BARS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 24
_BAR_WIDTH = 30
_MAX_REASONS = 4
_TRIAL_STYLES = {"completed": "green", "failed": "red", "pruned": "yellow"}


def view(seen: Seen, resume: str, *, draws_bars: bool = True) -> RenderableType:
    """Return the whole view, the most important first: low terminals cut its end.

    Args:
        seen: The experiment.
        resume: The command that resumes it.
        draws_bars: Whether the terminal can show block characters.
    """
    rows: list[RenderableType] = [_title(seen), _progress(seen)]
    rows.append(plain(hint(seen, resume), style=LABEL_STYLE if seen.state == "running" else ""))
    if len(seen.best.value):
        rows.append(_best(seen, draws_bars=draws_bars))
    if seen.epochs:
        rows += ["", supernet_section(seen.epochs)]
    if seen.running and seen.state == "running":
        rows += ["", heading(f"Running ({seen.num_running})"), _running(seen.running, seen.now)]
    if seen.last:
        rows += ["", heading("Ended last"), _ended(seen.last)]
    failures = seen.failures
    if failures:
        num_failed = sum(count for _, count in failures)
        rows += ["", heading(f"Failures ({num_failed:,})"), _failures(failures)]
    return Group(*rows)


def line(seen: Seen) -> str:
    """Return the progress as one line."""
    parts = [f"{time.strftime('%H:%M:%S')} {visible_line(seen.record.name or seen.record.id)}: {_done(seen)}"]
    if seen.epochs:
        parts.append(counted(len(seen.epochs), "epoch"))
    if len(seen.best.value):
        parts.append(f"best {number_text(float(seen.best.value[-1]))} (trial {_best_number(seen)})")
    if seen.state == "running":
        parts.append(f"{seen.num_running} running")
    num_failed = sum(count for _, count in seen.failures)
    if num_failed:
        parts.append(f"{num_failed:,} failed")
    if seen.left_s is not None:
        parts.append(f"about {duration_text(seen.left_s)} left")
    return ", ".join(parts)


def hint(seen: Seen, resume: str) -> str:
    """Return how to go on."""
    resume = visible_line(resume)
    return {
        "running": "Ctrl-C ends this view; the experiment goes on.",
        "dead": f"Its process ended unexpectedly (killed?). Go on with: {resume}",
        "stopped": f"It was stopped: {_first_line(seen)}. Go on with: {resume}",
        "failed": f"It failed: {_first_line(seen)}",
        "done": f"Done: {_first_line(seen)}.",
    }[seen.state]


def sparkline(values: Sequence[float], width: int = _SPARK_WIDTH) -> str:
    """Return a curve as one line of block characters, the first value at the left.

    Args:
        values: Finite numbers.
        width: The maximum number of characters.
    """
    count = min(len(values), width)
    shown = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low and math.isfinite(high - low) else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in shown)


def _title(seen: Seen) -> Text:
    shown = "stopped" if seen.state == "dead" else seen.state
    name = visible_line(shortened(seen.record.name or seen.record.id, 60))
    return joined((name, "bold"), f"  {seen.record.id}  ", (shown, STATE_STYLES[shown]))


def _done(seen: Seen) -> str:
    if seen.total is None:
        return counted(seen.num_ended, "trial")
    return f"{seen.num_ended:,}/{counted(seen.total, 'trial')}"


def _progress(seen: Seen) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    cells: list[RenderableType] = [plain(_done(seen))]
    if seen.total:
        cells.append(ProgressBar(total=seen.total, completed=seen.num_ended, width=_BAR_WIDTH))
    spent = f"ran for {duration_text(seen.record.spent_s)}" if seen.record.spent_s else ""
    left = f"about {duration_text(seen.left_s)} left" if seen.left_s is not None else ""
    cells.append(_cut_cell(plain(", ".join(filter(None, [left, spent])), style=LABEL_STYLE)))
    grid.add_row(*cells)
    for column in grid.columns[:-1]:
        column.no_wrap = True
    return grid


def _best(seen: Seen, *, draws_bars: bool) -> Text:
    value = number_text(float(seen.best.value[-1]))
    spark = f"  {sparkline(seen.best.value.tolist())}" if draws_bars else ""
    name = "best" if seen.best.metric == "default" else f"best {visible_line(shortened(seen.best.metric, 30))}"
    return joined(f"{name} ", (value, "bold green"), f"  trial {_best_number(seen)}", (spark, "cyan"))


def _best_number(seen: Seen) -> int:
    return int(seen.table.number[seen.best.holder[-1]])


def _cut_cell(text: Text) -> Text:
    """Return the text of the last cell of a row, which a narrow terminal cuts instead of wrapping it."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _running(trials: Sequence[Trial], now: float) -> Table:
    table = plain_table("trial", "since", "step", "last", "architecture", right=("trial", "since", "step", "last"))
    for trial in trials:
        since = None if trial.started is None else max(now - trial.started, 0.0)
        reports = trial.intermediates
        last = reports[-1].get(trial.objective) if reports else None
        table.add_row(
            str(trial.number),
            duration_text(since),
            str(len(reports)) if reports else "-",
            number_text(last),
            _cut_cell(plain(architecture_text(trial.architecture))),
        )
    return table


def _ended(trials: Sequence[Trial]) -> Table:
    table = plain_table("trial", "state", "metric", "time", "", right=("trial", "metric", "time"))
    for trial in trials:
        why = trial.failure.message if trial.failure is not None else trial.reason
        table.add_row(
            str(trial.number),
            plain(trial.state.value, style=_TRIAL_STYLES[trial.state.value]),
            number_text(trial.metric),
            duration_text(trial.duration_s),
            _cut_cell(plain(visible_line(shortened(why)) if why else architecture_text(trial.architecture))),
        )
    return table


def _failures(failures: Sequence[tuple[tuple[str, str], int]]) -> Table:
    table = plain_table("times", "why", right=("times",))
    for (kind, message), count in failures[:_MAX_REASONS]:
        why = joined((kind.replace("_", " "), "red"), f": {visible_line(shortened(message))}")
        table.add_row(f"{count:,}", _cut_cell(why))
    if len(failures) > _MAX_REASONS:
        table.add_row("", plain(f"and {len(failures) - _MAX_REASONS} more reasons", style=LABEL_STYLE))
    return table


def _first_line(seen: Seen) -> str:
    return visible_line(shortened(seen.record.message.partition("\n")[0])).rstrip(".")
