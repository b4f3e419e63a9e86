"""`Hyperband`: several trade-offs between many architectures and much training for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._ladder import Rung, levels
from retiarii.strategy._options import check_amounts, check_filter, check_name, check_one_of, check_whole
from retiarii.strategy._search import Search
from retiarii.strategy._strategy import Strategy
from retiarii.trial import Direction, Fidelity, Objectives, ObjectivesLike, Proposal, Trial


@dataclass(frozen=True)
class Hyperband(Strategy):
    """Hyperband: rounds of successive halving that begin with different fidelities.

    A *bracket* trains ``n`` random architectures with a fidelity ``r``, promotes the best ``1 / reduction_factor`` of
    them to ``reduction_factor`` times that, and so on up to ``max_fidelity``. The first bracket begins with many
    architectures and ``min_fidelity``, the last with few that get ``max_fidelity`` at once. Then it starts over.
    Promoted trials continue from their checkpoints.

    The evaluator has to heed the fidelity, as those of `retiarii.evaluator.pytorch.lightning` do with ``"epochs"``.

    Args:
        fidelity: The name of what is given: ``"epochs"``, or what else the evaluator knows.
        min_fidelity: What every architecture of the first bracket is given at first.
        max_fidelity: What none is given more of.
        reduction_factor: One in so many is promoted, to so many times the fidelity (the paper's eta).
        cycles: How often all brackets are run; None until the experiment's budget ends.
        optimize_mode: ``"maximize"`` or ``"minimize"``; None to leave the direction to the experiment.
        model_filter: A constraint: only architectures for which it returns True are proposed.

    Raises:
        ConfigError: An option is not what it should be.

    Reference:
        Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018,
        arXiv:1603.06560, Algorithm 1. Deviations: (1) the lowest fidelity is ``min_fidelity``, which stands for the
        paper's unit, so ``R`` is ``max_fidelity / min_fidelity`` rounded down to a power of the factor. (2) While a
        rung waits for its last trials, the next bracket starts, so that no worker idles. (3) Where trials fail, fewer
        than ``1 / reduction_factor`` may be promoted.
    """

    fidelity: str = "epochs"
    min_fidelity: float = 1
    max_fidelity: float = 27
    reduction_factor: int = 3
    cycles: int | None = field(default=None, kw_only=True)
    optimize_mode: str | None = field(default=None, kw_only=True)
    model_filter: Callable[[Architecture], bool] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self, "fidelity")
        check_amounts(self, "min_fidelity", "max_fidelity")
        check_whole(self, "reduction_factor", 2)
        if self.cycles is not None:
            check_whole(self, "cycles", 1)
        check_one_of(self, "optimize_mode", [None, "maximize", "minimize"])
        check_filter(self, "model_filter")

    @property
    def direction(self) -> Direction | None:
        """The direction that ``optimize_mode`` fixes."""
        return None if self.optimize_mode is None else Direction(self.optimize_mode)

    @property
    def fidelities(self) -> Collection[str]:
        """The one that is given."""
        return (self.fidelity,)

    @property
    def brackets(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """For each bracket of a cycle, how many trials each of its rungs has, and the fidelity of each trial."""
        given, factor = levels(self.min_fidelity, self.max_fidelity, self.reduction_factor), self.reduction_factor
        s_max = len(given) - 1
        return tuple(
            tuple(
                (math.ceil((s_max + 1) / (s + 1) * factor**s) // factor**rung, given[s_max - s + rung])
                for rung in range(s + 1)
            )
            for s in range(s_max, -1, -1)
        )

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> HyperbandSearch:
        """Start a search; see `Strategy.search`."""
        return HyperbandSearch(self, space, seed=seed, objectives=Objectives.of(objectives).directed(self.direction))


class _Bracket:
    """One round of successive halving.

    Args:
        plan: How many trials each rung has, and the fidelity of each.
        factor: One in so many is promoted.
    """

    def __init__(self, plan: tuple[tuple[int, float], ...], factor: int) -> None:
        self.plan = plan
        self.rungs = [Rung(factor) for _ in plan]
        self.num_started = [0] * len(plan)
        self._num_ended = [0] * len(plan)
        self._num_promoted = [0] * len(plan)

    @property
    def is_full(self) -> bool:
        """Whether all trials of the first rung have started."""
        return self.num_started[0] >= self.plan[0][0]

    def start(self, rung: int, parent: int | None) -> None:
        """Note that a trial of a rung has started."""
        self.num_started[rung] += 1
        if parent is not None:
            self.rungs[rung - 1].promote(parent)
            self._num_promoted[rung - 1] += 1

    def end(self, rung: int) -> None:
        """Note that a trial of a rung has ended, whatever its result."""
        self._num_ended[rung] += 1

    def promotable(self) -> tuple[int, int] | None:
        """Return a trial to promote and the rung to which it is promoted, the highest rung first."""
        for rung in reversed(range(len(self.plan) - 1)):
            has_ended = self._is_complete(rung)
            if has_ended and self._num_promoted[rung] < self.plan[rung + 1][0]:
                best = self.rungs[rung].best()
                if best is not None:
                    return best, rung + 1
        return None

    def _is_complete(self, rung: int) -> bool:
        """Return whether no more trials of a rung can start or end."""
        if rung == 0:
            return self.is_full and self._num_ended[0] == self.num_started[0]
        is_fed = self._is_complete(rung - 1) and (
            self._num_promoted[rung - 1] == self.plan[rung][0] or self.rungs[rung - 1].best() is None
        )
        return is_fed and self._num_ended[rung] == self.num_started[rung]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        is_idle = self.is_full and sum(self.num_started) == sum(self._num_ended)
        return is_idle and self.promotable() is None

    @property
    def continuable(self) -> set[int]:
        """The trials that may still be promoted."""
        return {
            number
            for rung, (members, (size, _)) in enumerate(zip(self.rungs, self.plan[1:], strict=False))
            if self._num_promoted[rung] < size
            for number in members.waiting
        }


class HyperbandSearch(Search):
    """A running `Hyperband` search."""

    def __init__(
        self, options: Hyperband, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._options, self._plans = options, options.brackets
        self._brackets: list[_Bracket] = []  # those that are not over, the oldest first
        self._num_brackets = 0  # that have started
        self._places: dict[int, tuple[_Bracket, int]] = {}  # the bracket and rung of each trial
        self._architectures: dict[int, Architecture] = {}  # of finished trials that may be promoted

    @property
    def continuable(self) -> Collection[int]:
        """All finished trials that may still be promoted."""
        return {number for bracket in self._brackets for number in bracket.continuable}

    def forget_checkpoint(self, number: int) -> None:
        """Promote the trial no more."""
        bracket, rung = self._places[number]
        bracket.rungs[rung].forget(number)

    def _propose(self, number: int) -> Proposal | None:
        for bracket in self._brackets:
            found = bracket.promotable()
            if found is not None:
                parent, rung = found
                return Proposal(self._architectures[parent], self._given(bracket.plan[rung][1]), parent)
        plan = self._next_plan()
        if plan is None:
            if self.pending:
                return None  # one of them may yet be promoted
            raise SearchExhausted(f"All brackets of {self._options.cycles} cycles are done.")
        return Proposal(self.space.sample(rng_for(self.seed, number)), self._given(plan[0][1]))

    def _next_plan(self) -> tuple[tuple[int, float], ...] | None:
        """Return the plan of the bracket that the next new architecture belongs to; None after the last cycle."""
        if self._brackets and not self._brackets[-1].is_full:
            return self._brackets[-1].plan
        cycle, place = divmod(self._num_brackets, len(self._plans))
        is_over = self._options.cycles is not None and cycle >= self._options.cycles
        return None if is_over else self._plans[place]

    def _given(self, amount: float) -> Fidelity:
        return Fidelity({self._options.fidelity: amount})

    def _on_ask(self, proposal: Proposal) -> None:
        number = self.num_asked - 1
        if proposal.parent is not None:
            bracket, rung = self._places[proposal.parent]
            bracket.start(rung + 1, proposal.parent)
            self._places[number] = bracket, rung + 1
            return
        if not self._brackets or self._brackets[-1].is_full:
            plan = self._plans[self._num_brackets % len(self._plans)]
            self._brackets.append(_Bracket(plan, self._options.reduction_factor))
            self._num_brackets += 1
        self._brackets[-1].start(0, None)
        self._places[number] = self._brackets[-1], 0

    def _on_tell(self, trial: Trial) -> None:
        bracket, rung = self._places[trial.number]
        fitness = self.fitness(trial)
        if fitness is not None:
            bracket.rungs[rung].add(trial.number, fitness)
            self._architectures[trial.number] = trial.architecture
        bracket.end(rung)
        if bracket.is_over:
            self._brackets.remove(bracket)
            for number in [number for number, (its, _) in self._places.items() if its is bracket]:
                del self._places[number]
                self._architectures.pop(number, None)
