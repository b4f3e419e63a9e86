"""`Session`: what a plan needs of the experiment that it searches for: its store, clock, budget and displays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retiarii.execution import Executor
from retiarii.experiment._callbacks import Callback, CallbackList
from retiarii.experiment._checked_executor import CheckedExecutor
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._display import Display
from retiarii.experiment._experiment_clock import ExperimentClock
from retiarii.experiment._kept_files import KeptFiles
from retiarii.experiment._loop import Budget, TrialLoop
from retiarii.experiment._progress import ProgressDisplay
from retiarii.experiment._stop import Ending, StopSignal
from retiarii.storage import ExperimentLog, ExperimentRecord, Store
from retiarii.strategy import Search
from retiarii.trial import TrialFiles

_MANY = 10**6  # trials: the display does not say how many are left of more


@dataclass
class Session:
    """One run of an experiment, while it holds the experiment's lock.

    Attributes:
        record: The experiment in the store.
        config: Its settings.
        store: Where it is kept.
        clock: How long it has been running.
        stop: Asks it to end.
        callbacks: The user's.
        is_resumed: Whether an earlier run has left something.
        displays: Those that were opened, to be closed at the end.
    """

    record: ExperimentRecord
    config: RetiariiExeConfig
    store: Store
    clock: ExperimentClock
    stop: StopSignal
    callbacks: Sequence[Callback] = ()
    is_resumed: bool = False
    displays: list[Display] = field(default_factory=list)

    def run_trials(
        self,
        search: Search,
        executor: Executor,
        *,
        total: float | None,
        max_trials: int | None = None,
        is_timed: bool = True,
        when_exhausted: Ending = Ending.EXHAUSTED,
    ) -> Ending:
        """Run the trials that a search proposes.

        Args:
            search: A new search.
            executor: Runs them; closed in the end.
            total: How many there can be, where that is known.
            max_trials: At most so many, those before a resume included.
            is_timed: Whether ``max_experiment_duration`` ends them.
            when_exhausted: What to call it that the search has nothing left to propose.
        """
        kept = KeptFiles(self.trial_files, self.config, search)
        budget = Budget(max_trials=max_trials, is_timed=is_timed, max_failures=self.config.max_failures)
        executor = CheckedExecutor(executor)
        with executor:
            self.clock.read_from(executor.clock)
            loop = TrialLoop(
                search,
                executor,
                self.store,
                self.record.id,
                seed=self.record.seed,
                budget=budget,
                clock=self.clock,
                callback=self._told((max_trials, total), kept),
                stop=self.stop,
                constraints=self.config.constraints,
                free=kept.free,
                log=self.log(search) if self.is_resumed else None,
                when_exhausted=when_exhausted,
            )
            ending = loop.run()
        kept.sweep()
        return ending

    def log(self, search: Search) -> ExperimentLog:
        """Return what earlier runs asked and told, as far as a search needs it."""
        return self.store.load_log(self.record.id, with_reports=search.prunes)

    @property
    def trial_files(self) -> TrialFiles:
        """The folders of the trials."""
        return TrialFiles(self.folder)

    @property
    def folder(self) -> Path:
        """The folder of the experiment's files."""
        return self.store.directory(self.record.id)

    @property
    def title(self) -> str:
        """What displays call the experiment."""
        return f"{self.record.name} ({self.record.id})"

    @property
    def way_on(self) -> str:
        """How to go on with the experiment when it was stopped."""
        return f"Go on with: {self.store.command(f'resume {self.record.id}')}"

    def answer(self, count: int) -> str:
        """Return what to say to somebody who asks to stop for the first or second time."""
        if count == 1:
            return "Stopping after the trials that are running; Ctrl-C again stops at once."
        return f"Stopping now. {self.way_on}"

    def close(self) -> None:
        """Close what was opened to show progress."""
        for display in self.displays:
            display.close()

    def _told(self, limits: tuple[int | None, float | None], kept: KeptFiles) -> CallbackList:
        """Return everything that the loop tells what happens.

        Args:
            limits: How many trials are allowed, and how many architectures there are; None where that is not known.
            kept: Told last, so that the user's callbacks still find the files of a trial.
        """
        if self.config.progress is False:
            return CallbackList([*self.callbacks, kept])
        finite = [int(limit) for limit in limits if limit is not None and limit < _MANY]
        total = min(finite, default=None)
        display = ProgressDisplay(self.title, total, self.record.objectives, at_most=limits[0], way_on=self.way_on)
        self.displays.append(display)
        self.stop.on_request = lambda count: display.notify(self.answer(count))
        return CallbackList([display, *self.callbacks, kept])
