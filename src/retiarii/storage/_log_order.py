"""`LogOrder`: the trials of a log by number, without gaps, and the ended ones in the order of their ends."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from retiarii.errors import CorruptStoreError
from retiarii.storage._experiment_records import ExperimentLog
from retiarii.trial import Trial, TrialState

_NEVER = 2**62


class LogOrder:
    """The trials of an experiment, and the order in which they ended.

    Args:
        experiment_id: The id of the experiment.
    """

    def __init__(self, experiment_id: str) -> None:
        self._id = experiment_id
        self._count = 0
        self._ended, self._places = array("q"), array("q")

    def append(self, number: int, *, has_ended: bool, finish_order: int | None) -> None:
        """Add the next trial; ended trials without a finish order come last.

        Raises:
            CorruptStoreError: A trial number is missing, so the order is unknown.
        """
        if number != self._count:
            raise CorruptStoreError(
                f"Trial {self._count} of experiment {self._id!r} is missing in the store, so the search cannot be "
                "resumed exactly. Its other trials can be read and exported; start a new experiment to go on."
            )
        self._count += 1
        if has_ended:
            self._ended.append(number)
            self._places.append(_NEVER if finish_order is None else finish_order)

    def told(self) -> array[int]:
        """Return the numbers of the trials that ended, in the order of their ends."""
        order = np.argsort(np.asarray(self._places), kind="stable")
        return array("q", np.asarray(self._ended)[order].tobytes())


def log_of(experiment_id: str, trials: Iterable[Trial], *, with_reports: bool) -> ExperimentLog:
    """Return the log of an experiment.

    Args:
        experiment_id: The id of the experiment.
        trials: Its trials, by number.
        with_reports: Whether ended trials include their intermediate results.

    Raises:
        CorruptStoreError: A trial number is left out.
    """
    order, light = LogOrder(experiment_id), []
    for trial in trials:
        has_ended = trial.state is not TrialState.RUNNING
        order.append(trial.number, has_ended=has_ended, finish_order=trial.finish_order)
        light.append(_light(trial, with_reports=with_reports and has_ended))
    pending = [trial for trial in light if trial.state is TrialState.RUNNING]
    return ExperimentLog([trial.proposal for trial in light], [light[number] for number in order.told()], pending)


def _light(trial: Trial, *, with_reports: bool) -> Trial:
    """Return a trial without its long texts."""
    failure = None if trial.failure is None else replace(trial.failure, traceback=None)
    reports = tuple(trial.intermediates) if with_reports else ()
    return trial.evolve(failure=failure, output="", intermediates=reports)
