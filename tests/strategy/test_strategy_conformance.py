import pytest

from retiarii.strategy import GridSearch, Random, RegularizedEvolution
from retiarii.testing.spaces import SPACES
from retiarii.testing.strategies import StrategyConformance


class TestRandom(StrategyConformance):
    is_exhaustive = True

    @pytest.fixture
    def strategy(self):
        return Random()


class TestRandomWithRepetition(StrategyConformance):
    spaces = frozenset(SPACES) - {"narrow"}

    @pytest.fixture
    def strategy(self):
        return Random(dedup=False)


class TestGridSearch(StrategyConformance):
    is_exhaustive = True
    spaces = frozenset(SPACES) - {"mixed_numeric"}

    @pytest.fixture
    def strategy(self):
        return GridSearch()


class TestGridSearchInOrder(StrategyConformance):
    is_exhaustive = True

    @pytest.fixture
    def strategy(self):
        return GridSearch(shuffle=False, float_points=3)


class TestRegularizedEvolution(StrategyConformance):
    learns = True

    @pytest.fixture
    def strategy(self):
        return RegularizedEvolution(population_size=20, sample_size=5)


class TestEvolutionWithEveryOption(StrategyConformance):
    is_exhaustive = True
    learns = True

    @pytest.fixture
    def strategy(self):
        return RegularizedEvolution(
            population_size=20, sample_size=5, mutation_prob=0.3, on_failure="worst", crossover=True, dedup=True
        )
