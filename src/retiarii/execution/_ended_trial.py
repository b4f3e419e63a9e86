"""`checked_end`: the metrics of a trial that has ended, which both loops of trials check in the same way."""

from __future__ import annotations

from retiarii.errors import MetricError
from retiarii.trial import Failure, FailureKind, Objectives, Trial, TrialState


def checked_end(trial: Trial, objectives: Objectives) -> Trial:
    """Return an ended trial with the metrics that count: the last report if it was pruned; none if they are unusable.

    Args:
        trial: The trial, with the state that the executor told.
        objectives: The metrics by which trials are compared. A trial without one, or with one that is not finite, has
            failed.
    """
    if trial.state is TrialState.PRUNED:
        return trial.evolve(metrics=trial.intermediates[-1] if trial.intermediates else None)
    if trial.metrics is None:
        return trial
    try:
        objectives.check(trial.metrics)
    except MetricError as error:
        failure = Failure(FailureKind.BAD_METRIC, str(error))
        return trial.evolve(state=TrialState.FAILED, metrics=None, failure=failure)
    return trial
