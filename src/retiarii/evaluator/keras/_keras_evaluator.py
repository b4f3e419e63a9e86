"""`KerasEvaluator`: training with ``fit``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from retiarii.errors import ArgumentError
from retiarii.evaluator._epoch_fidelity import EPOCHS, whole_epochs
from retiarii.evaluator._evaluator import Evaluator
from retiarii.evaluator._trial_context import TrialContext
from retiarii.evaluator.keras._fit_callbacks import FitReports, FitSeeds
from retiarii.evaluator.keras._fit_state import TRAINING_STATE, FitState, parent_state
from retiarii.evaluator.keras._weights_file import CHECKPOINT_OF_KERAS, write_weights
from retiarii.nn.keras.installed import keras
from retiarii.trial import Metrics

_OURS = ("initial_epoch", "x", "y")


class KerasEvaluator(Evaluator):
    """Compiles a Keras model, trains it with ``fit`` and reports its metrics after each epoch.

    Args:
        x: Training data, as ``fit`` takes them: arrays, a ``keras.utils.PyDataset``, a ``tf.data.Dataset``, ...
        y: Targets, if ``x`` does not contain them.
        optimizer: A name; a ``keras.optimizers.Optimizer``, of which each model gets a copy; or a dict
            ``{"class_name": "adam", "config": {"learning_rate": ...}}``, which may contain choices.
        loss: As ``compile`` takes it.
        metrics: As ``compile`` takes them.
        monitor: The metric by which trials are compared, for example ``"val_accuracy"``. If it is left out, it is the
            only metric that is not a loss, among those of the validation data if there are any.
        epochs: The number of epochs, unless the strategy sets it.
        compile_kwargs: Further arguments of ``compile``.
        fit_kwargs: Further arguments of ``fit``: ``batch_size``, ``validation_data``, ``callbacks``, ...

    Raises:
        ArgumentError: ``fit_kwargs`` contains an argument that this class sets itself.

    Examples:
        >>> KerasEvaluator(
        ...     x, y, loss="sparse_categorical_crossentropy", metrics=["accuracy"], epochs=5, validation_data=(x2, y2)
        ... )
    """

    fidelities = (EPOCHS,)

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        monitor: str | None = None,
        epochs: Any = 1,
        compile_kwargs: Mapping[str, Any] | None = None,
        **fit_kwargs: Any,
    ) -> None:
        for name in _OURS:
            if name in fit_kwargs:
                raise ArgumentError(f"KerasEvaluator got {name}=..., which it sets in fit() itself. Leave it out.")
        self.x, self.y = x, y
        self.monitor, self.epochs = monitor, epochs
        self.compile_kwargs = {**(compile_kwargs or {}), "optimizer": optimizer, "loss": loss, "metrics": metrics}
        self.fit_kwargs = {"verbose": 0, **fit_kwargs}

    def evaluate(self, model: Any, context: TrialContext) -> Metrics:
        """Train a model, and return the metrics of its last epoch.

        A trial with a fidelity or a parent saves the state of its training: weights, optimizer and random generators.
        A trial with a parent continues from the parent's state.

        Raises:
            EvaluatorError: There is no state to continue from, or a file cannot be written.
            MetricError: It is not clear by which metric trials are compared.
            TrialPruned: The search has ended the trial.
        """
        model.compile(**{name: _own(value) for name, value in self.compile_kwargs.items()})
        fidelity = whole_epochs(context)
        epochs = self.epochs if fidelity is None else fidelity
        start = self._start(model, context, epochs)
        arguments = {**self.fit_kwargs, "epochs": epochs, "initial_epoch": start.epochs}
        reports = FitReports(self.monitor, context, start.metrics)
        callbacks = [FitSeeds(start.seed), *copy.deepcopy(list(arguments.pop("callbacks", None) or ())), reports]
        model.fit(self.x, self.y, callbacks=callbacks, **arguments)
        if context.folder is not None:
            write_weights(model, context.folder / CHECKPOINT_OF_KERAS)
            if fidelity is not None or context.parent is not None:
                done = start.epochs + reports.num_epochs
                FitState(done, start.seed, reports.metrics).write(model, context.folder / TRAINING_STATE)
        return reports.conclude()

    def _start(self, model: Any, context: TrialContext, epochs: int) -> FitState:
        """Return the state from which training begins, and restore it in the model."""
        if context.parent is None:
            return FitState(0, context.seed, {})
        if not model.built:
            model(_first_batch(self.x))
        return parent_state(model, context, epochs)


def _own(value: Any) -> Any:
    """Return copies for one model: optimizers and metrics hold state of the model that they are compiled into."""
    if isinstance(value, (list, tuple)):
        return [_own(part) for part in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _own(part) for name, part in value.items()}
    if isinstance(value, (keras.optimizers.Optimizer, keras.metrics.Metric)):
        return type(value).from_config(value.get_config())
    return value


def _first_batch(x: Any) -> Any:
    """Return the first inputs, to build a model that does not know their shape."""
    if keras.tree.is_nested(x) or hasattr(x, "shape"):
        return keras.tree.map_structure(lambda array: array[:1], x)
    batch = x[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x))
    return batch[0] if isinstance(batch, tuple) else batch
