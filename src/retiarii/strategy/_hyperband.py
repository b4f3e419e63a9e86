"""`Hyperband`: successive halving with several trade-offs between many architectures and much training."""

from __future__ import annotations

import bisect
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import TypeAlias

from retiarii._counted import counted
from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._ladder import FidelityLadder, Key, key_of
from retiarii.strategy._options import check_whole
from retiarii.strategy.search import Fitness, Search
from retiarii.trial import Direction, Fidelity, Objectives, ObjectivesLike, Proposal, Trial

BracketPlan: TypeAlias = "tuple[tuple[int, float], ...]"
"""For each rung of a bracket, the number of its trials and their fidelity."""


@dataclass(frozen=True)
class Hyperband(FidelityLadder):
    """Hyperband: rounds of successive halving that start from different fidelities.

    A *bracket* trains ``n`` random architectures with a fidelity ``r``, promotes the best ``1 / reduction_factor`` of
    them to ``reduction_factor`` times that, and so on up to ``max_fidelity``. The first bracket begins with many
    architectures and ``min_fidelity``, the last with few that get ``max_fidelity`` at once. Then the brackets are
    repeated. Promoted trials continue from their checkpoints.

    The evaluator must support the fidelity, as those of `retiarii.evaluator.pytorch.lightning` support ``"epochs"``.

    Args:
        fidelity: The name of the fidelity: ``"epochs"``, or another one that the evaluator supports.
        min_fidelity: The fidelity of the first trials of the first bracket.
        max_fidelity: An upper limit: the highest fidelity is the last of ``min_fidelity``, ``min_fidelity *
            reduction_factor``, ... that is not above it.
        reduction_factor: One trial in this many is promoted, to this many times the fidelity (the paper's eta).
        cycles: How often all brackets are run; None to repeat them until the experiment's budget ends.
        optimize_mode: ``"maximize"`` or ``"minimize"``; None to leave the direction to the experiment.
        model_filter: A constraint: only architectures for which it returns True are proposed.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018,
        arXiv:1603.06560, Algorithm 1 (its table 1 has fewer trials in some brackets than line 3 of the algorithm).
        Deviations: (1) fidelities are ``min_fidelity`` times powers of the factor, where the paper divides the largest
        by them: the paper's unit is ``min_fidelity``, and its ``R`` the last power up to ``max_fidelity``. (2) While a
        rung waits for its last trials, the next bracket starts, so that no worker idles. (3) Only trials with a result
        are promoted: where many fail or are pruned, they are fewer than planned. (4) A trial whose checkpoint was
        removed to make room (see ``checkpoint_limit``) is not promoted, but keeps its place among the best.
    """

    cycles: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cycles is not None:
            check_whole(self, "cycles", 1)

    @property
    def brackets(self) -> tuple[BracketPlan, ...]:
        """For each bracket of a cycle, how many trials each of its rungs has, and the fidelity of each trial."""
        given, factor = self.levels, self.reduction_factor
        s_max = len(given) - 1
        return tuple(
            tuple((_first(s_max, s, factor) // factor**rung, given[s_max - s + rung]) for rung in range(s + 1))
            for s in range(s_max, -1, -1)
        )

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> HyperbandSearch:
        """Start a search; see `Strategy.search`."""
        return HyperbandSearch(self, space, seed=seed, objectives=Objectives.of(objectives).directed(self.direction))


class _Rung:
    """The trials of one bracket that get the same fidelity.

    Args:
        size: The maximum number of trials.
        given: The fidelity of each trial.
        quota: How many of the best trials are promoted to the next rung.
    """

    def __init__(self, size: int, given: Fidelity, quota: int) -> None:
        self.size, self.given, self._quota = size, given, quota
        self.num_started = self.num_ended = 0
        self._best: list[tuple[Key, Architecture]] = []  # sorted, at most `quota`
        self._taken: set[int] = set()

    @property
    def waiting(self) -> list[tuple[int, Architecture]]:
        """The best trials so far that were not promoted yet, best first."""
        return [(key[2], architecture) for key, architecture in self._best if key[2] not in self._taken]

    @property
    def is_idle(self) -> bool:
        """Whether all trials that have started have ended."""
        return self.num_started == self.num_ended

    def end(self, trial: Trial, fitness: Fitness | None) -> None:
        """Record a trial that has ended; it may have been promoted before."""
        self.num_ended += 1
        if fitness is not None:
            bisect.insort(self._best, (key_of(trial.number, fitness), trial.architecture), key=itemgetter(0))
            del self._best[self._quota :]

    def take(self, number: int) -> None:
        """Record that a trial was promoted or cannot be promoted; it keeps its place among the best."""
        self._taken.add(number)


class _Bracket:
    """One round of successive halving.

    Attributes:
        rungs: The rungs, lowest fidelity first.
        numbers: The numbers of its trials.
    """

    def __init__(self, plan: BracketPlan, fidelity: str) -> None:
        quotas = [*(size for size, _ in plan[1:]), 0]
        self.rungs = [
            _Rung(size, Fidelity({fidelity: amount}), quota) for (size, amount), quota in zip(plan, quotas, strict=True)
        ]
        self.numbers: list[int] = []

    @property
    def is_full(self) -> bool:
        """Whether all trials of the first rung have started."""
        return self.rungs[0].num_started == self.rungs[0].size

    @property
    def is_over(self) -> bool:
        """Whether all its trials have started and ended."""
        return self.is_full and all(rung.is_idle and not rung.waiting for rung in self.rungs)

    def start(self, rung: int, number: int) -> None:
        """Record a trial that has started."""
        self.rungs[rung].num_started += 1
        self.numbers.append(number)

    def promotable(self) -> Proposal | None:
        """Return the next promotion, from the lowest rung that is not done; None if it has to wait for results."""
        if not self.is_full:
            return None
        for rung, above in pairwise(self.rungs):
            if not rung.is_idle:
                return None
            if rung.waiting:
                parent, architecture = rung.waiting[0]
                return Proposal(architecture, above.given, parent)
        return None


class HyperbandSearch(Search):
    """A running `Hyperband` search."""

    def __init__(
        self, options: Hyperband, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._options, self._plans = options, options.brackets
        self._brackets: list[_Bracket] = []  # that are not over, oldest first
        self._num_brackets = 0  # that have started
        self._rung_of: dict[int, tuple[_Bracket, int]] = {}  # of each trial of these brackets

    @property
    def continuable(self) -> Collection[int]:
        """The trials that would be promoted if their rungs ended now, without those already promoted."""
        return {number for bracket in self._brackets for rung in bracket.rungs for number, _ in rung.waiting}

    def forget_checkpoint(self, number: int) -> None:
        """Exclude a trial from promotion, because its checkpoint was removed."""
        bracket, rung = self._rung_of[number]
        bracket.rungs[rung].take(number)
        self._drop_if_over(bracket)

    def _propose(self, number: int) -> Proposal | None:
        for bracket in self._brackets:
            proposal = bracket.promotable()
            if proposal is not None:
                return proposal
        filling = self._filling() or self._next_bracket()
        if filling is not None:
            return Proposal(self.space.sample(rng_for(self.seed, number)), filling.rungs[0].given)
        if self.pending:
            return None  # wait: their results may allow a promotion
        raise SearchExhausted(f"All {counted(self._num_brackets, 'bracket')} are done.")

    def _filling(self) -> _Bracket | None:
        """Return the bracket that the next new architecture belongs to, if it has started."""
        return self._brackets[-1] if self._brackets and not self._brackets[-1].is_full else None

    def _next_bracket(self) -> _Bracket | None:
        """Return a new bracket; None after the last cycle."""
        cycle, place = divmod(self._num_brackets, len(self._plans))
        is_over = self._options.cycles is not None and cycle >= self._options.cycles
        return None if is_over else _Bracket(self._plans[place], self._options.fidelity)

    def _on_ask(self, proposal: Proposal) -> None:
        if proposal.parent is None:
            bracket, rung = self._filling() or self._start_bracket(), 0
        else:
            bracket, below = self._rung_of[proposal.parent]
            bracket.rungs[below].take(proposal.parent)
            rung = below + 1
        number = self.num_asked - 1
        bracket.start(rung, number)
        self._rung_of[number] = bracket, rung

    def _on_tell(self, trial: Trial) -> None:
        bracket, rung = self._rung_of[trial.number]
        bracket.rungs[rung].end(trial, self.fitness(trial))
        self._drop_if_over(bracket)

    def _start_bracket(self) -> _Bracket:
        bracket = self._next_bracket()
        assert bracket is not None  # after the last cycle, nothing new is proposed
        self._brackets.append(bracket)
        self._num_brackets += 1
        return bracket

    def _drop_if_over(self, bracket: _Bracket) -> None:
        if bracket.is_over:
            self._brackets.remove(bracket)
            for number in bracket.numbers:
                del self._rung_of[number]


def _first(s_max: int, s: int, factor: int) -> int:
    """Return how many architectures bracket ``s`` begins with: ``ceil((s_max + 1) / (s + 1) * factor**s)``, exactly."""
    power: int = factor**s
    return -(-(s_max + 1) * power // (s + 1))
