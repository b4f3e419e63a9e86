"""Synthetic trials, and loops that run a search on them without an experiment. They do not need pytest."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy import (
    ASHA,
    NSGA2,
    GenerationalEvolution,
    GridSearch,
    Hyperband,
    MedianStop,
    PolicyBasedRL,
    Random,
    RegularizedEvolution,
    Search,
    Strategy,
)
from retiarii.trial import Failure, FailureKind, Metrics, MetricValue, Proposal, Reports, Trial, TrialState

Evaluate: TypeAlias = Callable[[Architecture], "MetricValue | None"]
"""Returns the metrics of an architecture; None for a trial that fails."""

MULTI_TRIAL: Mapping[str, Strategy] = MappingProxyType(
    {
        "Random": Random(),
        "GridSearch": GridSearch(float_points=3),
        "RegularizedEvolution": RegularizedEvolution(population_size=3, sample_size=2),
        "GenerationalEvolution": GenerationalEvolution(99, 3, num_select=2, num_mutation=1, num_crossover=1),
        "NSGA2": NSGA2(population_size=3),
        "PolicyBasedRL": PolicyBasedRL(trial_per_collect=3),
        "ASHA": ASHA(max_fidelity=4, reduction_factor=2),
        "Hyperband": Hyperband(max_fidelity=4, reduction_factor=2),
        "MedianStop": MedianStop(Random()),
    }
)
"""Every multi-trial strategy of the package, by name, for small searches."""

NUM_REPORTS = 3
TWO_OBJECTIVES = {"accuracy": "maximize", "params": "minimize"}
"""The objectives that fit `two_metrics`."""
OUTCOMES = ("failed", "cancelled", "pruned", "nan", "infinite", "no metrics")
"""The ways in which a trial ends without a result that can be compared; see `spoilt`."""


def score(architecture: Architecture) -> float:
    """Return an arbitrary metric from 0 to 1 that only depends on the architecture."""
    return int(architecture.key[:12], 16) / 16**12


def two_metrics(architecture: Architecture) -> dict[str, float]:
    """Return two arbitrary, independent metrics that only depend on the architecture."""
    return {"accuracy": score(architecture), "params": float(int(architecture.key[12:16], 16))}


def architectures(proposals: Iterable[Proposal]) -> list[Architecture]:
    """Return the architectures of proposals."""
    return [proposal.architecture for proposal in proposals]


def running(number: int, proposal: Proposal) -> Trial:
    """Return the trial of a proposal while it runs."""
    return Trial(number, proposal.architecture, fidelity=proposal.fidelity, parent=proposal.parent)


def finished(number: int, proposal: Proposal, metric: MetricValue | None) -> Trial:
    """Return the ended trial of a proposal: completed, or failed if there is no metric."""
    trial = running(number, proposal)
    if metric is None:
        return trial.evolve(state=TrialState.FAILED, failure=Failure(FailureKind.RAISED, "out of luck"))
    return trial.evolve(state=TrialState.COMPLETED, metrics=_named(metric))


def spoilt(trial: Trial, outcome: str) -> Trial:
    """Return a copy of a completed trial that ends in one of the ways in `OUTCOMES`."""
    if outcome in ("nan", "infinite"):
        return trial.evolve(metrics=dict.fromkeys(trial.metrics or (), float(outcome[:3])))
    if outcome == "no metrics":
        return trial.evolve(metrics=None)
    if outcome == "pruned":
        return trial.evolve(state=TrialState.PRUNED, reason="not good enough")
    kind = FailureKind.CANCELLED if outcome == "cancelled" else FailureKind.VANISHED
    return trial.evolve(state=TrialState.FAILED, metrics=None, failure=Failure(kind, outcome))


def reporting(number: int, proposal: Proposal, metric: MetricValue) -> Iterator[Trial]:
    """Yield the running trial of a proposal after each of its `NUM_REPORTS` reports, which approach the metric."""
    reports = Reports()
    for step in range(NUM_REPORTS):
        share = (step + 1) / NUM_REPORTS
        reports = reports.then({name: value * share for name, value in _named(metric).items()})
        yield running(number, proposal).evolve(intermediates=reports)


def judged(search: Search, number: int, proposal: Proposal, metric: MetricValue | None) -> Trial:
    """Return the ended trial of a proposal; if the search prunes, it reports on the way and may be ended early."""
    end = finished(number, proposal, metric)
    if metric is None or not search.prunes:
        return end
    for trial in reporting(number, proposal, metric):
        end = end.evolve(intermediates=tuple(trial.intermediates))
        reason = search.should_prune(trial)
        if reason is not None:
            return end.evolve(state=TrialState.PRUNED, metrics=trial.intermediates[-1], reason=reason)
    return end


def ask(search: Search, count: int) -> list[Proposal]:
    """Ask a search; return an empty list instead of raising `SearchExhausted`."""
    try:
        return search.ask(count)
    except SearchExhausted:
        return []


def run(search: Search, evaluate: Evaluate, count: int, *, at_once: int = 1) -> Iterator[Proposal]:
    """Run a search up to its end or ``count`` more proposals, with ``at_once`` pending; yield what it proposes."""
    waiting: list[tuple[int, Proposal]] = list(search.pending.items())
    stop = search.num_asked + count
    while True:
        free = min(at_once - len(waiting), stop - search.num_asked)
        batch = ask(search, free) if free > 0 else []
        waiting += enumerate(batch, start=search.num_asked - len(batch))
        yield from batch
        if not waiting:
            return
        number, proposal = waiting.pop(0)
        search.tell(judged(search, number, proposal, evaluate(proposal.architecture)))


def proposals_of(name: str, space: SearchSpace, count: int) -> Iterator[Proposal]:
    """Yield the proposals of a strategy of `MULTI_TRIAL`, with synthetic results."""
    strategy = MULTI_TRIAL[name]
    if isinstance(strategy, NSGA2):
        return run(strategy.search(space, objectives=TWO_OBJECTIVES), two_metrics, count)
    return run(strategy.search(space), score, count)


@dataclass
class History:
    """The log of a search.

    Attributes:
        asked: Its proposals.
        told: The trials that it was told, in order.
        forgotten: The trials whose checkpoints were removed.
    """

    asked: list[Proposal] = field(default_factory=list)
    told: list[Trial] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)

    def replay(self, search: Search) -> Search:
        """Bring a new search to the state of another one, as a resumed experiment does, and return it."""
        search.replay(self.asked, self.told)
        for number in sorted(self.forgotten & set(search.continuable)):
            search.forget_checkpoint(number)
        return search


def interleave(search: Search, rng: random.Random, *, steps: int, evaluate: Evaluate = score) -> History:
    """Ask, tell and remove checkpoints at random; one trial in three does not end as completed."""
    history = History()
    for _ in range(steps):
        draw = rng.random()
        if draw < 0.5:
            history.asked += ask(search, rng.randrange(5))
        elif search.pending and draw < 0.95:
            history.told.append(_any_end(search, rng, evaluate))
            search.tell(history.told[-1])
        elif search.continuable:
            number = rng.choice(sorted(search.continuable))
            search.forget_checkpoint(number)
            history.forgotten.add(number)
    return history


def _any_end(search: Search, rng: random.Random, evaluate: Evaluate) -> Trial:
    number, proposal = rng.choice(list(search.pending.items()))
    trial = judged(search, number, proposal, evaluate(proposal.architecture))
    if rng.random() < 2 / 3 or not trial.is_completed:
        return trial
    outcome = rng.choice((*OUTCOMES, "infeasible"))
    return trial.evolve(violation=rng.random()) if outcome == "infeasible" else spoilt(trial, outcome)


def _named(metric: MetricValue) -> Metrics:
    return {"default": metric} if isinstance(metric, (int, float)) else dict(metric)
