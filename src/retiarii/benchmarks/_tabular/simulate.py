"""`simulate`: run a search on a table in simulated time, without an experiment and a store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from retiarii.errors import ConfigError, SearchError, SearchExhausted
from retiarii.evaluator import Evaluator, Simulated, check_simulated, run_evaluation
from retiarii.execution import (
    Event,
    Report,
    SimulatedExecutor,
    TimedTask,
    TrialJob,
    TrialJobs,
    TrialStarted,
    checked_end,
    context_of,
)
from retiarii.strategy import Search
from retiarii.trial import Metrics, Proposal, Trial


def simulate(
    search: Search,
    evaluator: Evaluator,
    *,
    workers: int = 1,
    seconds: float | None = None,
    trials: int | None = None,
) -> list[Trial]:
    """Run a search in simulated time, and return its finished trials in the order of their ends.

    The trials are those of an experiment with the seed of the search on the platform ``"simulated"``, for a fraction of
    the time: there is no store, there are no callbacks, and an error of the evaluator is a failed trial in the list.
    ``trial.ended`` is the simulated time in seconds.

    ::

        search = RegularizedEvolution(population_size=10, sample_size=3).search(benchmark.space, seed=7)
        trials = simulate(search, benchmark.evaluator("cifar100"), workers=1, seconds=40_000)

    Args:
        search: A new search. It ends with the state of a search that was told all trials.
        evaluator: An evaluator that is `Simulated`, of architectures.
        workers: How many trials run at the same time.
        seconds: The simulated time after which running trials are cut off; None for no limit.
        trials: The number of trials; None for no limit.

    Raises:
        ConfigError: A limit is missing or impossible, or the evaluator does not know its times.
        SearchError: The search waits for results although no trial is running.
    """
    if seconds is None and trials is None and search.space.size == math.inf:
        raise ConfigError("simulate() needs `seconds` or `trials`: a search of a space without end does not end.")
    for name, value, kind, low in (
        ("workers", workers, Integral, 1),
        ("trials", trials, Integral, 1),
        ("seconds", seconds, Real, 0),
    ):
        if value is not None and not (isinstance(value, kind) and value >= low):
            expected = "a whole number" if kind is Integral else "a number"
            raise ConfigError(f"simulate() got {name}={value!r}, expected {expected}, {low} or more.")
    check_simulated(evaluator)
    return _Simulation(search, evaluator, workers, math.inf if seconds is None else seconds, trials).run()


@dataclass(frozen=True)
class _Lookup(TimedTask):
    """Evaluates bare architectures; random generators of the process are left alone."""

    evaluator: Evaluator
    objectives: tuple[str, ...]

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        return run_evaluation(
            self.evaluator, job.architecture, context_of(job, report, None, objectives=self.objectives)
        )

    def seconds(self, job: TrialJob) -> float | Sequence[float]:
        assert isinstance(self.evaluator, Simulated)  # check_simulated
        context = context_of(job, _ignored, None, objectives=self.objectives)
        return self.evaluator.seconds(job.architecture, context)


class _Simulation:
    """One run of `simulate`."""

    def __init__(
        self, search: Search, evaluator: Evaluator, workers: int, limit_s: float, max_trials: int | None
    ) -> None:
        self._search, self._limit_s, self._max_trials = search, limit_s, max_trials
        self._objective = search.objectives.primary.metric
        self._executor = SimulatedExecutor(_Lookup(evaluator, search.objectives.names), workers)
        self._running: dict[int, Trial] = {}
        self._jobs = TrialJobs(search.seed, is_judged=search.prunes)
        self._ended: list[Trial] = []
        self._is_exhausted = False

    def run(self) -> list[Trial]:
        """Run it."""
        clock = self._executor.clock
        with self._executor:
            while True:
                self._fill()
                if not self._running or clock.now() >= self._limit_s:
                    return self._ended
                timeout = None if self._limit_s == math.inf else self._limit_s - clock.now()
                for event in self._executor.poll(timeout, self._on_report):
                    self._handle(event)

    def _fill(self) -> None:
        """Start a trial on each free worker."""
        search, free = self._search, self._executor.slots - len(self._running)
        if self._max_trials is not None:
            free = min(free, self._max_trials - search.num_asked)
        if self._is_exhausted or free <= 0 or self._executor.clock.now() >= self._limit_s:
            return
        number = search.num_asked
        try:
            proposals = search.ask(free)
        except SearchExhausted:
            self._is_exhausted = True
            return
        if not proposals and not self._running:
            raise SearchError(f"{search!r} waits for results, but no trial is running: the search would never end.")
        for proposal in proposals:
            self._start(number, proposal)
            number += 1

    def _start(self, number: int, proposal: Proposal) -> None:
        trial = self._running[number] = Trial(
            number,
            proposal.architecture,
            told_before=len(self._ended),
            started=self._executor.clock.now(),
            device="cpu",
            fidelity=proposal.fidelity,
            parent=proposal.parent,
            objective=self._objective,
        )
        self._executor.submit(self._jobs.job(trial))

    def _on_report(self, number: int, metrics: Metrics) -> str | None:
        trial = self._running[number] = self._running[number].reported(metrics)
        return self._search.should_prune(trial) if self._search.prunes else None

    def _handle(self, event: Event) -> None:
        if isinstance(event, TrialStarted):
            return
        trial = self._running.pop(event.number)
        trial = trial.evolve(
            state=event.state,
            metrics=event.metrics,
            intermediates=tuple(trial.intermediates),
            failure=event.failure,
            reason=event.reason,
            ended=event.time,
            finish_order=len(self._ended),
        )
        trial = checked_end(trial, self._search.objectives)
        self._search.tell(trial)
        self._ended.append(trial)


def _ignored(metrics: Metrics) -> None:
    pass
