"""`ProgressDisplay`: what a person sees while a search runs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from retiarii.experiment._callbacks import Callback
from retiarii.experiment._loop import Ending
from retiarii.trial import Direction, Metrics, Trial, TrialState

LINE_EVERY_S = 5.0  # where there is no terminal to redraw
MAX_RUNNING_SHOWN = 8


class ProgressDisplay(Callback):
    """Shows a live display on a terminal or in a notebook, and a line now and then elsewhere (stderr).

    Args:
        title: The experiment's name and id.
        total: The number of trials to come to, where it is known.
        direction: Which metrics are better.
        console: Where to write.
    """

    def __init__(self, title: str, total: int | None, direction: Direction, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._title, self._total, self._direction = title, total, direction
        self._counts = dict.fromkeys(TrialState, 0)
        self._best: Trial | None = None
        self._last_failure: Trial | None = None
        self._running: dict[int, Trial] = {}
        self._notice = ""
        self._is_live = self._console.is_terminal or self._console.is_jupyter
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("[bold]trials"),
            BarColumn(),
            MofNCompleteColumn() if total else TextColumn("{task.completed}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("trials", total=total)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def notify(self, text: str) -> None:
        """Show a message under the display, or as a line of its own."""
        self._notice = text
        if not self._is_live:
            self._console.print(text, highlight=False, soft_wrap=True)

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Start the display; finished trials of a resumed experiment count."""
        for trial in trials:
            self._count(trial)
        if self._is_live:
            self._live.start()
        else:
            already = f", {len(trials)} trials finished before" if trials else ""
            self._console.print(f"{self._title}: started{already}", highlight=False, soft_wrap=True)

    def on_trial_start(self, trial: Trial) -> None:
        """Show it as running."""
        self._running[trial.number] = trial

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Show the latest result."""
        self._running[trial.number] = trial

    def on_trial_end(self, trial: Trial) -> None:
        """Count it."""
        self._running.pop(trial.number, None)
        self._count(trial)
        if not self._is_live and time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def on_experiment_end(self, ending: Ending) -> None:
        """Close the display and leave a line that sums up."""
        self.close()
        self._console.print(f"{self._line()} - ended: {ending.value}", highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Give the terminal back, whatever happened."""
        if self._live.is_started:
            self._live.stop()

    def _count(self, trial: Trial) -> None:
        self._counts[trial.state] += 1
        if trial.state is TrialState.FAILED:
            self._last_failure = trial
        if trial.metric is not None and (
            self._best is None
            or self._best.metric is None
            or self._direction.is_better(trial.metric, self._best.metric)
        ):
            self._best = trial
        if self._total is not None and self._num_finished > self._total:
            self._total = None  # the strategy tries architectures again
        self._bar.update(self._task, total=self._total, completed=self._num_finished)

    @property
    def _num_finished(self) -> int:
        return sum(self._counts.values())

    def _line(self) -> str:
        parts = [f"{self._num_finished}/{self._total}" if self._total else str(self._num_finished)]
        parts[0] = f"{self._title}: {parts[0]} trials"
        if self._best is not None:
            parts.append(f"best {self._best.metric:.6g} (trial {self._best.number})")
        if self._last_failure is not None:
            parts.append(f"{self._counts[TrialState.FAILED]} failed, last: {_reason(self._last_failure)}")
        return ", ".join(parts)

    def _render(self) -> Group:
        rows: list[Progress | Text | Table] = [Text(self._title, style="bold cyan"), self._bar]
        if self._best is not None:
            rows.append(Text.assemble("best   ", (f"{self._best.metric:.6g}", "green"), f"  trial {self._best.number}"))
        running = Table.grid(padding=(0, 2))
        for trial in list(self._running.values())[:MAX_RUNNING_SHOWN]:
            running.add_row(f"trial {trial.number}", trial.device or "", _latest(trial))
        if self._running:
            rows.append(running)
        if self._last_failure is not None:
            failed = self._counts[TrialState.FAILED]
            text = f"failed {failed}  last: trial {self._last_failure.number}: {_reason(self._last_failure)}"
            rows.append(Text(text, style="red", overflow="ellipsis", no_wrap=True))
        rows.append(
            Text(self._notice or "Ctrl-C stops; what is finished stays, and the experiment can be resumed.", "dim")
        )
        return Group(*rows)


def _latest(trial: Trial) -> str:
    if not trial.intermediates:
        return "running"
    return f"step {len(trial.intermediates)}: {trial.intermediates[-1].get('default', float('nan')):.6g}"


def _reason(trial: Trial) -> str:
    return trial.failure.message.splitlines()[0][:160] if trial.failure and trial.failure.message else "no reason"
