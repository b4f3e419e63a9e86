"""`SubnetTask`: what a trial does after a supernet was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retiarii.evaluator import Evaluator, output_to, run_evaluation, seed_everything
from retiarii.execution import Report, TrialJob
from retiarii.oneshot import Supernet, subnet
from retiarii.trial import Metrics, MetricValue


class SubnetTask:
    """Takes the network of a job's architecture out of a supernet, with its weights, and measures it.

    Args:
        supernet: Trained.
        evaluator: What measures networks.
        output_dir: Where each trial may make a folder of its own, named after its number.
    """

    def __init__(self, supernet: Supernet, evaluator: Evaluator, output_dir: Path) -> None:
        self._supernet = supernet
        self._evaluator = _Measuring(evaluator)
        self._output_dir = output_dir

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Run one trial.

        Raises:
            MetricError: The evaluator reported no usable metric.
        """
        seed_everything(job.seed)
        network = subnet(self._supernet, job.architecture).eval()
        with output_to(self._output_dir / str(job.number)):
            return run_evaluation(self._evaluator, network, report)


class _Measuring(Evaluator):
    """An evaluator that does not train."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __repr__(self) -> str:
        return repr(self._evaluator)

    def evaluate(self, model: Any) -> MetricValue | None:
        return self._evaluator.evaluate_subnet(model)
