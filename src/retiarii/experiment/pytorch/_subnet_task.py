"""`SubnetTask`: what a trial does after a supernet was trained."""

from __future__ import annotations

from typing import Any

from retiarii.evaluator import Evaluator, output_to, run_evaluation, save_checkpoint, seed_everything
from retiarii.execution import Report, TrialJob, context_of
from retiarii.oneshot import Supernet, subnet
from retiarii.trial import Metrics, MetricValue, TrialFiles


class SubnetTask:
    """Takes the network of a job's architecture out of a supernet, with its weights, and measures it.

    Args:
        supernet: Trained.
        evaluator: What measures networks.
        files: The folders that trials write into; the weights of each network, which it inherited, are saved there.
        keeps_files: Whether what a trial writes may be kept after its end.
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
        seed_everything(job.seed)
        network = subnet(self._supernet, job.architecture).eval()
        with output_to(self._files.folder(job.number), keeps_files=self._keeps_files):
            context = context_of(job, report, self._files, keeps_files=self._keeps_files)
            metrics = run_evaluation(self._evaluator, network, context)
            save_checkpoint(network)
        return metrics


class _Measuring(Evaluator):
    """An evaluator that does not train."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __repr__(self) -> str:
        return repr(self._evaluator)

    def evaluate(self, model: Any) -> MetricValue | None:
        return self._evaluator.evaluate_subnet(model)
