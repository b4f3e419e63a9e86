"""`Search`: a running search with the methods ``ask`` and ``tell``."""

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
"""The negative violation of constraints, and the first objective with the sign that makes larger better."""

WORST: Fitness = (-math.inf, -math.inf)


class Search(ABC):
    """A running search: `ask` for proposals, evaluate them, `tell` the results.

    Proposals are numbered 0, 1, 2, ... in the order in which they are asked for; a `Trial` carries the number of the
    proposal that it evaluates. Any number of proposals may be pending, and trials may be told in any order.

    The state follows from the proposals, in the order of their numbers, and from the told trials, in the order of
    telling. How the two interleave does not matter, so `replay` restores it exactly. A search is not thread-safe: use
    it from one loop.

    Subclasses implement `_propose`, and `_on_ask` and `_on_tell` if they keep a state. These need no checks: the public
    methods count and validate. Random numbers must come from ``rng_for(seed, number)`` only, so that asking for five
    proposals gives the same as asking for two and then for three.

    Searches that end trials early set `prunes` and implement `should_prune`; those that continue trials from their
    checkpoints implement `continuable`.

    Args:
        space: The search space.
        seed: A whole number from 0 to 2**64 - 1.
        objectives: The metrics to improve: ``"maximize"`` or ``"minimize"`` for the default one, or another argument of
            `Objectives.of`.

    Attributes:
        space: The search space.
        seed: The seed of every random choice.
        objectives: The metrics to improve. Searches without a Pareto front use only the first.
        prunes: Whether `should_prune` may return a reason. Each report of a trial then waits for the answer.

    Raises:
        ConfigError: ``space``, ``seed`` or ``objectives`` is invalid.
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
        """How many told trials have no usable metric: failed, pruned, or not a finite number."""
        return self._num_failed

    @property
    def pending(self) -> Mapping[int, Proposal]:
        """The proposals whose trials were not told yet, by number, oldest first (a read-only view)."""
        return MappingProxyType(self._pending)

    @property
    def best(self) -> Trial | None:
        """The best trial told so far: feasible ones first, then by the first objective, then the earliest told."""
        return self._best

    @property
    def continuable(self) -> Collection[int]:
        """The numbers of finished trials that later proposals may continue; the experiment keeps their checkpoints."""
        return ()

    def should_prune(self, trial: Trial) -> str | None:
        """Decide whether to prune a running trial, after each intermediate result; called if `prunes` is set.

        The answer must follow from the trial's own reports and from the proposals and results so far. This method must
        not change the state of the search, because `replay` does not call it.

        Args:
            trial: The running trial; its `Trial.intermediates` end with the new result.

        Returns:
            The reason to prune the trial, as text for users; None to continue it.
        """
        return None

    def forget_checkpoint(self, number: int) -> None:  # noqa: B027 - optional, most searches continue nothing
        """Handle that the checkpoint of a finished trial was removed, so that no trial can continue from it.

        Args:
            number: The number of the trial, one of `continuable`.
        """

    def ask(self, count: int) -> list[Proposal]:
        """Return the next proposals.

        Args:
            count: The maximum number of proposals.

        Returns:
            New proposals, numbered from `num_asked` on: fewer than ``count`` if no more can be proposed now, and an
            empty list if the search needs results first.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever the pending results are.
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
                    break  # return these first; the next call raises again
                raise
            if proposal is None:
                break
            self._record(proposal)
            proposed.append(proposal)
        return proposed

    def tell(self, trial: Trial) -> None:
        """Learn from one finished trial: completed, failed or pruned.

        Raises:
            SearchError: The trial is not finished, belongs to no proposal, or was told before.
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
        """Return the fitness of a trial by the first objective, larger being better; None for a trial without a result.

        Trials whose metrics break a constraint are worse than all others, and worse the larger their violation is
        (Deb, "An efficient constraint handling method for genetic algorithms", 2000).
        """
        rank = self.objectives.rank(trial)
        return None if rank is None else (-rank[0], -rank[1])

    def tell_metric(self, proposal: Proposal, metric: MetricValue | None) -> Trial:
        """Tell the result of a proposal, without the need to make a `Trial`.

        Args:
            proposal: A proposal that `ask` returned; of equal pending proposals, the oldest is meant.
            metric: Its metric, or named metrics that include all objectives. None, NaN and infinities mean a failure.

        Returns:
            The trial that was told.

        Raises:
            SearchError: ``proposal`` is not pending.
            MetricError: ``metric`` has another type.
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
        """Restore the state of an earlier search, without computing its proposals again.

        The search must be new, with the space, seed, direction and options of the one to restore.

        Args:
            asked: All proposals of the earlier search, in the order of their numbers.
            told: All told trials, in the order of telling (`Trial.finish_order`).

        Raises:
            SearchError: This search was used already, or a trial does not belong to a proposal.
        """
        if self._num_asked:
            raise SearchError(
                f"replay() on a search with {self._num_asked} proposals, expected a new one from strategy.search()."
            )
        left = iter(asked)
        for trial in told:  # proposals are recorded as late as possible, so that few are pending at a time
            for proposal in islice(left, max(0, min(trial.number + 1, len(asked)) - self._num_asked)):
                self._record(proposal)
            self.tell(trial)
        for proposal in left:
            self._record(proposal)

    def __iter__(self) -> Iterator[Proposal]:
        """Yield one proposal after the other until nothing is left.

        Raises:
            SearchError: The search needs results before it can propose more.
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
        """Return proposal ``number``, or None to wait for results; a second call must return the same.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever the pending results are. Later calls raise it, too.
        """

    def _on_ask(self, proposal: Proposal) -> None:  # noqa: B027 - optional, not every search remembers
        """Update the state with a proposal, whether `_propose` just made it or `replay` restores it."""

    def _on_tell(self, trial: Trial) -> None:  # noqa: B027 - optional, not every search learns
        """Update the state with a valid, finished trial."""

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
