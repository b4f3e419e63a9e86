"""The networks of trials, with their saved weights or with new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retiarii.errors import EvaluatorError, ExperimentError
from retiarii.evaluator import load_checkpoint
from retiarii.experiment._export_architectures import model_part
from retiarii.space import Engine
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Trial, TrialFiles


def networks(
    engine: Engine, trials: Sequence[Trial], store: Store, record: ExperimentRecord, *, with_weights: bool
) -> list[Any]:
    """Return the networks of trials, with their saved weights or with new ones.

    Raises:
        ExperimentError: Weights were not saved or not kept.
    """
    built = [engine.build(model_part(record, trial.architecture)) for trial in trials]
    if with_weights:
        for network, trial in zip(built, trials, strict=True):
            load_weights(network, trial, store.trial_files(record.id), record)
    return built


def load_weights(network: Any, trial: Trial, files: TrialFiles, record: ExperimentRecord) -> None:
    """Load the final weights of a trial.

    Args:
        network: A network of the trial's architecture.
        trial: The trial.
        files: The files of the experiment's trials.
        record: The experiment.

    Raises:
        ExperimentError: The weights were not saved or not kept, or do not fit the network.
    """
    path = files.checkpoint(trial.number)
    if path is None:
        raise ExperimentError(_why_none(trial, files, record))
    try:
        load_checkpoint(network, path)
    except EvaluatorError as error:
        raise ExperimentError(f"Trial {trial.number}: {error}") from error


def _why_none(trial: Trial, files: TrialFiles, record: ExperimentRecord) -> str:
    count = record.config.get("settings", {}).get("keep_checkpoints", 1)
    found = [str(number) for number in files.numbers() if files.checkpoint(number)]
    there = f"those of trial{'s' * (len(found) > 1)} {', '.join(found)}" if found else "none"
    return (
        f"There are no weights of trial {trial.number} in {files.root}, only {there}. This experiment keeps the files "
        f"of its best {count} (config.keep_checkpoints = {count}), so export fewer models, or search with a larger "
        "number. The evaluators of Lightning and Keras save the weights by themselves; a function "
        "has to call retiarii.save_checkpoint(model)."
    )
