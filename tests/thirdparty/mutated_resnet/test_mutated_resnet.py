"""Somebody else's network, written without retiarii, gets its choices from mutators only."""

import random

import pytest
import torch
from resnet import BasicBlock, ResNet
from resnet_mutators import Activation, Kernels, LeaveOut
from torch import nn
from torch.nn import functional as F

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.graph import GraphEngine
from retiarii.strategy import RegularizedEvolution
from retiarii.testing.mutators import MutatorConformance
from retiarii.trial import FailureKind, TrialState

IMAGES = torch.zeros(1, 3, 8, 8)


class TestResNetMutators(MutatorConformance):
    may_be_invalid = True

    @pytest.fixture
    def mutators(self):
        return [LeaveOut(), Activation(), Kernels()]

    @pytest.fixture
    def base_model(self):
        return ResNet(widths=(4, 8))

    @pytest.fixture
    def example_input(self):
        return torch.randn(2, 3, 8, 8)


def kernels(architecture):
    return [value for label, value in architecture.items() if label.startswith("Kernels/")]


def test_the_network_has_what_was_chosen():
    engine = GraphEngine(ResNet(), [LeaveOut(), Activation(), Kernels()], example_input=IMAGES)
    for seed in range(4):
        architecture = engine.space.sample(random.Random(seed))
        if all(architecture[f"LeaveOut/{number}"] for number in range(3)):
            continue
        modules = dict(engine.build(architecture).named_modules())
        activations = {type(module).__name__ for name, module in modules.items() if name.endswith(("relu", "stem.2"))}
        assert activations == {architecture["Activation/kind"]}
        convolutions = [m for name, m in modules.items() if isinstance(m, nn.Conv2d) and "downsample" not in name]
        assert sorted(kernels(architecture)) == sorted(module.kernel_size[0] for module in convolutions)


def test_blocks_that_were_left_out_have_nothing_to_choose():
    engine = GraphEngine(ResNet(), [LeaveOut(), Kernels()], example_input=IMAGES)
    whole = {
        "LeaveOut/0": False,
        "LeaveOut/1": False,
        "LeaveOut/2": False,
        **dict.fromkeys(map("Kernels/{}".format, range(9)), 3),
    }
    part = {
        "LeaveOut/0": True,
        "LeaveOut/1": True,
        "LeaveOut/2": False,
        **dict.fromkeys(map("Kernels/{}".format, range(5)), 3),
    }
    assert set(engine.space.architecture(whole)) == set(whole)
    assert set(engine.space.architecture(part)) == set(part)
    graph = engine.graph(engine.space.architecture(part))
    assert len(graph.get_nodes_by_type(BasicBlock)) == 2
    assert len(graph.get_nodes_by_type(nn.Conv2d)) == 6, "five, and the shortcut of the block that changes the width"


def train(model, count=32):
    images = torch.randn(count, 3, 8, 8)
    labels = images.mean(dim=(2, 3)).argmax(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return (model.eval()(images).argmax(1) == labels).float().mean().item()


def test_a_search_in_isolated_trials_exports_code_without_retiarii(tmp_path):
    mutators = [LeaveOut(), Activation(), Kernels()]
    experiment = RetiariiExperiment(
        ResNet(widths=(4, 8)), train, mutators, RegularizedEvolution(population_size=4, sample_size=2)
    )
    config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=8, seed=2, progress=False)
    config.storage, config.dummy_input = tmp_path / "store.db", [1, 3, 8, 8]
    experiment.run(config)
    trials = experiment.trials()
    assert any(trial.state is TrialState.COMPLETED for trial in trials)
    for trial in trials:
        if trial.state is not TrialState.COMPLETED:
            assert trial.failure.kind is FailureKind.INVALID_MODEL
            assert "No block is left." in trial.failure.message
    [code] = experiment.export_top_models(formatter="code")
    assert "retiarii" not in code
    namespace = {"__name__": "exported"}
    exec(code, namespace)
    assert namespace["ResNet"]()(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
