"""Results of an experiment: best so far, epochs of a one-shot search, failures."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import Field

from retiarii.analysis import best_so_far
from retiarii.dashboard._api.analysis_routes import metric_of
from retiarii.dashboard._api.answer_values import LARGEST_NUMBER, Answer, ExperimentId, Number, Values, number, numbers
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.reader import Reader
from retiarii.trial import Direction, FailureKind


class StepAnswer(Answer):
    """A trial that was the best when it ended."""

    x: float = Field(description="The number of the trial, or the seconds since the start of the first.")
    trial: int
    value: Number


class BestSoFarAnswer(Answer):
    """How the best value of a metric improved."""

    metric: str
    direction: Direction
    num_trials: int = Field(description="How many completed trials have the metric.")
    steps: list[StepAnswer] = Field(description="The trials that were the best so far, in order.")


class FailureGroup(Answer):
    """A reason for which trials failed."""

    kind: FailureKind
    message: str
    count: int
    example: int = Field(description="The number of the first of these trials.")


class FailuresAnswer(Answer):
    """Failures by reason, most frequent first."""

    num_reasons: int
    reasons: list[FailureGroup]


class EpochAnswer(Answer):
    """One epoch of a one-shot search."""

    number: int
    time: float = Field(description="Unix time of its end, seconds.")
    metrics: dict[str, Number]
    record: Values = Field(description="The state of the search, such as the probabilities of all candidates.")


class EpochsAnswer(Answer):
    """A page of epochs; empty if the experiment is not a one-shot search."""

    epochs: list[EpochAnswer]
    next_after: int | None = Field(description="The `after` of the next page; null for none.")


def result_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of results."""
    routes = APIRouter(prefix="/experiments/{experiment_id}", tags=["results"])

    @routes.get("/best-so-far", responses=problems(404))
    def get_best_so_far(
        experiment_id: ExperimentId,
        metric: Annotated[
            str | None, Query(max_length=1000, description="By default the first objective; others are maximized.")
        ] = None,
        over: Annotated[Literal["trial", "time"], Query(description="What `x` is.")] = "trial",
    ) -> BestSoFarAnswer:
        """Return the trials that were the best so far when they ended."""
        table = reader.table(experiment_id)
        best = best_so_far(table, metric_of(table, metric), over=over)
        is_step = np.r_[True, best.holder[1:] != best.holder[:-1]] if len(best.holder) else np.zeros(0, bool)
        steps = zip(best.x[is_step], best.holder[is_step], best.value[is_step], strict=True)
        return BestSoFarAnswer(
            metric=best.metric,
            direction=best.direction,
            num_trials=len(best.x),
            steps=[
                StepAnswer(x=float(x), trial=int(table.number[row]), value=number(float(value)))
                for x, row, value in steps
            ],
        )

    @routes.get("/failures", responses=problems(404))
    def list_failures(experiment_id: ExperimentId, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> FailuresAnswer:
        """Return the reasons for which trials failed, most frequent first."""
        found = reader.store.failure_reasons(experiment_id)
        return FailuresAnswer(
            num_reasons=len(found),
            reasons=[
                FailureGroup(kind=one.kind, message=one.message, count=one.count, example=one.example)
                for one in found[:limit]
            ],
        )

    @routes.get("/epochs", responses=problems(404))
    def list_epochs(
        experiment_id: ExperimentId,
        after: Annotated[int, Query(ge=-1, le=LARGEST_NUMBER, description="Only later epochs.")] = -1,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> EpochsAnswer:
        """Return a page of the epochs of a one-shot search, in order."""
        found = reader.store.list_epochs(experiment_id, after=after)
        return EpochsAnswer(
            epochs=[
                EpochAnswer(number=one.number, time=one.time, metrics=numbers(one.metrics), record=one.record)
                for one in found[:limit]
            ],
            next_after=found[limit - 1].number if len(found) > limit else None,
        )

    return routes
