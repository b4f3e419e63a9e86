"""Write and read the weights of a Keras model, in Keras's own file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError
from retiarii.evaluator._written_files import writing_explained
from retiarii.trial import CHECKPOINT_OF_KERAS

__all__ = ["CHECKPOINT_OF_KERAS", "read_weights", "write_weights"]


def write_weights(model: Any, path: Path) -> None:
    """Write the weights of a model; the file is replaced atomically.

    Raises:
        EvaluatorError: The file cannot be written; no partial file stays.
    """
    partial = path.with_name(f"partial-{path.name}")  # Keras takes only names that end with .weights.h5
    with writing_explained("The weights of this trial", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            model.save_weights(partial, overwrite=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def read_weights(model: Any, path: Path) -> None:
    """Load what `write_weights` wrote into a model of the same architecture.

    Raises:
        EvaluatorError: The file cannot be read, or holds the weights of another model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise EvaluatorError(
            f"The weights in {path} cannot be loaded ({type(error).__name__}: {error}). The file is damaged or of "
            "another model; or this model does not know the shape of its input yet: begin it with "
            "retiarii.nn.keras.Input(shape), or give config.dummy_input."
        ) from error
