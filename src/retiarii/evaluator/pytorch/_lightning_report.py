"""`ReportMetrics`: report the metrics that a Lightning module logs as results of the trial."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from retiarii.evaluator._default_metric import MetricSource, name_default
from retiarii.evaluator._reporting import current_recorder, report_intermediate_result
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.trial import DEFAULT, Metrics

_SOURCE = MetricSource(
    "The Lightning module logged",
    "log it with self.log({!r}, ...) in validation_step",
    "Lightning(..., monitor='val_acc'); or report it: retiarii.report_final_result(value)",
    ("_step", "_epoch"),  # Lightning adds these
)


class ReportMetrics(pytorch_lightning.Callback):
    """Reports the metrics of each validation, unless the module reports by itself.

    A result is reported only when training continues, so that a module that reports in one of its validation hooks is
    noticed first, and no result is reported twice.

    Args:
        monitor: The name of the metric that becomes ``"default"``; None to choose it by `name_default`.
        objectives: The metrics by which trials are compared.
    """

    def __init__(self, monitor: str | None, objectives: Collection[str] = (DEFAULT,)) -> None:
        self._monitor = monitor
        self._objectives = objectives
        self._logged: dict[str, float] | None = None
        self._is_pending = False
        recorder = current_recorder()
        self._num_expected = 0 if recorder is None else recorder.num_intermediates  # if the module does not report

    def on_validation_end(
        self, trainer: pytorch_lightning.Trainer, pl_module: pytorch_lightning.LightningModule
    ) -> None:
        """Keep the metrics of a validation, except of the sanity check."""
        if trainer.sanity_checking:
            return
        self._flush()
        self._logged, self._is_pending = logged_numbers(trainer.callback_metrics), True

    @property
    def has_validated(self) -> bool:
        """Whether there was a validation other than the sanity check."""
        return self._logged is not None

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Report the last validation before training continues."""
        self._flush()

    def conclude(self, trainer: pytorch_lightning.Trainer) -> Metrics | None:
        """Report the remaining results and return the final metrics; None if the module reported them itself.

        Raises:
            MetricError: The metrics to compare trials by were not logged, or are ambiguous.
        """
        self._flush()
        recorder = current_recorder()
        if recorder is not None and recorder.final is not None:
            return None
        logged = logged_numbers(trainer.callback_metrics) if self._logged is None else self._logged
        return named_default(logged, self._monitor, self._objectives)

    def _flush(self) -> None:
        is_pending, self._is_pending = self._is_pending, False
        if self._logged is None or not is_pending:
            return
        recorder = current_recorder()
        if recorder is None or recorder.num_intermediates == self._num_expected:
            self._num_expected += 1
            report_intermediate_result(named_default(self._logged, self._monitor, self._objectives))


def named_default(
    logged: Mapping[str, float], monitor: str | None, objectives: Collection[str] = (DEFAULT,)
) -> Metrics:
    """Choose the metrics to report of those that a Lightning module has logged; see `name_default`.

    Raises:
        MetricError: ``monitor`` was not logged, or, without it, the choice is not clear.
    """
    return name_default(logged, monitor, objectives, _SOURCE)


def logged_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return logged metrics as plain numbers."""
    return {name: float(value) for name, value in metrics.items()}
