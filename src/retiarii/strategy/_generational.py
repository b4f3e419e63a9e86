"""`GenerationalEvolution`: generations of mutations and crossovers of the best architectures so far."""

from __future__ import annotations

import random
from dataclasses import dataclass

from retiarii.errors import ConfigError, SearchExhausted, SpaceError
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._options import check_probability, check_whole
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Fitness, Search
from retiarii.trial import Direction, ObjectivesLike, Proposal, Trial


@dataclass(frozen=True)
class GenerationalEvolution(Strategy):
    """Evolution in generations, for the subnets of a trained supernet.

    The first generation is random. Each later one has ``num_mutation`` mutations and ``num_crossover`` crossovers of
    the ``num_select`` best architectures so far; the rest is random. No architecture is proposed twice: where mutation
    or crossover gives nothing new, a random architecture takes the place. A generation begins when all trials of the
    one before have ended.

    Args:
        num_generations: How many generations there are; then the search ends.
        population_size: How many architectures a generation has.
        num_select: How many of the best architectures are parents.
        num_mutation: How many architectures of a generation are mutations.
        num_crossover: How many architectures of a generation are crossovers.
        mutation_prob: The probability with which each active choice of the parent changes.

    Raises:
        ConfigError: An option has an invalid value, or the mutations and crossovers are more than a generation.

    Reference:
        Single Path One-Shot (Guo et al., 2020), arXiv:1904.00420, Algorithm 1, with its defaults: 20 generations of 50
        architectures, 10 parents, 25 crossovers and 25 mutations with a probability of 0.1. Deviations: a choice that
        mutates takes another value, where the paper may draw the old one again; a generation is filled up with random
        architectures, as in the code of the paper.
    """

    num_generations: int = 20
    population_size: int = 50
    num_select: int = 10
    num_mutation: int = 25
    num_crossover: int = 25
    mutation_prob: float = 0.1

    def __post_init__(self) -> None:
        check_whole(self, "num_generations", 1)
        check_whole(self, "population_size", 1)
        check_whole(self, "num_select", 1, self.population_size, high_is="population_size")
        check_whole(self, "num_mutation", 0)
        check_whole(self, "num_crossover", 0)
        check_probability(self, "mutation_prob")
        if self.num_mutation + self.num_crossover > self.population_size:
            raise ConfigError(
                f"GenerationalEvolution has num_mutation={self.num_mutation} and num_crossover={self.num_crossover}, "
                f"together more than population_size={self.population_size}. Use fewer, or a larger population."
            )

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> GenerationalSearch:
        """Start a search; see `Strategy.search`."""
        return GenerationalSearch(self, space, seed=seed, objectives=objectives)


class GenerationalSearch(Search):
    """A running `GenerationalEvolution` search."""

    def __init__(
        self,
        options: GenerationalEvolution,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options
        self._unseen = Unseen(self.space, self.seed)
        self._results: list[tuple[Fitness, int, Architecture]] = []
        self._parents: tuple[int, list[Architecture]] = (0, [])

    def parents(self, generation: int) -> list[Architecture]:
        """Return the best architectures of the generations before, the best first; of equals, the earliest.

        Args:
            generation: The number of the generation, from 0.
        """
        if self._parents[0] != generation:
            before = generation * self._options.population_size
            known = sorted(
                (item for item in self._results if item[1] < before), key=lambda item: (item[0], -item[1]), reverse=True
            )
            self._parents = generation, [architecture for _, _, architecture in known[: self._options.num_select]]
        return self._parents[1]

    def _propose(self, number: int) -> Proposal | None:
        generation, place = divmod(number, self._options.population_size)
        if generation == self._options.num_generations:
            raise SearchExhausted(f"All {generation:,} generations were proposed.")
        if place == 0 and self._pending:
            return None
        rng = rng_for(self.seed, number)
        parents = self.parents(generation)
        if not parents or place >= self._options.num_mutation + self._options.num_crossover:
            return Proposal(self._unseen.find(lambda: self.space.sample(rng)))
        breed = self._mutation if place < self._options.num_mutation else self._crossover
        return Proposal(self._unseen.find(lambda: breed(parents, rng), lambda: self.space.sample(rng)))

    def _mutation(self, parents: list[Architecture], rng: random.Random) -> Architecture:
        parent = parents[int(rng.random() * len(parents))]
        try:
            return self.space.mutate(parent, rng, probability=self._options.mutation_prob)
        except SpaceError:  # no neighbour of the parent meets the constraints
            return self.space.sample(rng)

    def _crossover(self, parents: list[Architecture], rng: random.Random) -> Architecture:
        first, second = (parents[int(rng.random() * len(parents))] for _ in range(2))
        try:
            return self.space.crossover(first, second, rng)
        except SpaceError:
            return self.space.sample(rng)

    def _on_ask(self, proposal: Proposal) -> None:
        self._unseen.add(proposal.architecture)

    def _on_tell(self, trial: Trial) -> None:
        fitness = self.fitness(trial)
        if fitness is not None:
            self._results.append((fitness, trial.number, trial.architecture))
