"""What changes an experiment: stop, resume and tags."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from retiarii.dashboard._api.answer_values import LARGEST_NUMBER, Answer, ExperimentId
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._steering.resuming import RESUMING, Resumed
from retiarii.dashboard._steering.stopping import stop


class StopAnswer(Answer):
    """The experiment was asked to stop."""

    stop_requested: bool
    resume_command: str = Field(description="The command that continues it later.")


class ResumeAnswer(Answer):
    """The process that continues an experiment."""

    pid: int | None = Field(description="The process that this dashboard started last; null for none.")
    is_alive: bool = Field(description="Whether that process runs.")
    exit_code: int | None
    output: str = Field(description="The end of what it printed.")
    output_file: str = Field(description="The file with all that it printed.")


class ResumeBody(BaseModel):
    """How far an experiment goes on."""

    model_config = ConfigDict(extra="forbid")

    max_trial_number: int | None = Field(
        None, ge=1, le=LARGEST_NUMBER, description="Go on to so many trials in all; null for the number that it has."
    )


class TagsBody(BaseModel):
    """The tags of an experiment."""

    model_config = ConfigDict(extra="forbid")

    tags: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(max_length=32, description="Short texts of one line, which replace the present ones."),
    ]


class TagsAnswer(Answer):
    """The tags of an experiment."""

    tags: list[str]


def control_routes(reader: Reader) -> APIRouter:
    """Return the endpoints that change an experiment."""
    routes = APIRouter(prefix="/experiments/{experiment_id}", tags=["control"])

    @routes.post("/stop", status_code=202, responses=problems(404, 409))
    def stop_experiment(experiment_id: ExperimentId) -> StopAnswer:
        """Ask a running experiment to stop after its running trials. It can be resumed."""
        store = reader.store
        stop(store, experiment_id)
        return StopAnswer(stop_requested=True, resume_command=store.command(f"resume {experiment_id}"))

    @routes.post("/resume", status_code=202, responses=problems(404, 409))
    def resume_experiment(
        experiment_id: ExperimentId, body: Annotated[ResumeBody | None, Body()] = None
    ) -> ResumeAnswer:
        """Continue an experiment in a process of its own, which outlives the dashboard."""
        return _resumed(RESUMING.resume(reader.store, experiment_id, None if body is None else body.max_trial_number))

    @routes.get("/resume", responses=problems(404))
    def get_resume(experiment_id: ExperimentId) -> ResumeAnswer:
        """Return the process that was started last to continue an experiment, and its output."""
        return _resumed(RESUMING.state(reader.store, experiment_id))

    @routes.put("/tags", responses=problems(404))
    def set_tags(experiment_id: ExperimentId, body: Annotated[TagsBody, Body()]) -> TagsAnswer:
        """Replace the tags of an experiment."""
        store = reader.store
        store.update_experiment(experiment_id, tags=body.tags)
        return TagsAnswer(tags=list(store.get_experiment(experiment_id).tags))

    return routes


def _resumed(found: Resumed) -> ResumeAnswer:
    return ResumeAnswer(
        pid=found.pid,
        is_alive=found.is_alive,
        exit_code=found.exit_code,
        output=found.output,
        output_file=str(found.path),
    )
