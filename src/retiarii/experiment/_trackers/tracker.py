"""`Tracker`: the base of the callbacks that log trials to a tracking tool."""

from __future__ import annotations

import importlib.util
import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from retiarii._plain_data import clean_text
from retiarii.errors import ExperimentError, ExperimentFailedError, MissingExtraError
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._control.stop_signal import Ending
from retiarii.experiment._trackers.outbox import Outbox
from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from retiarii.storage import EpochRecord, ExperimentRecord

logger = logging.getLogger(__name__)

CLOSE_S = 60.0
"""How long the end of a search waits for what is not logged yet."""

QUIET_S = 5.0
"""How long it waits before it says so."""


class Tracker(Callback):
    """Logs an experiment to a tracking tool, from a thread of its own.

    The tool is imported when the search starts. If it raises an error, a warning says so once, nothing more is logged
    in this run, and the search goes on. A resume with the same callback logs the ended trials that are missing.

    To write one, define the abstract methods. They are called in one thread, in the order of the events.

    Args:
        strict: Whether an error of the tool ends the search with an `ExperimentError`.

    Raises:
        MissingExtraError: The tool is not installed.
    """

    tool: str
    """The name of the tool in messages."""

    package: str
    """The package that is imported, which is also the name of the extra."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._at_rest: dict[str, Any] | None = None
        self._outbox: Outbox | None = None
        self._has_warned = False
        self._best: tuple[tuple[float, float, int], Trial] | None = None
        self._ending: Ending | None = None
        found = importlib.util.find_spec(self.package)
        if found is None or found.origin is None:  # without an origin, it is a folder that has the name by chance
            raise MissingExtraError(
                f"{type(self).__name__} needs {self.tool}, which is not installed. Install it with: "
                f"pip install 'retiarii[{self.package}]'"
            )

    # What a tool has to do --------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it logs, for messages."""

    def _prepare(self) -> None:
        """Ask what only the user can answer, before the search, in its thread."""

    @abstractmethod
    def _open(self, experiment: ExperimentRecord) -> Collection[int]:
        """Begin, or go on, to log an experiment; return the numbers of the trials that were logged to their end."""

    @abstractmethod
    def _start(self, trial: Trial) -> None:
        """Begin to log a trial; anything that an interrupted run of it logged is replaced."""

    @abstractmethod
    def _report(self, trial: Trial, step: int, metrics: Metrics) -> None:
        """Log an intermediate result."""

    @abstractmethod
    def _end(self, trial: Trial) -> None:
        """Log the final metrics and the state of a trial."""

    @abstractmethod
    def _log_curves(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Log values of the experiment itself.

        Args:
            group: ``"best"``, with the number of ended trials as step, or ``"supernet"``, with the epoch as step.
            step: The step.
            values: The values by name.
        """

    @abstractmethod
    def _close(self, state: str, message: str, best: Trial | None) -> None:
        """End to log an experiment.

        Args:
            state: ``"done"``, ``"stopped"`` or ``"failed"``.
            message: Why it ended.
            best: The best trial so far.
        """

    def _release(self) -> None:
        """Close files and the like, also after an error; called last, in the thread of the search."""

    # Events -----------------------------------------------------------------------------------------------------------

    def on_run_start(self, experiment: ExperimentRecord) -> None:
        """Begin to log."""
        self._at_rest = dict(vars(self))
        self._experiment = experiment
        self._logged: Collection[int] = ()
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - a tracking tool, which may raise anything
            self._complain(error)
            return
        self._outbox = Outbox(f"retiarii-{self.package}")
        self._post(self._begin)

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Log the trials that ended before and were not logged."""
        if trials:
            self._post(self._catch_up, trials)

    def on_trial_start(self, trial: Trial) -> None:
        """Log the architecture."""
        self._post(self._start, trial)

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Log the metrics."""
        self._post(self._report, trial, len(trial.intermediates) - 1, metrics)

    def on_trial_end(self, trial: Trial) -> None:
        """Log the metrics and the state."""
        self._post(self._finish, trial)

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Log the metrics, the entropies and the probabilities."""
        self._post(self._log_curves, "supernet", epoch.number, epoch_values(epoch))

    def on_experiment_end(self, ending: Ending) -> None:
        """Keep the reason of the end."""
        self._ending = ending

    def on_run_end(self, error: BaseException | None) -> None:
        """Log the state of the experiment, and wait until everything is logged."""
        at_rest = self._at_rest
        if at_rest is None:  # another callback raised before this one began
            return
        try:
            self._conclude(error)
        finally:  # nothing of the run stays, so that the callback can be stored and used again
            vars(self).clear()
            vars(self).update(at_rest)

    def _conclude(self, error: BaseException | None) -> None:
        outbox, self._outbox = self._outbox, None
        if outbox is None:
            return
        state, message = outcome(self._ending, error)
        if outbox.error is None:
            outbox.post(lambda: self._close(state, message, None if self._best is None else self._best[1]))
        is_closed = outbox.close(QUIET_S)
        if not is_closed:
            logger.warning(
                "The search has ended, and %s has not logged everything. Waiting for it, at most %.0f s; Ctrl-C ends "
                "the waiting.",
                self.tool,
                CLOSE_S,
            )
            is_closed = outbox.close(CLOSE_S)
        self._release()
        if not is_closed:
            self._complain(TimeoutError(f"after {CLOSE_S:.0f} s, not everything was logged"), raises=error is None)
        elif outbox.error is not None:
            self._complain(outbox.error, raises=error is None)

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Let the thread make a call; complain about the error of an earlier one."""
        outbox = self._outbox
        if outbox is None:
            return
        if outbox.error is not None:
            self._complain(outbox.error)
        elif not self._has_warned:
            outbox.post(partial(call, *arguments))

    def _complain(self, error: Exception, *, raises: bool = True) -> None:
        """Warn once that the tool does not work, or raise an error if this callback is strict."""
        if self._has_warned:
            return
        self._has_warned = True
        text = (
            f"{self.tool} logs nothing more of experiment {self._experiment.id} in {clean_text(self.place)}: "
            f"{type(error).__name__}: {error}"
        )
        if self._strict and raises:
            raise ExperimentError(f"{text}. Mend it and resume the experiment, or leave strict=True out.") from error
        logger.warning(
            "%s. The search goes on, and the store has all results. Mend it: a resume with this callback logs the "
            "ended trials that are missing.",
            text,
        )

    # In the thread ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._logged = self._open(self._experiment)

    def _catch_up(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if trial.number in self._logged:
                self._rank(trial)
                continue
            self._start(trial)
            for step, metrics in enumerate(trial.intermediates):
                self._report(trial, step, metrics)
            self._finish(trial)

    def _finish(self, trial: Trial) -> None:
        self._end(trial)
        self._rank(trial)
        if self._best is not None and trial.finish_order is not None:
            best = self._best[1]
            metrics = best.metrics or {}
            values = {name: metrics[name] for name in self._experiment.objectives.names if name in metrics}
            self._log_curves("best", trial.finish_order + 1, {**values, "trial": best.number})

    def _rank(self, trial: Trial) -> None:
        rank = self._experiment.objectives.rank(trial)
        if rank is not None and (self._best is None or rank < self._best[0]):
            self._best = rank, trial


def outcome(ending: Ending | None, error: BaseException | None) -> tuple[str, str]:
    """Return the state of an experiment at the end of a run, and the reason."""
    if isinstance(error, ExperimentFailedError):
        return "failed", str(error)
    if error is not None:
        return "stopped", f"{type(error).__name__}: {error}"
    return "stopped" if ending in (Ending.STOPPED, None) else "done", ending.value if ending else ""


def experiment_facts(experiment: ExperimentRecord) -> dict[str, str]:
    """Return what describes an experiment as a whole."""
    return {
        "id": experiment.id,
        "name": experiment.name,
        "strategy": experiment.strategy,
        "objectives": str(experiment.objectives),
        "seed": str(experiment.seed),
        "retiarii": experiment.version,
    }


def failure_text(trial: Trial) -> str:
    """Return why a trial failed or was pruned, with the traceback; empty for others."""
    if trial.failure is None:
        return trial.reason
    return "\n".join(filter(None, [f"{trial.failure.kind.value}: {trial.failure.message}", trial.failure.traceback]))


def epoch_values(epoch: EpochRecord) -> dict[str, float]:
    """Return the metrics, entropies and probabilities of an epoch of a supernet, by path-like names."""
    values = dict(epoch.metrics)
    for label, entropy in _mapping(epoch.record.get("entropy")).items():
        values[f"entropy/{label}"] = entropy
    for label, shares in _mapping(epoch.record.get("probabilities")).items():
        for value, share in _mapping(shares).items():
            values[f"probability/{label}/{value}"] = share
    return {name: value for name, value in values.items() if _is_number(value)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
