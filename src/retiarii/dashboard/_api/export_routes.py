"""Exports: architectures as JSON for ``fixed_arch``, and networks as Python code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from retiarii.dashboard._api.answer_values import Answer, ExperimentId, Number, TrialNumber, Values, numbers
from retiarii.dashboard._api.problems import problems, problems_of_files
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._steering.code_export import CODE_EXPORT
from retiarii.storage import ExperimentRecord
from retiarii.trial import Trial


class ExportedTrial(Answer):
    """An architecture with its trial."""

    number: int
    metrics: dict[str, Number]
    key: str = Field(description="The hash of the architecture.")
    architecture: Values = Field(description="The choices of the model, for `fixed_arch`.")
    hyperparameters: Values = Field(description="The choices of the evaluator's arguments.")


class ExportAnswer(Answer):
    """The best architectures, best first."""

    trials: list[ExportedTrial]


def export_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of exports."""
    routes = APIRouter(prefix="/experiments/{experiment_id}", tags=["export"])

    @routes.get("/export", responses=problems(404))
    def export_best(
        experiment_id: ExperimentId, top_k: Annotated[int, Query(ge=1, le=1000, description="How many.")] = 1
    ) -> ExportAnswer:
        """Export the best architectures."""
        store = reader.store
        record = store.get_experiment(experiment_id)
        return ExportAnswer(trials=[_exported(record, trial) for trial in store.best_trials(record.id, top_k)])

    @routes.get("/trials/{trial}/architecture", responses=problems(404))
    def export_trial(experiment_id: ExperimentId, trial: TrialNumber) -> ExportedTrial:
        """Export the architecture of a trial, in any state."""
        store = reader.store
        return _exported(store.get_experiment(experiment_id), store.get_trial(experiment_id, trial))

    @routes.get(
        "/trials/{trial}/code",
        response_class=PlainTextResponse,
        responses={200: {"description": "The code, which needs only PyTorch."}, **problems_of_files(404, 409)},
    )
    def export_code(experiment_id: ExperimentId, trial: TrialNumber) -> PlainTextResponse:
        """Export the network of a trial as Python code. It takes some seconds, and one export runs at a time."""
        text = CODE_EXPORT.code(reader.store, experiment_id, trial)
        name = f"{experiment_id}-trial-{trial}.py"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return PlainTextResponse(text, headers=headers)

    return routes


def _exported(record: ExperimentRecord, trial: Trial) -> ExportedTrial:
    architecture = trial.architecture
    of_evaluator = set(architecture) & set(record.config.get("evaluator_labels", ()))
    of_model = architecture.restricted(set(architecture) - of_evaluator)
    return ExportedTrial(
        number=trial.number,
        metrics=numbers(trial.metrics or {}),
        key=architecture.key,
        architecture=of_model.to_json(),
        hyperparameters=architecture.restricted(of_evaluator).to_json(),
    )
