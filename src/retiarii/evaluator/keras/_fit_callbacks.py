"""The callbacks that `KerasEvaluator` adds to ``fit``: seeds before each epoch, reports after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retiarii.evaluator._default_metric import MetricSource, name_default
from retiarii.evaluator._seeding import seed_everything
from retiarii.evaluator._trial_context import TrialContext
from retiarii.nn.keras.installed import keras
from retiarii.space import rng_for
from retiarii.trial import Metrics

_SOURCE = MetricSource(
    "fit() logged",
    "add it to metrics=[...]; names of metrics on validation data are those of Keras, such as {!r}",
    "KerasEvaluator(..., monitor='val_accuracy')",
)


class FitSeeds(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no type hints
    """Seeds each epoch from its number, so that a training in parts gives the same results as one without a break.

    Args:
        seed: The seed of all epochs.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Seed the global generators, which also decide the order of the samples."""
        seed_everything(rng_for(self._seed, epoch).getrandbits(63))


class FitReports(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no type hints
    """Reports the metrics of each epoch.

    Args:
        monitor: The metric by which trials are compared; None to choose as `name_default` does.
        context: The trial, which reports the metrics.
        metrics: The metrics of the last epoch of the trial that this one continues.

    Attributes:
        metrics: The metrics of the last epoch.
        num_epochs: The number of epochs trained in this trial.
    """

    def __init__(self, monitor: str | None, context: TrialContext, metrics: Mapping[str, float]) -> None:
        super().__init__()
        self._monitor, self._context = monitor, context
        self.metrics = dict(metrics)
        self.num_epochs = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the metrics of an epoch.

        Raises:
            MetricError: It is not clear by which metric trials are compared.
            TrialPruned: The search ends this trial here.
        """
        self.metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.num_epochs += 1
        self._context.report(self.conclude())

    def conclude(self) -> Metrics:
        """Return the metrics of the last epoch as a trial reports them.

        Raises:
            MetricError: It is not clear by which metric trials are compared.
        """
        return name_default(self.metrics, self._monitor, self._context.objectives, _SOURCE)
