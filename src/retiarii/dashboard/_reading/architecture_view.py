"""`ArchitectureView`: one architecture of an experiment, with the drawing of the model that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retiarii.drawing import Drawing
from retiarii.errors import CorruptStoreError, NotFoundError, RecordError, SpaceError
from retiarii.space import SearchSpace
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Trial

_MAX_LISTED = 50


@dataclass(frozen=True)
class ArchitectureView:
    """One architecture of an experiment.

    Attributes:
        record: The experiment.
        best: The best trials, the best first.
        trial: The trial of the architecture; None if there is none yet.
        problem: A sentence that says why the wanted trial is not shown; empty if it is.
        choices: The choices by label, as in JSON; those of the evaluator's arguments come last.
        space: The search space, as rows of text with a heading; empty if it cannot be read.
    """

    record: ExperimentRecord
    best: Sequence[Trial]
    trial: Trial | None
    problem: str
    choices: dict[str, Any]
    space: Sequence[Sequence[str]]

    @property
    def of_model(self) -> dict[str, Any]:
        """The choices of the model, for `fixed_arch`."""
        of_evaluator = set(self.record.config.get("evaluator_labels", ()))
        return {label: value for label, value in self.choices.items() if label not in of_evaluator}


def architecture_view(store: Store, experiment_id: str, number: int | None) -> ArchitectureView:
    """Return one architecture.

    Args:
        store: The store.
        experiment_id: The experiment.
        number: The number of its trial; None for the best.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    record = store.get_experiment(experiment_id)
    best = store.best_trials(record.id, _MAX_LISTED)
    trial, problem = (best[0] if best else None), ""
    if number is not None:
        try:
            trial = store.get_trial(record.id, number)
        except NotFoundError:
            trial, problem = None, f"This experiment has no trial {number}."
    choices = {} if trial is None else trial.architecture.to_json()
    return ArchitectureView(record, best, trial, problem, choices, _rows(record))


def read_drawing(store: Store, experiment_id: str) -> Drawing | str:
    """Return the stored drawing of a model, or a sentence that says why there is none; no stored code is run.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    try:
        stored = store.read_drawing(experiment_id)
    except CorruptStoreError as error:
        return str(error)
    if stored is None:
        return ""
    if isinstance(stored.get("problem"), str):
        return str(stored["problem"])
    try:
        return Drawing.from_json(stored.get("drawing"))
    except RecordError as error:
        return f"The stored drawing cannot be read: {error}"


@dataclass(frozen=True)
class Totals:
    """What the drawn parts of an architecture have together.

    Attributes:
        num_params: The number of parameters that is known.
        flops: The FLOPs that are known; None if no input is known.
        has_all_params: Whether the parameters of every part are known.
    """

    num_params: int
    flops: float | None
    has_all_params: bool


def totals(drawing: Drawing, choices: dict[str, Any]) -> Totals:
    """Add up what a drawing knows of the parts that an architecture uses; FLOPs are a lower bound.

    Args:
        drawing: The drawing.
        choices: The architecture, as in JSON.
    """
    used, _ = drawing.used(choices)
    counted = [False] * len(drawing.boxes)
    num_params, flops, has_all = 0, 0.0, True
    for index, box in enumerate(drawing.boxes):
        is_inside = box.parent >= 0 and counted[box.parent]
        counted[index] = is_inside
        if is_inside or not used[index] or not box.path:
            continue
        if box.cost.num_params is not None:
            num_params, counted[index] = num_params + box.cost.num_params, True
            flops += box.cost.flops or 0.0
        elif not box.is_container and box.category not in ("choice", "parameter"):
            has_all = False
            flops += box.cost.flops or 0.0
    return Totals(num_params, None if drawing.input_shape is None else flops, has_all)


def _rows(record: ExperimentRecord) -> Sequence[Sequence[str]]:
    try:
        return SearchSpace.from_json(record.space).rows() if record.space else ()
    except SpaceError:
        return ()
