"""The fidelity ``"epochs"``, which evaluators that train support."""

from __future__ import annotations

from retiarii.errors import EvaluatorError
from retiarii.evaluator._trial_context import TrialContext

EPOCHS = "epochs"
"""The name of the fidelity that is the total number of epochs."""


def whole_epochs(context: TrialContext) -> int | None:
    """Return the total number of epochs of a trial, including those of its parents; None if the evaluator decides.

    Raises:
        EvaluatorError: The fidelity is not a whole number of epochs.
    """
    epochs = context.fidelity.get(EPOCHS)
    if epochs is None:
        return None
    if epochs != int(epochs):
        raise EvaluatorError(
            f"Trial {context.number} has the fidelity {EPOCHS}={epochs!r}, expected a whole number. Choose the "
            "strategy's smallest fidelity and factor so that all are whole, for example 1 and 3."
        )
    return int(epochs)
