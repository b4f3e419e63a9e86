import pytest

from retiarii.strategy import GridSearch, Random, RegularizedEvolution
from retiarii.testing.spaces import SPACES
from retiarii.testing.strategies import ExhaustionConformance, LearningConformance, StrategyConformance


class TestRandom(StrategyConformance, ExhaustionConformance):
    @pytest.fixture
    def strategy(self):
        return Random()


class TestRandomWithRepetition(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return Random(dedup=False)


class TestGridSearch(StrategyConformance, ExhaustionConformance):
    spaces = SPACES.keys() - {"mixed_numeric"}

    @pytest.fixture
    def strategy(self):
        return GridSearch()


class TestGridSearchInOrder(StrategyConformance, ExhaustionConformance):
    @pytest.fixture
    def strategy(self):
        return GridSearch(shuffle=False, float_points=3)


class TestRegularizedEvolution(StrategyConformance, LearningConformance):
    @pytest.fixture
    def strategy(self):
        return RegularizedEvolution(population_size=20, sample_size=5)


class TestEvolutionWithEveryOption(StrategyConformance, ExhaustionConformance, LearningConformance):
    @pytest.fixture
    def strategy(self):
        return RegularizedEvolution(
            population_size=20, sample_size=5, mutation_prob=0.3, on_failure="worst", crossover=True, dedup=True
        )


class TestEvolutionThatMinimizes(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return RegularizedEvolution("minimize", population_size=20, sample_size=5)
