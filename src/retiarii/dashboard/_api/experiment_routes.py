"""Experiments: the list, and one with its configuration."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from retiarii.dashboard._api.answer_values import Answer, ExperimentId, Number, Values, number
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.experiment_summary import summarise
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import CorruptStoreError
from retiarii.storage import ExperimentRecord, ExperimentState, Store
from retiarii.trial import Direction, TrialState


class ObjectiveAnswer(Answer):
    """A metric to improve."""

    metric: str
    direction: Direction


class BestTrialAnswer(Answer):
    """The best trial by the first objective."""

    number: int
    metric: Number


class ExperimentAnswer(Answer):
    """An experiment, without its configuration and space."""

    id: str
    name: str
    state: ExperimentState = Field(description="`stopped` also if its process was killed.")
    is_running: bool = Field(description="Whether a process runs it.")
    was_killed: bool = Field(description="Whether its process ended without saying so.")
    stop_requested: bool
    message: str = Field(description="Why it stopped or failed.")
    objectives: list[ObjectiveAnswer] = Field(description="Trials are ranked by the first.")
    seed: int
    strategy: str
    created: float = Field(description="Unix time, seconds.")
    updated: float = Field(description="Unix time of the last change, seconds.")
    spent_s: float = Field(description="The running time of all its runs, seconds.")
    pid: int | None
    host: str | None
    version: str = Field(description="The version of retiarii that created it.")
    tags: list[str]
    counts: dict[TrialState, int] = Field(description="The number of trials in each state.")
    max_trials: int | None = Field(description="The number of trials after which it ends; null without a limit.")
    best: BestTrialAnswer | None
    resume_command: str = Field(description="The command that continues it.")


class ExperimentInFull(ExperimentAnswer):
    """An experiment with its configuration."""

    config: Values


class DamagedAnswer(Answer):
    """An experiment that cannot be read."""

    id: str | None
    detail: str


class ExperimentsAnswer(Answer):
    """A page of the list of experiments, newest first."""

    store: str = Field(description="Where the experiments are kept.")
    num_experiments: int
    experiments: list[ExperimentAnswer]
    damaged: list[DamagedAnswer]
    next_offset: int | None = Field(description="The `offset` of the next page; null for none.")


def experiment_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of experiments."""
    routes = APIRouter(tags=["experiments"])

    @routes.get("/experiments", responses=problems())
    def list_experiments(
        limit: Annotated[int, Query(ge=1, le=500)] = 100, offset: Annotated[int, Query(ge=0, le=10**9)] = 0
    ) -> ExperimentsAnswer:
        """List the experiments of the store, newest first."""
        store, found = reader.store, reader.experiments()
        records = [record for record in reversed(found) if isinstance(record, ExperimentRecord)]
        shown = records[offset : offset + limit]
        return ExperimentsAnswer(
            store=store.where,
            num_experiments=len(records),
            experiments=[ExperimentAnswer(**_experiment(store, record)) for record in shown],
            damaged=[
                DamagedAnswer(id=err.experiment_id, detail=str(err))
                for err in found
                if isinstance(err, CorruptStoreError)
            ],
            next_offset=offset + limit if offset + limit < len(records) else None,
        )

    @routes.get("/experiments/{experiment_id}", responses=problems(404))
    def get_experiment(experiment_id: ExperimentId) -> ExperimentInFull:
        """Return one experiment with its configuration."""
        store = reader.store
        record = store.get_experiment(experiment_id)
        return ExperimentInFull(**_experiment(store, record), config=record.config)

    return routes


def _experiment(store: Store, record: ExperimentRecord) -> dict[str, Any]:
    summary = summarise(store, record)
    is_running, was_killed = summary.state in ("running", "stopping"), summary.state == "interrupted"
    best = None
    if summary.best is not None and summary.best.metric is not None:
        best = BestTrialAnswer(number=summary.best.number, metric=number(summary.best.metric))
    return {
        "id": record.id,
        "name": record.name,
        "state": ExperimentState.STOPPED if was_killed else record.state,
        "is_running": is_running,
        "was_killed": was_killed,
        "stop_requested": record.stop_requested,
        "message": record.message,
        "objectives": [ObjectiveAnswer(metric=one.metric, direction=one.direction) for one in record.objectives],
        "seed": record.seed,
        "strategy": record.strategy,
        "created": record.created,
        "updated": record.updated,
        "spent_s": record.spent_s,
        "pid": record.pid,
        "host": record.host,
        "version": record.version,
        "tags": list(record.tags),
        "counts": summary.counts,
        "max_trials": summary.max_trials,
        "best": best,
        "resume_command": store.command(f"resume {record.id}"),
    }
