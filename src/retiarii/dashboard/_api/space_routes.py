"""The search space and the drawing of the network."""

from __future__ import annotations

import math

from fastapi import APIRouter
from pydantic import Field

from retiarii.dashboard._api.answer_values import Answer, ExperimentId, Values
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import NotFoundError, SpaceError
from retiarii.space import SearchSpace


class SpaceAnswer(Answer):
    """The search space of an experiment."""

    space: Values = Field(description="The choices, as `SearchSpace.to_json` returns them; empty if unknown.")
    num_choices: int | None = Field(description="Null if the space cannot be read.")
    size: str | None = Field(description="The number of architectures, which may have many digits; null if endless.")
    description: str = Field(description="A table of the choices for people to read, or why there is none.")
    evaluator_labels: list[str] = Field(description="The labels of choices in the evaluator's arguments.")


class DrawingAnswer(Answer):
    """The drawing of the model with all its choices."""

    drawing: Values = Field(description="The laid-out nodes and edges of the network.")


def space_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of the space."""
    routes = APIRouter(prefix="/experiments/{experiment_id}", tags=["space"])

    @routes.get("/space", responses=problems(404))
    def get_space(experiment_id: ExperimentId) -> SpaceAnswer:
        """Return the search space."""
        record = reader.store.get_experiment(experiment_id)
        space: SearchSpace | None = None
        try:
            space = SearchSpace.from_json(record.space) if record.space else SearchSpace([])
            description = space.describe() if record.space else ""
        except SpaceError as err:  # of a newer version, for example
            description = str(err)
        return SpaceAnswer(
            space=record.space,
            num_choices=None if space is None else len(space.choices),
            size=None if space is None else _size_text(space.size),
            description=description,
            evaluator_labels=list(record.config.get("evaluator_labels", ())),
        )

    @routes.get("/drawing", responses=problems(404))
    def get_drawing(experiment_id: ExperimentId) -> DrawingAnswer:
        """Return the drawing of the network."""
        found = reader.store.read_drawing(experiment_id)
        if found is None:
            raise NotFoundError(
                f"Experiment {experiment_id!r} has no drawing: it searches no PyTorch model, or was made by an earlier "
                "version."
            )
        return DrawingAnswer(drawing=found)

    return routes


def _size_text(size: int | float) -> str | None:
    if math.isinf(size):
        return None
    try:
        return str(size)
    except ValueError:  # Python refuses to write out more than 4300 digits
        return f"about 2^{int(size).bit_length() - 1}"
