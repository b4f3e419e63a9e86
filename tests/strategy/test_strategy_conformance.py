import pytest

from retiarii.space import rng_for
from retiarii.strategy import (
    ASHA,
    NSGA2,
    GenerationalEvolution,
    Given,
    GridSearch,
    Hyperband,
    MedianStop,
    PolicyBasedRL,
    Random,
    RegularizedEvolution,
)
from retiarii.testing.spaces import SPACES, darts
from retiarii.testing.strategies import ExhaustionConformance, LearningConformance, StrategyConformance

A_FEW = ("constrained", "darts", "nested")  # for variants: what depends on the space is tested with the main one


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


class TestGenerationalEvolution(StrategyConformance, ExhaustionConformance, LearningConformance):
    @pytest.fixture
    def strategy(self):
        return GenerationalEvolution(1000, 20, num_select=5, num_mutation=10, num_crossover=8)


class TestNSGA2(StrategyConformance, ExhaustionConformance, LearningConformance):
    @pytest.fixture
    def strategy(self):
        return NSGA2(population_size=20)


class TestNSGA2WithRepetition(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return NSGA2(population_size=4, crossover_prob=0, mutation_prob=0.3, dedup=False)


class TestPolicyBasedRL(StrategyConformance, ExhaustionConformance, LearningConformance):
    @pytest.fixture
    def strategy(self):
        return PolicyBasedRL()


class TestPolicyBasedRLWithRepetition(StrategyConformance, LearningConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return PolicyBasedRL(trial_per_collect=10, on_failure="worst", learning_rate=0.005, dedup=False)


class TestPolicyBasedRLThatMinimizes(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return PolicyBasedRL(60, 4, optimize_mode="minimize", entropy_weight=0.01)


class TestASHA(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return ASHA(max_fidelity=9)


class TestASHAWithRepetition(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return ASHA("share", 0.125, 1, reduction_factor=2, dedup=False)


class TestASHAThatMinimizes(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return ASHA(max_fidelity=9, optimize_mode="minimize")


class TestHyperband(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return Hyperband(max_fidelity=9)


class TestMedianStop(StrategyConformance, ExhaustionConformance):
    @pytest.fixture
    def strategy(self):
        return MedianStop(Random(), min_trials=2)


class TestMedianStopOfEvolution(StrategyConformance, LearningConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return MedianStop(RegularizedEvolution(population_size=20, sample_size=5), warmup_steps=1)


class TestMedianStopOfASHA(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return MedianStop(ASHA(max_fidelity=9), min_trials=2)


class TestMedianStopOfHyperband(StrategyConformance):
    spaces = A_FEW

    @pytest.fixture
    def strategy(self):
        return MedianStop(Hyperband(max_fidelity=9), min_trials=2)


class TestGiven(StrategyConformance):
    spaces = ("darts",)

    @pytest.fixture
    def strategy(self):
        return Given([darts().sample(rng_for(3, number)) for number in range(150)])
