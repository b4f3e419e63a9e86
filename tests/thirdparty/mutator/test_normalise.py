import pytest
import torch
from normalise import Normalise, Stack

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.errors import InvalidMutation
from retiarii.graph import GraphEngine
from retiarii.strategy import RegularizedEvolution
from retiarii.testing.mutators import MutatorConformance
from retiarii.trial import TrialState


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="act")
        self.body = nn.Placeholder("body", channels=4, depths=[1, 2, 3])
        self.last = nn.Conv2d(4, 6, 1)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.last(self.body(self.act(self.stem(x)))).mean((2, 3)))


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))


class OnImages(MutatorConformance):
    @pytest.fixture
    def example_input(self):
        return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class TestNormalise(OnImages):
    @pytest.fixture
    def mutators(self):
        return [Normalise()]

    @pytest.fixture
    def base_model(self):
        return Plain()


class TestBoth(OnImages):
    may_be_invalid = True
    modules = ("normalise",)

    @pytest.fixture
    def mutators(self):
        return [Stack("body"), Normalise()]

    @pytest.fixture
    def base_model(self):
        return Net()


def test_the_space_has_the_choices_of_each_mutator():
    engine = GraphEngine(Plain(), [Normalise()])
    assert [choice.label for choice in engine.space] == ["Normalise/0", "Normalise/1"]
    assert engine.space.size == 9
    engine = GraphEngine(Net(), [Stack("body")])
    assert engine.space.size == 2 * (3 + 9 + 27)
    wider = {"act": 0, "body/depth": 2, "body/inside0": 1, "body/inside1": 4}
    with pytest.raises(InvalidMutation, match=r"would get wider inside: \[1, 4\]"):
        engine.build(wider)


def evaluate(network):
    return float(sum(weight.numel() for weight in network.parameters()))


def test_an_experiment_applies_them(tmp_path):
    search = RegularizedEvolution(population_size=4, sample_size=2)
    mutators = [Stack("body"), Normalise()]
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), mutators, search)
    config = RetiariiExeConfig("in_process", max_trial_number=12, seed=0, progress=False, execution_engine="base")
    config.storage = tmp_path / "store.db"
    experiment.run(config)
    states = {trial.state for trial in experiment.trials()}
    assert TrialState.COMPLETED in states
    best = experiment.export_top_models(formatter="dict")[0]
    assert evaluate(GraphEngine(Net(), mutators).build(best)) == experiment.top_trials(1)[0].metric
