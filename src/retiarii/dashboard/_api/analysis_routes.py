"""What the trials of an experiment say: the Pareto front and the importance of each choice."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from retiarii._plain_data import shown
from retiarii.analysis import TrialTable, importance, pareto_rows
from retiarii.dashboard._api.answer_values import Answer, ExperimentId, Number, number
from retiarii.dashboard._api.experiment_routes import ObjectiveAnswer
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import ConfigError
from retiarii.trial import Objectives


class FrontPoint(Answer):
    """A trial that no other dominates."""

    trial: int
    metrics: dict[str, Number] = Field(description="Its values of the objectives.")


class ParetoAnswer(Answer):
    """The Pareto front, best first by the first objective."""

    objectives: list[ObjectiveAnswer]
    front: list[FrontPoint]


class LabelShare(Answer):
    """How much one choice explains."""

    label: str
    share: float = Field(ge=0, le=1, description="The share of the variance of the metric that its value explains.")
    num_values: int = Field(description="How many values were drawn; being inactive counts as one.")


class ImportanceAnswer(Answer):
    """Choices, most important first."""

    metric: str
    labels: list[LabelShare]


def analysis_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of analyses."""
    routes = APIRouter(prefix="/experiments/{experiment_id}", tags=["results"])

    @routes.get("/pareto", responses=problems(404))
    def get_pareto_front(
        experiment_id: ExperimentId,
        objective: Annotated[
            list[str] | None,
            Query(
                min_length=1,
                max_length=8,
                description="`METRIC=maximize` or `METRIC=minimize`; by default the objectives of the experiment.",
            ),
        ] = None,
    ) -> ParetoAnswer:
        """Return the completed trials that no other trial equals or beats in all objectives."""
        table = reader.table(experiment_id)
        wanted = table.record.objectives if objective is None else Objectives.of(dict(map(_objective, objective)))
        return ParetoAnswer(
            objectives=[ObjectiveAnswer(metric=one.metric, direction=one.direction) for one in wanted],
            front=[
                FrontPoint(
                    trial=int(table.number[row]),
                    metrics={name: number(float(table.metrics[name][row])) for name in wanted.names},
                )
                for row in pareto_rows(table, wanted)
            ],
        )

    @routes.get("/importance", responses=problems(404))
    def get_importance(
        experiment_id: ExperimentId,
        metric: Annotated[str | None, Query(max_length=1000, description="By default the first objective.")] = None,
    ) -> ImportanceAnswer:
        """Return how much of the differences of a metric each choice explains alone."""
        table = reader.table(experiment_id)
        name = metric_of(table, metric)
        return ImportanceAnswer(
            metric=name,
            labels=[
                LabelShare(label=one.label, share=one.share, num_values=one.num_values)
                for one in importance(table, name)
            ],
        )

    return routes


def metric_of(table: TrialTable, metric: str | None) -> str:
    """Return the metric that a request means.

    Raises:
        ConfigError: No trial has it.
    """
    objectives = table.record.objectives
    names = dict.fromkeys((*objectives.names, *table.metrics))
    if metric is not None and metric not in names:
        raise ConfigError(f"There is no metric {metric!r}, expected one of {list(names)}.")
    return objectives.primary.metric if metric is None else metric


def _objective(text: str) -> tuple[str, str]:
    name, _, direction = text.rpartition("=")
    if direction not in ("maximize", "minimize"):
        raise ConfigError(f"An objective is {shown(text)}, expected METRIC=maximize or METRIC=minimize.")
    return name, direction
