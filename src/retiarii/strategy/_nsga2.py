"""`NSGA2`: evolution towards a Pareto front."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from retiarii.errors import SpaceError
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._options import check_filter, check_flag, check_probability, check_share, check_whole
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, ObjectivesLike, Proposal, Trial


@dataclass(frozen=True)
class NSGA2(Strategy):
    """NSGA-II: evolution for several objectives, which results in a Pareto front.

    The first ``population_size`` architectures are random. Each later one is a child of two parents, the winners of
    tournaments: the member in the better front wins; within a front, the one with the larger crowding distance. The
    population keeps the ``population_size`` best members by the same order. Trials whose metrics break constraints are
    worse than all others.

    ::

        config.objectives = {"accuracy": "maximize", "params": "minimize"}
        experiment = RetiariiExperiment(model, evaluator, strategy=strategy.NSGA2())
        experiment.run(config)
        experiment.pareto_front()

    Args:
        population_size: How many members the population has.
        crossover_prob: The probability, 0 to 1, that a child has two parents instead of one.
        mutation_prob: The probability with which each active choice of a child changes. None changes exactly one.
        model_filter: A constraint: only architectures for which it returns True are proposed.
        dedup: Never propose the same architecture twice.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE TEC 6(2), 2002, with its
        constraint-domination (section VI). Deviations: (1) steady state: a trial enters the population when it ends,
        and the worst member leaves, so that several trials run at a time without waiting for a generation (Durillo et
        al., "On the effect of the steady-state selection scheme in multi-objective genetic algorithms", EMO 2009).
        (2) Crossover and mutation are those of the search space. (3) ``dedup`` is not in the paper.
    """

    population_size: int = 50
    crossover_prob: float = field(default=0.9, kw_only=True)
    mutation_prob: float | None = field(default=None, kw_only=True)
    model_filter: Callable[[Architecture], bool] | None = field(default=None, kw_only=True)
    dedup: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_whole(self, "population_size", 2)
        check_share(self, "crossover_prob")
        check_probability(self, "mutation_prob")
        check_filter(self, "model_filter")
        check_flag(self, "dedup")

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> NSGA2Search:
        """Start a search; see `Strategy.search`."""
        return NSGA2Search(self, space, seed=seed, objectives=objectives)


class NSGA2Search(Search):
    """A running `NSGA2` search."""

    def __init__(
        self, options: NSGA2, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._unseen = Unseen(self.space, self.seed) if options.dedup else None
        self._members: list[Trial] = []
        self._losses: list[tuple[float, ...]] = []  # of each member
        self._order: list[tuple[int, float]] | None = None  # front and crowding of each member, once computed

    @property
    def population(self) -> tuple[Trial, ...]:
        """The members of the population, in the order in which they entered."""
        return tuple(self._members)

    def _propose(self, number: int) -> Proposal:
        rng = rng_for(self.seed, number)
        is_young = number < self._options.population_size or not self._members
        draws: list[Callable[[], Architecture]] = [lambda: self.space.sample(rng)]
        if not is_young:
            draws.insert(0, lambda: self._child(rng))
        return Proposal(draws[0]() if self._unseen is None else self._unseen.find(*draws))

    def _child(self, rng: random.Random) -> Architecture:
        parent = self._tournament(rng)
        try:
            if rng.random() < self._options.crossover_prob:
                parent = self.space.crossover(parent, self._tournament(rng), rng)
            return self.space.mutate(parent, rng, probability=self._options.mutation_prob)
        except SpaceError:  # the space is a single point, or no neighbour of the parent meets the constraints
            return self.space.sample(rng)

    def _tournament(self, rng: random.Random) -> Architecture:
        """Return the better of two members by the crowded comparison, the first drawn among equals."""
        order = self._ordered()
        first, second = (int(rng.random() * len(self._members)) for _ in range(2))
        winner = second if _precedes(order[second], order[first]) else first
        return self._members[winner].architecture

    def _ordered(self) -> list[tuple[int, float]]:
        if self._order is None:
            self._order = crowded_order(self._losses, [trial.violation for trial in self._members])
        return self._order

    def _on_ask(self, proposal: Proposal) -> None:
        if self._unseen is not None:
            self._unseen.add(proposal.architecture)

    def _on_tell(self, trial: Trial) -> None:
        losses = self.objectives.losses(trial.metrics) if trial.is_completed else None
        if losses is None:
            return
        self._members.append(trial)
        self._losses.append(losses)
        self._order = None
        if len(self._members) > self._options.population_size:
            order = self._ordered()
            worst = max(range(len(order)), key=lambda place: (order[place][0], -order[place][1], place))
            del self._members[worst], self._losses[worst]
            self._order = None


def crowded_order(losses: Sequence[tuple[float, ...]], violations: Sequence[float]) -> list[tuple[int, float]]:
    """Return the front and the crowding distance of each point.

    Args:
        losses: A point for each trial, smaller being better in all coordinates.
        violations: By how much each trial breaks constraints. Trials that break any are in later fronts than all
            others, ordered by their violations.

    Returns:
        For each point the number of its front, 0 being the best, and its crowding distance within it, larger being
        less crowded.

    Reference:
        Deb et al. 2002, sections III-A, III-B and VI.
    """
    feasible = fronts([point for point, violation in zip(losses, violations, strict=True) if violation == 0])
    broken = {violation: index for index, violation in enumerate(sorted(set(violations) - {0}))}
    num_feasible = max(feasible.values(), default=-1) + 1
    front_of = [
        feasible[point] if violation == 0 else num_feasible + broken[violation]
        for point, violation in zip(losses, violations, strict=True)
    ]
    distances = [0.0] * len(losses)
    for front in set(front_of):
        members = [place for place, its in enumerate(front_of) if its == front]
        for place, distance in zip(members, crowding([losses[place] for place in members]), strict=True):
            distances[place] = distance
    return list(zip(front_of, distances, strict=True))


def fronts(points: Iterable[tuple[float, ...]]) -> dict[tuple[float, ...], int]:
    """Sort points into fronts: no point dominates those of front 0, only points of front 0 those of front 1, ...

    Returns:
        The number of the front of each distinct point.
    """
    import moocore  # importing it takes a second, and only NSGA2 needs it here

    different = list(dict.fromkeys(points))
    if not different:
        return {}
    return {point: int(rank) for point, rank in zip(different, moocore.pareto_rank(different), strict=True)}


def crowding(points: Sequence[Sequence[float]]) -> list[float]:
    """Return the crowding distance of each point of a front: infinite at its ends.

    In each coordinate, the distance between a point's two neighbours as a share of the front's extent, summed over the
    coordinates.

    Reference:
        Deb et al. 2002, section III-B.
    """
    distances = [0.0] * len(points)
    for axis in range(len(points[0])):
        order = sorted(range(len(points)), key=lambda place: points[place][axis])
        extent = points[order[-1]][axis] - points[order[0]][axis]
        distances[order[0]] = distances[order[-1]] = math.inf
        if extent > 0:
            for before, place, after in zip(order, order[1:], order[2:], strict=False):
                distances[place] += (points[after][axis] - points[before][axis]) / extent
    return distances


def _precedes(left: tuple[int, float], right: tuple[int, float]) -> bool:
    """Return whether one member beats another: by its front, then by its crowding distance."""
    return left[0] < right[0] or (left[0] == right[0] and left[1] > right[1])
