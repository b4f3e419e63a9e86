"""`TrialTable`: the trials of an experiment as columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.storage import ExperimentRecord
from retiarii.trial import Trial, TrialState

STATES = tuple(TrialState)
"""`TrialTable.state` has positions in this tuple."""

NONE = -1
"""The code or number of something that a trial does not have."""


@dataclass(frozen=True)
class Coded:
    """A column of values that repeat.

    Attributes:
        codes: For each trial the position of its value in ``values``; -1 for none, such as the choice of a label that
            is not active in the trial's architecture.
        values: The distinct values, in the order in which they appeared.
    """

    codes: npt.NDArray[np.int32]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, row: int) -> Any:
        """Return the value of one row; None for none."""
        code = int(self.codes[row])
        return None if code == NONE else self.values[code]


@dataclass(frozen=True)
class TrialTable:
    """The trials of an experiment as columns of equal length, by trial number.

    Attributes:
        record: The experiment.
        number: The trials' numbers.
        state: Positions in `STATES`.
        finish_order: 0, 1, 2, ... in the order in which trials ended; -1 for trials that run.
        started: Unix time of the start, seconds; NaN if unknown.
        ended: Unix time of the end, seconds; NaN for trials that run.
        parent: The number of the trial that was continued; -1 for none.
        violation: By how much constraints on metrics are broken; 0 if all are kept.
        metrics: For each metric its final values, which may be infinite; NaN where it was not reported.
        choices: For each label of the space the chosen values, a subset as a tuple.
        fidelity: How much training the trials got, as pairs of name and amount; none where the evaluator decided.
        device: The devices.
        failure: The reasons of failures, as pairs of kind and message.
    """

    record: ExperimentRecord
    number: npt.NDArray[np.int32]
    state: npt.NDArray[np.int8]
    finish_order: npt.NDArray[np.int32]
    started: npt.NDArray[np.float64]
    ended: npt.NDArray[np.float64]
    parent: npt.NDArray[np.int32]
    violation: npt.NDArray[np.float64]
    metrics: Mapping[str, npt.NDArray[np.float64]]
    choices: Mapping[str, Coded]
    fidelity: Coded
    device: Coded
    failure: Coded

    def __len__(self) -> int:
        return len(self.number)

    @property
    def metric(self) -> npt.NDArray[np.float64]:
        """The values of the first objective."""
        missing = np.full(len(self), np.nan)
        return self.metrics.get(self.record.objectives.primary.metric, missing)

    def is_in(self, *states: TrialState) -> npt.NDArray[np.bool_]:
        """Return for each trial whether it is in one of these states."""
        return np.isin(self.state, [STATES.index(state) for state in states])

    @classmethod
    def of(cls, record: ExperimentRecord, trials: Iterable[Trial]) -> TrialTable:
        """Return the table of some trials.

        Args:
            record: The experiment.
            trials: Its trials.
        """
        rows = sorted(trials, key=lambda trial: trial.number)
        return cls(
            record=record,
            number=np.array([trial.number for trial in rows], np.int32),
            state=np.array([STATES.index(trial.state) for trial in rows], np.int8),
            finish_order=np.array([_or_none(trial.finish_order) for trial in rows], np.int32),
            started=np.array([_or_nan(trial.started) for trial in rows], np.float64),
            ended=np.array([_or_nan(trial.ended) for trial in rows], np.float64),
            parent=np.array([_or_none(trial.parent) for trial in rows], np.int32),
            violation=np.array([trial.violation for trial in rows], np.float64),
            metrics=_metric_columns(rows),
            choices={
                label: coded([_choice(trial, label) for trial in rows], absent=_ABSENT) for label in _labels(rows)
            },
            fidelity=coded([tuple(trial.fidelity.items()) or None for trial in rows]),
            device=coded([trial.device for trial in rows]),
            failure=coded([(t.failure.kind.value, t.failure.message) if t.failure else None for t in rows]),
        )


_ABSENT = object()


def coded(values: Sequence[Hashable], absent: Hashable = None) -> Coded:
    """Return a column of values.

    Args:
        values: The values.
        absent: What stands for none.
    """
    codes: dict[tuple[type, Hashable], int] = {}
    found = [NONE if value is absent else codes.setdefault((type(value), value), len(codes)) for value in values]
    distinct = [value for _, value in codes]
    return Coded(np.array(found, np.int32), distinct)


def _or_none(value: int | None) -> int:
    return NONE if value is None else value


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _labels(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(label for trial in trials for label in trial.architecture))


def _choice(trial: Trial, label: str) -> Hashable:
    value = trial.architecture.get(label, _ABSENT)
    return tuple(value) if isinstance(value, list) else value


def _metric_columns(trials: Sequence[Trial]) -> dict[str, npt.NDArray[np.float64]]:
    names = dict.fromkeys(name for trial in trials for name in trial.metrics or {})
    return {name: np.array([(trial.metrics or {}).get(name, np.nan) for trial in trials], np.float64) for name in names}
