"""`ProgressDisplay`: the progress display of a search."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from retiarii._counted import counted
from retiarii.experiment._control.stop_signal import Ending
from retiarii.experiment._displays.display import Display
from retiarii.terminal import Text, joined, plain, shortened, visible_line
from retiarii.trial import Metrics, Objectives, Trial, TrialState

MAX_RUNNING_SHOWN = 8
MAX_REASON_SHOWN = 160  # letters


class ProgressDisplay(Display):
    """Shows the number of finished trials, the best trial, the running ones, and the last failure.

    Args:
        title: The experiment's name and id.
        total: The expected number of trials, if it is known.
        at_most: The limit that replaces ``total`` if there are more trials, because the strategy repeats architectures.
        objectives: The objectives by which trials are ranked.
        console: The console to write to.
        way_on: The advice for continuing a stopped experiment.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        objectives: Objectives,
        console: Console | None = None,
        *,
        at_most: int | None = None,
        way_on: str = "",
    ) -> None:
        super().__init__(title, console)
        self._total, self._at_most, self._objectives, self._way_on = total, at_most, objectives, way_on
        self._counts = dict.fromkeys(TrialState, 0)
        self._best: Trial | None = None
        self._best_rank: tuple[float, float, int] | None = None
        self._last_failure: Trial | None = None
        self._running: dict[int, Trial] = {}
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

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Start the display, with the finished trials of a resumed experiment."""
        for trial in trials:
            self._count(trial)
        before = f", {counted(len(trials), 'trial')} finished before" if trials else ""
        self._start(f"started{before}")

    def on_trial_start(self, trial: Trial) -> None:
        """Show the trial as running."""
        self._running[trial.number] = trial

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Show the latest result."""
        self._running[trial.number] = trial

    def on_trial_end(self, trial: Trial) -> None:
        """Count the trial."""
        self._running.pop(trial.number, None)
        self._count(trial)
        if self._is_time_for_a_line:
            self._say(self._line())

    def on_experiment_end(self, ending: Ending) -> None:
        """Close the display and write a summary line."""
        self.close()
        self._say(f"{self._line()} - ended: {ending.value}")
        if ending is Ending.STOPPED and self._way_on:
            self._say(self._way_on)

    def _count(self, trial: Trial) -> None:
        self._counts[trial.state] += 1
        if trial.state is TrialState.FAILED:
            self._last_failure = trial
        rank = self._objectives.rank(trial)
        if rank is not None and (self._best_rank is None or rank < self._best_rank):
            self._best, self._best_rank = trial, rank
        if self._total is not None and self._num_finished > self._total:
            self._total = self._at_most if self._num_finished <= (self._at_most or 0) else None
        self._bar.update(self._task, total=self._total, completed=self._num_finished)

    @property
    def _num_finished(self) -> int:
        return sum(self._counts.values())

    def _line(self) -> str:
        done = counted(self._num_finished, "trial")
        parts = [f"{self._title}: {f'{self._num_finished}/' + counted(self._total, 'trial') if self._total else done}"]
        if self._best is not None:
            parts.append(f"best {self._best.metric:.6g} (trial {self._best.number})")
        if self._last_failure is not None:
            parts.append(f"{self._counts[TrialState.FAILED]} failed, last: {_reason(self._last_failure)}")
        return ", ".join(parts)

    def _render(self) -> Group:
        rows: list[Progress | Text | Table] = [plain(self._title, style="bold cyan"), self._bar]
        if self._best is not None:
            rows.append(joined("best   ", (f"{self._best.metric:.6g}", "green"), f"  trial {self._best.number}"))
        running = Table.grid(padding=(0, 2))
        for trial in list(self._running.values())[:MAX_RUNNING_SHOWN]:
            running.add_row(f"trial {trial.number}", plain(visible_line(trial.device or "")), _latest(trial))
        if self._running:
            rows.append(running)
        if self._last_failure is not None:
            failed = self._counts[TrialState.FAILED]
            text = f"failed {failed}  last: trial {self._last_failure.number}: {_reason(self._last_failure)}"
            rows.append(plain(text, style="red", overflow="ellipsis", no_wrap=True))
        rows.append(self._foot(f"{self._interrupt} stops; what is finished stays, and the experiment can be resumed."))
        return Group(*rows)


def _latest(trial: Trial) -> str:
    if not trial.intermediates:
        return "running"
    return f"step {len(trial.intermediates)}: {trial.intermediates[-1].get(trial.objective, float('nan')):.6g}"


def _reason(trial: Trial) -> str:
    message = trial.failure.message if trial.failure is not None else ""
    return visible_line(shortened(message.splitlines()[0], MAX_REASON_SHOWN)) if message else "no reason"
