"""`RegularizedEvolution`: aging evolution with tournaments and mutation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from retiarii.errors import SearchExhausted, SpaceError
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._options import check_filter, check_flag, check_one_of, check_probability, check_whole
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import WORST, Fitness, Search
from retiarii.trial import Direction, Objectives, ObjectivesLike, Proposal, Trial


@dataclass(frozen=True)
class RegularizedEvolution(Strategy):
    """Regularized (aging) evolution: mutate winners of tournaments, and drop the oldest member.

    The first ``population_size`` architectures are random. Each later one is a mutation of the best of ``sample_size``
    members that are drawn from the population; it enters the population when its trial completes, and the oldest
    member leaves, however good it is.

    Args:
        optimize_mode: ``"maximize"`` or ``"minimize"``; None to leave the direction to the experiment.
        population_size: How many members the population has.
        sample_size: How many members take part in a tournament, up to ``population_size``. Larger is greedier.
        cycles: How many trials may enter the population in all, the random ones included; then the search ends.
        mutation_prob: The probability with which each active choice of the parent changes (NNI's way, there 0.05 by
            default). None, the default, changes exactly one (the paper's way).
        on_failure: What happens to a trial without a usable metric (failed, pruned, NaN). ``"ignore"``: it does not
            enter the population, and another architecture takes its place. ``"worst"``: it enters as the worst member,
            which wins a tournament only against others like it. Cancelled trials are always ignored: their
            architectures were not evaluated.
        model_filter: A constraint: only architectures for which it returns True are proposed.
        crossover: Mutate the crossover of two tournament winners instead of one winner.
        dedup: Never propose the same architecture twice. When mutations give nothing new, a random architecture that is
            new is proposed; `SearchExhausted` ends the search when there is none.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, arXiv:1802.01548,
        Algorithm 1. Members of a tournament are drawn with replacement, as there. Deviations: (1) trials
        run concurrently: members age in the order in which trials end, and mutation starts as soon as all random
        architectures are under way and ``sample_size`` of them are done, so that no worker idles; with one trial at a
        time there is no difference. (2) A mutation changes one active choice, chosen uniformly, to another value, with
        the choices that this activates drawn at random; the paper's mutations (of one operation, of one input, or none)
        are those of its own space. (3) ``mutation_prob``, ``crossover`` and ``dedup`` are not in the paper.
    """

    optimize_mode: str | None = None
    population_size: int = 100
    sample_size: int = 25
    cycles: int = 20_000
    mutation_prob: float | None = None
    on_failure: str = "ignore"
    model_filter: Callable[[Architecture], bool] | None = None
    crossover: bool = field(default=False, kw_only=True)
    dedup: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_one_of(self, "optimize_mode", [None, "maximize", "minimize"])
        check_whole(self, "population_size", 1)
        check_whole(self, "sample_size", 1, self.population_size, high_is="population_size")
        check_whole(self, "cycles", 1)
        check_probability(self, "mutation_prob")
        check_one_of(self, "on_failure", ["ignore", "worst"])
        check_filter(self, "model_filter")
        check_flag(self, "crossover")
        check_flag(self, "dedup")

    @property
    def direction(self) -> Direction | None:
        """The direction that ``optimize_mode`` fixes."""
        return None if self.optimize_mode is None else Direction(self.optimize_mode)

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> EvolutionSearch:
        """Start a search; see `Strategy.search`."""
        return EvolutionSearch(self, space, seed=seed, objectives=Objectives.of(objectives).directed(self.direction))


class EvolutionSearch(Search):
    """A running `RegularizedEvolution` search."""

    def __init__(
        self,
        options: RegularizedEvolution,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._unseen = Unseen(self.space, self.seed) if options.dedup else None
        # A ring: member number n is at n % population_size, where it replaces the oldest.
        self._members: list[Trial] = []
        self._fitness: list[Fitness] = []
        self._num_entered = 0

    @property
    def population(self) -> tuple[Trial, ...]:
        """The members of the population, oldest first."""
        oldest = self._num_entered % self._options.population_size if self._is_full else 0
        return tuple(self._members[oldest:] + self._members[:oldest])

    @property
    def _is_full(self) -> bool:
        return self._num_entered >= self._options.population_size

    def _propose(self, number: int) -> Proposal | None:
        num_committed = self._num_entered + len(self._pending)
        if num_committed >= self._options.cycles:
            if self._pending:
                return None  # wait: a trial that fails is replaced
            raise SearchExhausted(f"All {self._options.cycles:,} cycles are done.")
        rng = rng_for(self.seed, number)
        if num_committed < self._options.population_size:
            return self._new(lambda: self.space.sample(rng))
        if self._num_entered < self._options.sample_size:
            return None
        return self._new(lambda: self._child(rng), lambda: self.space.sample(rng))

    def _new(self, *draws: Callable[[], Architecture]) -> Proposal:
        """Return an architecture drawn by the first function; with ``dedup``, by the first that finds a new one."""
        return Proposal(draws[0]() if self._unseen is None else self._unseen.find(*draws))

    def _child(self, rng: random.Random) -> Architecture:
        parent = self._tournament(rng)
        try:
            if self._options.crossover:
                parent = self.space.crossover(parent, self._tournament(rng), rng)
            return self.space.mutate(parent, rng, probability=self._options.mutation_prob)
        except SpaceError:  # the space is a single point, or no neighbour of the parent meets the constraints
            return self.space.sample(rng)

    def _tournament(self, rng: random.Random) -> Architecture:
        """Return the best of ``sample_size`` members drawn with replacement, the first drawn among equals."""
        draw, count = rng.random, len(self._members)
        drawn = [int(draw() * count) for _ in range(self._options.sample_size)]
        return self._members[max(drawn, key=self._fitness.__getitem__)].architecture

    def _on_ask(self, proposal: Proposal) -> None:
        if self._unseen is not None:
            self._unseen.add(proposal.architecture)

    def _on_tell(self, trial: Trial) -> None:
        fitness = self.fitness(trial)
        if fitness is not None:
            self._enter(trial, fitness)
        elif self._options.on_failure == "worst" and not trial.was_cancelled:
            self._enter(trial, WORST)

    def _enter(self, trial: Trial, fitness: Fitness) -> None:
        if self._is_full:
            oldest = self._num_entered % self._options.population_size
            self._members[oldest], self._fitness[oldest] = trial, fitness
        else:
            self._members.append(trial)
            self._fitness.append(fitness)
        self._num_entered += 1
