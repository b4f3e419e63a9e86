"""`Session`: the store, clock, callbacks and displays of a running experiment, used by its plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from retiarii.execution import Executor
from retiarii.experiment._control.callbacks import Callback, CallbackList
from retiarii.experiment._control.experiment_clock import ExperimentClock
from retiarii.experiment._control.stop_signal import Ending, StopSignal
from retiarii.experiment._displays.display import Display
from retiarii.experiment._displays.progress import ProgressDisplay
from retiarii.experiment._running.checked_executor import CheckedExecutor
from retiarii.experiment._running.kept_files import KeptFiles
from retiarii.experiment._running.trial_loop import Budget, TrialLoop
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.storage import ExperimentLog, ExperimentRecord, Store
from retiarii.strategy import Search
from retiarii.trial import Trial, TrialFiles

_MANY = 10**6  # trials: the display does not say how many are left of more


@dataclass
class Session:
    """The state of one run of an experiment while it holds the experiment's lock.

    Attributes:
        record: The experiment in the store.
        config: The settings.
        store: The store of the experiment.
        clock: The clock of its running time.
        stop: The stop signal.
        callbacks: The user's callbacks.
        is_resumed: Whether there was an earlier run.
        is_simulated: Whether trials run on a simulated clock; they have no files.
        displays: The open displays, which `close` closes.
    """

    record: ExperimentRecord
    config: RetiariiExeConfig
    store: Store
    clock: ExperimentClock
    stop: StopSignal
    callbacks: Sequence[Callback] = ()
    is_resumed: bool = False
    is_simulated: bool = False
    displays: list[Display] = field(default_factory=list)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell the user's callbacks about the beginning and the end of this run, the block."""
        callbacks, error = CallbackList(self.callbacks), None
        try:
            callbacks.on_run_start(self.record)
            yield
        except BaseException as err:
            error = err
            raise
        finally:
            callbacks.on_run_end(error)

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
            executor: The executor that runs them; closed at the end.
            total: The number of possible trials, if it is known.
            max_trials: The maximum number of trials, including those before a resume.
            is_timed: Whether ``max_experiment_duration`` ends them.
            when_exhausted: The ending to return when the search has nothing left to propose.
        """
        kept = None if self.is_simulated else KeptFiles(self.trial_files, self.config, search)
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
                free=_free_nothing if kept is None else kept.free,
                log=self.log(search) if self.is_resumed else None,
                when_exhausted=when_exhausted,
            )
            ending = loop.run()
        if kept is not None:
            kept.sweep()
        return ending

    def log(self, search: Search) -> ExperimentLog:
        """Return the proposals and results of earlier runs that a search needs."""
        return self.store.load_log(self.record.id, with_reports=search.prunes)

    @property
    def trial_files(self) -> TrialFiles:
        """The folders of the trials."""
        return TrialFiles(self.folder)

    @property
    def folder(self) -> Path:
        """The folder for the files of the experiment."""
        return self.store.directory(self.record.id)

    @property
    def title(self) -> str:
        """The name of the experiment in displays."""
        return f"{self.record.name} ({self.record.id})"

    @property
    def way_on(self) -> str:
        """The advice for continuing a stopped experiment."""
        return f"Go on with: {self.store.command(f'resume {self.record.id}')}"

    def answer(self, count: int) -> str:
        """Return the message for the first or second request to stop."""
        if count == 1 and not self.is_simulated:
            return "Stopping after the trials that are running; the next Ctrl-C stops at once."
        return f"Stopping now. {self.way_on}"

    def close(self) -> None:
        """Close the displays."""
        for display in self.displays:
            display.close()

    def _told(self, limits: tuple[int | None, float | None], kept: KeptFiles | None) -> CallbackList:
        """Return all callbacks of the loop.

        Args:
            limits: The maximum number of trials, and the number of architectures; None if unknown.
            kept: The last callback, so that the user's callbacks still find the files of a trial; None without files.
        """
        callbacks = self.callbacks if kept is None else [*self.callbacks, kept]
        if self.config.progress is False:
            return CallbackList(callbacks)
        finite = [int(limit) for limit in limits if limit is not None and limit < _MANY]
        total = min(finite, default=None)
        display = ProgressDisplay(self.title, total, self.record.objectives, at_most=limits[0], way_on=self.way_on)
        self.displays.append(display)
        self.stop.on_request = lambda count: display.notify(self.answer(count))
        return CallbackList([display, *callbacks])


def _free_nothing(ended: Sequence[Trial]) -> bool:
    """Return False: simulated trials have no files."""
    return False
