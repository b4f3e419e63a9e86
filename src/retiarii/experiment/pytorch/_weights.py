"""The weights of trials, loaded into networks."""

from __future__ import annotations

from torch import nn

from retiarii.errors import EvaluatorError, ExperimentError
from retiarii.evaluator import read_state
from retiarii.storage import ExperimentRecord
from retiarii.trial import Trial, TrialFiles


def load_weights(network: nn.Module, trial: Trial, files: TrialFiles, record: ExperimentRecord) -> None:
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
        read_state(network, path)
    except EvaluatorError as error:
        raise ExperimentError(f"Trial {trial.number}: {error}") from error


def _why_none(trial: Trial, files: TrialFiles, record: ExperimentRecord) -> str:
    count = record.config.get("settings", {}).get("keep_checkpoints", 1)
    found = [str(number) for number in files.numbers() if files.checkpoint(number)]
    there = f"those of trial{'s' * (len(found) > 1)} {', '.join(found)}" if found else "none"
    return (
        f"There are no weights of trial {trial.number} in {files.root}, only {there}. This experiment keeps the files "
        f"of its best {count} (config.keep_checkpoints = {count}), so export fewer models, or search with a larger "
        "number. Lightning evaluators save the weights by themselves; a function has to call "
        "retiarii.save_checkpoint(model)."
    )
