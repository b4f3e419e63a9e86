"""`NasTask`: the task of trials in an architecture search: build a network and evaluate it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from retiarii.errors import EvaluatorError, FreezeError
from retiarii.evaluator import (
    Evaluator,
    Simulated,
    TrialContext,
    load_generators,
    output_to,
    run_evaluation,
    seed_everything,
)
from retiarii.execution._executor import Report, TimedTask, TrialJob
from retiarii.space import Engine
from retiarii.trial import DEFAULT, Metrics, TrialFiles


class NasTask(TimedTask):
    """A task that builds the network of a job's architecture, and evaluates it.

    All randomness of `random`, NumPy and torch, including the initial weights, follows from the job's seed.

    Attributes:
        engine: The engine that builds the networks.
        evaluator: The evaluator; its arguments may have choices, too.
        files: The folders for files of trials; None for none.
        keeps_files: Whether files of a trial may be kept after its end.
        objectives: The names of the metrics by which trials are compared. Those that the evaluator does not report are
            measured on the network, if the engine can: ``"params"``, ``"flops"``.
    """

    def __init__(
        self,
        engine: Engine,
        evaluator: Evaluator,
        files: TrialFiles | None = None,
        *,
        keeps_files: bool = True,
        objectives: Collection[str] = (DEFAULT,),
    ) -> None:
        self.engine = engine
        self.evaluator = evaluator
        self.files = files
        self.keeps_files = keeps_files
        self.objectives = tuple(objectives)
        self._has_choices = len(evaluator.search_space) > 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the task in the process from which trials are forked, and prepare the engine."""
        vars(self).update(state)
        load_generators()
        self.engine.prepare(self.objectives)

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Run one trial.

        Raises:
            FreezeError: The network of the architecture cannot be built; raised from the error of the model's code.
            MetricError: The evaluator reported no usable metric.
        """
        seed_everything(job.seed)
        model, context = self._built(job), self._context(job, report)
        with self._output(job.number, context):
            metrics = run_evaluation(self._fixed(job), model, context)
        missing = [name for name in self.objectives if name not in metrics]
        return {**self.engine.measure(model, missing), **metrics} if missing else metrics

    def seconds(self, job: TrialJob) -> float | Sequence[float]:
        """Return the simulated time of a trial, see `Simulated.seconds`.

        Raises:
            FreezeError: The network of the architecture cannot be built.
            EvaluatorError: The evaluator does not say how long an evaluation takes.
        """
        evaluator = self._fixed(job)
        if not isinstance(evaluator, Simulated):
            raise EvaluatorError(f"{evaluator!r} does not say how long an evaluation takes: it is not Simulated.")
        return evaluator.seconds(self._built(job), self._context(job, _no_report))

    def _built(self, job: TrialJob) -> Any:
        try:
            return self.engine.build(job.architecture)
        except Exception as error:  # the user's constructors may raise anything
            raise FreezeError(f"The architecture does not build: {type(error).__name__}: {error}") from error

    def _fixed(self, job: TrialJob) -> Evaluator:
        return self.evaluator.fix(job.architecture) if self._has_choices else self.evaluator

    def _context(self, job: TrialJob, report: Report) -> TrialContext:
        return context_of(job, report, self.files, keeps_files=self.keeps_files, objectives=self.objectives)

    def _output(self, number: int, context: TrialContext) -> AbstractContextManager[None]:
        if self.files is None:
            return nullcontext()
        return output_to(context.folder or self.files.folder(number), keeps_files=self.keeps_files)


def _no_report(metrics: Metrics) -> None:
    pass


def context_of(
    job: TrialJob,
    report: Report,
    files: TrialFiles | None,
    *,
    keeps_files: bool = True,
    objectives: tuple[str, ...] = (DEFAULT,),
) -> TrialContext:
    """Return the context of a trial for its evaluation.

    Args:
        job: The trial.
        report: The function to call with intermediate metrics.
        files: The folders for files of trials; None for none.
        keeps_files: Whether files of the trial may be kept after its end.
        objectives: The names of the metrics by which trials are compared.
    """
    return TrialContext(
        number=job.number,
        seed=job.seed,
        architecture=job.architecture,
        fidelity=job.fidelity,
        device=job.device,
        folder=files.folder(job.number) if files is not None and keeps_files else None,
        parent=job.parent,
        parent_folder=None if files is None or job.parent is None else files.folder(job.parent),
        parent_fidelity=job.parent_fidelity,
        origin_seed=job.origin_seed,
        objectives=objectives,
        on_report=report,
    )
