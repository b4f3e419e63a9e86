"""`SubnetTask`: one trial of a trained supernet, which measures the network of an architecture."""

from __future__ import annotations

from typing import Any

from torch import nn

from retiarii.evaluator import Evaluator, output_to, run_evaluation, save_checkpoint, seed_everything
from retiarii.execution import Report, TrialJob, context_of
from retiarii.oneshot import SubnetEvaluator, Supernet
from retiarii.trial import Metrics, MetricValue, TrialFiles


class SubnetTask:
    """Measures the network of a job's architecture with a `SubnetEvaluator`, inside the files and output of a trial.

    Args:
        supernet: A trained supernet.
        evaluator: Its `evaluate_subnet` measures each network.
        files: The folders that trials write into; the inherited weights of each network are saved there.
        keeps_files: Whether files of a trial may be kept after its end.
    """

    def __init__(
        self, supernet: Supernet, evaluator: Evaluator, files: TrialFiles, *, keeps_files: bool = True
    ) -> None:
        self._supernet = supernet
        self._evaluator = _Measuring(evaluator)
        self._files = files
        self._keeps_files = keeps_files

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Run one trial.

        Raises:
            MetricError: The evaluator reported no usable metric.
        """

        def measure(network: nn.Module) -> Metrics:
            context = context_of(job, report, self._files, keeps_files=self._keeps_files)
            metrics = run_evaluation(self._evaluator, network, context)
            save_checkpoint(network)
            return metrics

        seed_everything(job.seed)
        with output_to(self._files.folder(job.number), keeps_files=self._keeps_files):
            return SubnetEvaluator(self._supernet, measure)(job.architecture)


class _Measuring(Evaluator):
    """An evaluator whose `evaluate` is the `evaluate_subnet` of another: it does not train."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __repr__(self) -> str:
        return repr(self._evaluator)

    def evaluate(self, model: Any) -> MetricValue | None:
        return self._evaluator.evaluate_subnet(model)
