"""`FitState`: the state of a training with ``fit``, in a file from which the training can continue."""

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
    """The progress of a training. The arrays of the model and its optimizer are in the file only.

    Attributes:
        epochs: The number of epochs trained.
        seed: The seed of all epochs.
        metrics: The metrics of the last epoch.
    """

    epochs: int
    seed: int
    metrics: Mapping[str, float]

    def write(self, model: Any, path: Path) -> None:
        """Write the file atomically.

        Raises:
            EvaluatorError: It cannot be written.
        """
        head = json.dumps({"epochs": self.epochs, "seed": self.seed, "metrics": dict(self.metrics)})
        arrays = [np.asarray(variable) for variable in _variables_of(model)]
        with replacing(path, "The state of this training") as file:
            np.savez(file, np.array(head), *arrays)


def parent_state(model: Any, context: TrialContext, epochs: int) -> FitState:
    """Restore the state at the end of the trial's parent in a compiled and built model, and return it.

    Args:
        model: A new model of the same architecture.
        context: The trial.
        epochs: The total number of epochs, including those of the parent.

    Raises:
        EvaluatorError: The parent's state is missing, damaged or of another model, or the parent was trained for more
            epochs.
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
    """Return the variables of a model (including random generators) and of its optimizer, without those of metrics."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return [*own, *model.optimizer.variables]
