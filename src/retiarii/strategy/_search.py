"""`Search`: a running search, by ask and tell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias

from retiarii.errors import ConfigError, MetricError, SearchError, SearchExhausted, SpaceError
from retiarii.space import SearchSpace
from retiarii.trial import (
    DEFAULT,
    Direction,
    Failure,
    FailureKind,
    MetricValue,
    Objectives,
    ObjectivesLike,
    Proposal,
    Trial,
    TrialState,
    parse_metrics,
)

Fitness: TypeAlias = "tuple[float, float]"
"""Minus the violation of constraints, and the first objective turned so that larger is better."""

WORST: Fitness = (-math.inf, -math.inf)


class Search(ABC):
    """A running search: `ask` for proposals, evaluate them, `tell` the results.

    Proposals are numbered 0, 1, 2, ... in the order in which they are asked for; a `Trial` carries the number of the
    proposal that it evaluates. Any number of proposals may be pending, and trials may be told in any order.

    The state follows from what was asked, in the order of the numbers, and what was told, in the order of telling. How
    the two interleave does not matter, so `replay` restores it exactly. Not thread-safe: one loop owns a search.

    Subclasses implement `_propose`, and `_on_ask` and `_on_tell` where they remember something. These need no checks:
    the public methods count and validate. They must draw randomness from ``rng_for(seed, number)`` only, so that
    asking for five proposals gives the same as asking for two and then for three.

    Searches that end trials early set `prunes` and implement `should_prune`; those that continue trials from their
    checkpoints implement `continuable`.

    Args:
        space: What to search.
        seed: A whole number from 0 to 2**64 - 1.
        objectives: Which metrics are improved: ``"maximize"`` or ``"minimize"`` for the default one, or what else
            `Objectives.of` takes.

    Attributes:
        space: What is searched.
        seed: Of every random choice.
        objectives: Which metrics are improved; all but searches for a Pareto front go by the first.
        prunes: Whether `should_prune` may give a reason. Trials then wait for the answer when they report.

    Raises:
        ConfigError: ``space``, ``seed`` or ``objectives`` is not what it should be.
    """

    prunes: bool = False

    def __init__(self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE) -> None:
        self.space = _check_space(space)
        self.seed = _check_seed(seed)
        self.objectives = Objectives.of(objectives)
        self._pending: dict[int, Proposal] = {}
        self._num_asked = 0
        self._num_told = 0
        self._num_failed = 0
        self._best: Trial | None = None
        self._best_fitness: Fitness = WORST

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller values of the first objective are better."""
        return self.objectives.direction

    @property
    def num_asked(self) -> int:
        """How many proposals were made; also the number of the next one."""
        return self._num_asked

    @property
    def num_told(self) -> int:
        """How many finished trials were told."""
        return self._num_told

    @property
    def num_failed(self) -> int:
        """How many of them have no usable metric: failed, pruned, or not a finite number."""
        return self._num_failed

    @property
    def pending(self) -> Mapping[int, Proposal]:
        """What was proposed and not told yet, by number, oldest first (a read-only view)."""
        return MappingProxyType(self._pending)

    @property
    def best(self) -> Trial | None:
        """The best trial told so far: feasible ones first, then by the first objective, then the earliest told."""
        return self._best

    @property
    def continuable(self) -> Collection[int]:
        """The numbers of finished trials that later proposals may continue: their checkpoints are kept."""
        return ()

    def should_prune(self, trial: Trial) -> str | None:
        """Judge a running trial that has just reported an intermediate result; called if `prunes` is set.

        The answer must follow from the trial's own reports and from what was asked and told: it changes nothing, so
        that `replay` need not know about it.

        Args:
            trial: It runs; its `Trial.intermediates` end with the new result.

        Returns:
            The reason to end the trial now, for people; None to let it go on.
        """
        return None

    def forget_checkpoint(self, number: int) -> None:  # noqa: B027 - optional, most searches continue nothing
        """Learn that the checkpoint of a finished trial is gone, so that nothing can continue from it.

        Args:
            number: The trial, one of `continuable`.
        """

    def ask(self, count: int) -> list[Proposal]:
        """Propose what to try next.

        Args:
            count: How many at most.

        Returns:
            New proposals; their numbers are the next ones from `num_asked` on. Fewer than ``count`` when no more can be
            proposed now; empty when the search has to be told results first.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever may still be told.
            SpaceError: No architecture that meets the constraints was found.
            SearchError: ``count`` is not a whole number from 0 up.
        """
        if not isinstance(count, int) or count < 0:
            raise SearchError(f"ask(count={count!r}): expected a whole number, 0 or larger.")
        proposed: list[Proposal] = []
        while len(proposed) < count:
            try:
                proposal = self._propose(self._num_asked)
            except (SearchExhausted, SpaceError):
                if proposed:
                    break  # hand these over first; the next call meets the same end
                raise
            if proposal is None:
                break
            self._record(proposal)
            proposed.append(proposal)
        return proposed

    def tell(self, trial: Trial) -> None:
        """Learn from one finished trial: completed, failed or pruned.

        Raises:
            SearchError: The trial is not finished, has a number or a proposal that was not made, or was told before.
        """
        if not isinstance(trial, Trial):
            raise SearchError(
                f"tell() got {trial!r} of type {type(trial).__name__}, expected a finished Trial. With a proposal and "
                "a number, use tell_metric(proposal, metric)."
            )
        self._check_tell(trial)
        del self._pending[trial.number]
        self._num_told += 1
        fitness = self.fitness(trial)
        if fitness is None:
            self._num_failed += 1
        elif fitness > self._best_fitness:
            self._best, self._best_fitness = trial, fitness
        self._on_tell(trial)

    def fitness(self, trial: Trial) -> Fitness | None:
        """Return how good a trial is by the first objective, larger being better; None for one without a result.

        Trials whose metrics break a constraint are worse than all that break none, and the worse the more they do
        (Deb, "An efficient constraint handling method for genetic algorithms", 2000).
        """
        rank = self.objectives.rank(trial)
        return None if rank is None else (-rank[0], -rank[1])

    def tell_metric(self, proposal: Proposal, metric: MetricValue | None) -> Trial:
        """Tell the result of a proposal without making a `Trial` by hand.

        Args:
            proposal: What `ask` returned; among equal pending proposals, the oldest is meant.
            metric: Its metric, or named metrics with all that are objectives. None, NaN and infinities mean a failure.

        Returns:
            The trial that was told.

        Raises:
            SearchError: ``proposal`` is not pending.
            MetricError: ``metric`` is none of the above.
        """
        number = next((n for n, pending in self._pending.items() if pending == proposal), None)
        if number is None:
            raise SearchError(
                f"tell_metric() got {proposal!r}, which is not among the {len(self._pending)} pending proposals. "
                "Expected a Proposal that ask() returned and that was not told yet."
            )
        trial = self._finished_trial(number, proposal, metric)
        self.tell(trial)
        return trial

    def replay(self, asked: Sequence[Proposal], told: Sequence[Trial]) -> None:
        """Restore the state that a search had, without computing its proposals again.

        The search must be new, with the space, seed, direction and options of the one to restore.

        Args:
            asked: All proposals, in the order of their numbers.
            told: All trials that were told, in the order of telling (`Trial.finish_order`).

        Raises:
            SearchError: This search was used already, or a trial does not belong to a proposal.
        """
        if self._num_asked:
            raise SearchError(
                f"replay() on a search with {self._num_asked} proposals, expected a new one from strategy.search()."
            )
        left = iter(asked)
        for trial in told:  # as late as can be, so that few are pending at a time, of a million too
            for proposal in islice(left, max(0, min(trial.number + 1, len(asked)) - self._num_asked)):
                self._record(proposal)
            self.tell(trial)
        for proposal in left:
            self._record(proposal)

    def __iter__(self) -> Iterator[Proposal]:
        """Propose one thing after the other until nothing is left.

        Raises:
            SearchError: The search has to be told results before it can go on.
        """
        while True:
            try:
                batch = self.ask(1)
            except SearchExhausted:
                return
            if not batch:
                raise SearchError(
                    f"{self!r} cannot propose before it is told results. Tell each proposal's result in the loop's "
                    "body, or call ask() and run several at a time."
                )
            yield from batch

    def __repr__(self) -> str:
        best = self._best
        failed = f" ({self._num_failed} failed)" if self._num_failed else ""
        result = "nothing to compare yet" if best is None else f"best {self._value(best):.6g} (trial {best.number})"
        aim = self.direction.value if self.objectives.names == (DEFAULT,) else str(self.objectives)
        return (
            f"<{type(self).__name__}, {aim}, seed {self.seed}: {self._num_asked} asked, "
            f"{self._num_told} told{failed}, {len(self._pending)} pending, {result}>"
        )

    def _value(self, trial: Trial) -> float:
        assert trial.metrics is not None  # it has a rank
        return trial.metrics[self.objectives.primary.metric]

    @abstractmethod
    def _propose(self, number: int) -> Proposal | None:
        """Return proposal ``number``, or None to wait for results. Changes nothing that a retry would notice.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever may still be told. Once raised, always raised.
        """

    def _on_ask(self, proposal: Proposal) -> None:  # noqa: B027 - optional, not every search remembers
        """Remember a proposal, whether `_propose` just made it or `replay` restores it."""

    def _on_tell(self, trial: Trial) -> None:  # noqa: B027 - optional, not every search learns
        """Learn from a valid, finished trial."""

    def _record(self, proposal: Proposal) -> None:
        self._pending[self._num_asked] = proposal
        self._num_asked += 1
        self._on_ask(proposal)

    def _check_tell(self, trial: Trial) -> None:
        number = trial.number
        if not trial.state.is_finished:
            raise SearchError(
                f"Trial {number} is {trial.state.value}. Expected a finished one: completed, failed or pruned."
            )
        asked = self._pending.get(number)
        if asked is None:
            if 0 <= number < self._num_asked:
                raise SearchError(f"Trial {number} was told already. Tell every trial once.")
            raise SearchError(f"Trial {number} was never proposed: the numbers so far are below {self._num_asked}.")
        # As tuples, which compare identical things faster than proposals would.
        if (asked.architecture, asked.fidelity, asked.parent) != (trial.architecture, trial.fidelity, trial.parent):
            raise SearchError(f"Trial {number} is of {trial.proposal!r}, but proposal {number} was {asked!r}.")

    def _finished_trial(self, number: int, proposal: Proposal, metric: MetricValue | None) -> Trial:
        trial = Trial(
            number,
            proposal.architecture,
            state=TrialState.FAILED,
            finish_order=self._num_told,
            fidelity=proposal.fidelity,
            parent=proposal.parent,
            objective=self.objectives.primary.metric,
        )
        if metric is None:
            return trial.evolve(failure=Failure(FailureKind.RAISED, "told without a metric"))
        metrics = parse_metrics(metric, where=f"the metric of trial {number}")
        try:
            self.objectives.check(metrics, where=f"the metric of trial {number}")
        except MetricError as error:
            return trial.evolve(failure=Failure(FailureKind.BAD_METRIC, str(error)))
        return trial.evolve(state=TrialState.COMPLETED, metrics=metrics)


def _check_space(space: SearchSpace) -> SearchSpace:
    if not isinstance(space, SearchSpace):
        raise ConfigError(
            f"space is a {type(space).__name__}, expected a SearchSpace; retiarii.nn.pytorch.extract_space(model) "
            "makes one from a model."
        )
    return space


def _check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ConfigError(f"seed is {seed!r}, expected a whole number from 0 to 2**64 - 1.")
    return seed
