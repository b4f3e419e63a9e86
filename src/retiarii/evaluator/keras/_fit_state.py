"""`FitState`: what a training with ``fit`` needs to go on, as a file of arrays."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retiarii.errors import EvaluatorError
from retiarii.evaluator._trial_context import TrialContext
from retiarii.evaluator._written_files import replacing

TRAINING_STATE = "training.npz"
"""The file in a trial's folder from which another trial goes on."""


@dataclass(frozen=True)
class FitState:
    """How far a training is; arrays of the model and its optimizer are in the file only.

    Attributes:
        epochs: How many were trained.
        seed: From which everything random in an epoch follows.
        metrics: What the last epoch logged.
    """

    epochs: int
    seed: int
    metrics: Mapping[str, float]

    def write(self, model: Any, path: Path) -> None:
        """Write the file: whole or not at all.

        Raises:
            EvaluatorError: It cannot be written.
        """
        head = json.dumps({"epochs": self.epochs, "seed": self.seed, "metrics": dict(self.metrics)})
        arrays = [np.asarray(variable) for variable in _variables_of(model)]
        with replacing(path, "The state of this training") as file:
            np.savez(file, np.array(head), *arrays)


def parent_state(model: Any, context: TrialContext, epochs: int) -> FitState:
    """Let a model, compiled and built, be as it was at the end of the trial's parent.

    Args:
        model: A new one of the same architecture.
        context: The trial.
        epochs: For how many epochs it trains in all.

    Raises:
        EvaluatorError: There is no state of the parent, it is damaged or another model's, or the parent has trained for
            longer already.
    """
    number, parent, folder = context.number, context.parent, context.parent_folder
    if folder is None:
        raise EvaluatorError(f"Trial {number} continues trial {parent}, but there are no files of trials.")
    path = folder / TRAINING_STATE
    try:
        state = _read(model, path)
    except FileNotFoundError:
        raise EvaluatorError(
            f"Trial {number} continues trial {parent}, which left no state of its training: there is no file {path}. "
            "Trials leave one if they are given a fidelity, and it stays as long as the strategy may continue them."
        ) from None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EvaluatorError(
            f"Trial {number} has to continue trial {parent}, but {path} cannot be read ({type(error).__name__}: "
            f"{error}). The file is damaged, or it is of another model."
        ) from error
    if epochs < state.epochs:
        raise EvaluatorError(
            f"Trial {number} trains for {epochs} epochs, but trial {parent}, which it continues, was trained for "
            f"{state.epochs}. The fidelity counts the epochs of both."
        )
    return state


def _read(model: Any, path: Path) -> FitState:
    with np.load(path, allow_pickle=False) as file:
        head, *arrays = (file[f"arr_{number}"] for number in range(len(file.files)))
    variables = _variables_of(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in arrays]:
        raise ValueError(f"it has {len(arrays)} arrays, and the model and its optimizer {len(shapes)} of other shapes")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    done = json.loads(str(head))
    return FitState(int(done["epochs"]), int(done["seed"]), done["metrics"])


def _variables_of(model: Any) -> list[Any]:
    """Return the variables of a model, random generators included, and of its optimizer; not those of its metrics."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return [*own, *model.optimizer.variables]
