"""DARTS and ENAS in the classic API: the numbers of the strategies, the arguments of NNI, and what is refused."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from classic_net import Net
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from trainer_tools import OwnTrainer, accuracy, images, metrics, sgd

from retiarii.classic.pytorch import darts, enas
from retiarii.classic.pytorch.darts import DartsMutator, DartsTrainer
from retiarii.classic.pytorch.enas import EnasMutator, EnasTrainer
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, MutableScope
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.errors import ArchitectureError, ConfigError, MetricError, SearchError, SupernetError
from retiarii.nn.pytorch import Linear as linear
from retiarii.nn.pytorch import ValueChoice as value_choice
from retiarii.nn.pytorch import extract_space
from retiarii.oneshot import DARTS, ENAS, SearchLoop, subnet

COMMON = {"batch_size": 8, "workers": 0, "device": "cpu"}


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


def darts_trainer(model, metrics=metrics, optimizer=None, **options):
    options = {**COMMON, "num_epochs": 2, "dataset_train": images(), "dataset_valid": images(16, 1), **options}
    return DartsTrainer(model, F.cross_entropy, metrics, sgd(model) if optimizer is None else optimizer, **options)


def enas_trainer(model, metrics=metrics, optimizer=None, **options):
    options = {
        **COMMON, "num_epochs": 2, "dataset_train": images(80), "dataset_valid": images(16, 1), "child_steps": 3,
        "mutator_steps": 2, "mutator_steps_aggregate": 2, **options,
    }  # fmt: skip
    optimizer = sgd(model) if optimizer is None else optimizer
    return EnasTrainer(model, F.cross_entropy, metrics, accuracy, optimizer, **options)


TRAINERS = {"darts": darts_trainer, "enas": enas_trainer}


def loss(network, batch):
    return F.cross_entropy(network(batch[0]), batch[1])


@pytest.mark.parametrize("unrolled", [False, True])
def test_darts_has_the_probabilities_of_the_strategy_in_a_search_loop(unrolled):
    model = net()
    twin = copy.deepcopy(model)
    mutator = DartsMutator(model, seed=3)
    trainer = darts_trainer(model, mutator=mutator, arc_learning_rate=0.1, unrolled=unrolled)
    trainer.train_loader, trainer.valid_loader = list(trainer.train_loader), list(trainer.valid_loader)
    trainer.train(validate=False)

    strategy = DARTS(arc_learning_rate=0.1, unrolled=unrolled, gradient_clip_val=5.0)
    search = strategy.search(twin, seed=3)
    SearchLoop(search, loss, sgd(search.supernet)).run(trainer.train_loader, trainer.valid_loader, num_epochs=2)
    assert mutator.search.probabilities() == search.probabilities()
    assert mutator.search.export() == search.export()
    for name, value in search.supernet.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_enas_has_the_probabilities_of_the_strategy_in_a_search_loop():
    model = net()
    twin = copy.deepcopy(model)
    mutator = EnasMutator(model, seed=3, lstm_size=8)
    trainer = enas_trainer(model, mutator=mutator, child_steps=9, mutator_lr=0.1)
    trainer.train_loader, trainer.valid_loader = list(trainer.train_loader), list(trainer.valid_loader)
    trainer.train(validate=False)

    strategy = ENAS(
        ctrl_kwargs={"lstm_size": 8}, ctrl_steps_aggregate=2, arc_learning_rate=0.1, arc_steps=4, keep_sampled=False
    )
    search = strategy.search(twin, seed=3)
    loop = SearchLoop(
        search,
        loss,
        sgd(search.supernet),
        reward=lambda network, batch: accuracy(network(batch[0]), batch[1]),
        gradient_clip_val=5.0,
    )
    loop.run(trainer.train_loader, trainer.valid_loader, num_epochs=2)
    assert mutator.search.probabilities() == search.probabilities()
    for name, value in search.supernet.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize("name", TRAINERS)
def test_the_search_of_the_guide_from_training_to_retraining(name, tmp_path):
    """As a user writes it who knows the guide only."""
    model = net()
    trainer = TRAINERS[name](model, log_frequency=10)
    trainer.train()
    trainer.export(file=str(tmp_path / "final_architecture.json"))

    retrained = Net()
    apply_fixed_architecture(retrained, str(tmp_path / "final_architecture.json"))
    assert not any(isinstance(module, (LayerChoice, InputChoice)) for module in retrained.modules())
    optimizer = sgd(retrained)
    x, y = images()[:]
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        value = F.cross_entropy(retrained(x), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < losses[0]
    assert darts.DartsTrainer is DartsTrainer
    assert enas.EnasTrainer is EnasTrainer


@pytest.mark.parametrize("name", TRAINERS)
def test_the_model_has_its_choices_back_after_unbind_with_trained_weights(name):
    model = net()
    before = copy.deepcopy(model.state_dict())
    trainer = TRAINERS[name](model)
    trainer.train()
    exported = trainer.mutator.export()
    trainer.mutator.unbind()
    assert isinstance(model.conv1, LayerChoice)
    with pytest.raises(SearchError, match="was unbound from its model"):
        trainer.mutator.reset()
    assert any(not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    apply_fixed_architecture(model, exported)
    assert extract_space(model).choices == ()
    RandomMutator(Net())


@pytest.mark.parametrize("name", TRAINERS)
def test_the_searched_model_itself_is_fixed_with_its_trained_weights(name, tmp_path):
    model = net()
    trainer = TRAINERS[name](model)
    trainer.train()
    trainer.export(tmp_path / "arc.json")
    expected = subnet(trainer.mutator.search, trainer.mutator.search.export()).eval()
    apply_fixed_architecture(model, tmp_path / "arc.json")
    assert {*map(type, model.modules())} == {*map(type, expected.modules())}
    x = images(4)[:][0]
    assert torch.equal(model.eval()(x), expected(x))
    with pytest.raises(ArchitectureError):
        apply_fixed_architecture(model, {"unknown": 0})


def test_the_masks_of_an_export_are_those_of_the_architecture():
    model = net()
    mutator = DartsMutator(model)
    exported = mutator.export()
    architecture = mutator.search.export()
    assert exported["second"].tolist() == [architecture["second"] == name for name in ("conv", "skip")]
    assert exported["InputChoice3"].sum() == 2
    assert all(mask.dtype == torch.bool for mask in exported.values())
    assert set(mutator.status()) == set(exported)


@pytest.mark.parametrize("kind", [DartsMutator, EnasMutator])
def test_a_forward_before_the_reset_is_an_error(kind):
    model = net()
    mutator = kind(model)
    x = images(2)[:][0]
    with pytest.raises(SearchError, match=f"before the {kind.__name__} that is bound to it was reset"):
        model(x)
    with pytest.raises(SearchError, match="was reset"):
        copy.deepcopy(model)(x)
    mutator.reset()
    assert model(x).shape == (2, 3)
    assert model._forward_pre_hooks == {}


@pytest.mark.parametrize("first", [RandomMutator, DartsMutator, EnasMutator])
@pytest.mark.parametrize("name", TRAINERS)
def test_a_second_mutator_is_an_error_that_names_the_first(first, name):
    model = net()
    mutator = first(model)
    with pytest.raises(SearchError, match=f"is bound to a {first.__name__} already.*unbind"):
        TRAINERS[name](model)
    mutator.unbind()
    TRAINERS[name](model)


@pytest.mark.parametrize("name", TRAINERS)
def test_the_mutator_of_another_kind_or_model_is_refused(name):
    other = Net()
    for mutator in (DartsMutator(other), EnasMutator(Net()), RandomMutator(Net())):
        with pytest.raises(ConfigError, match=r"as its mutator, expected a \w+ of the model that it trains"):
            TRAINERS[name](net(), mutator=mutator)


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("wrong", [{"callbacks": [None]}, {"device": "nowhere"}, {"optimizer": "sgd"}])
def test_a_model_is_free_again_after_wrong_arguments(name, wrong):
    model = net()
    with pytest.raises((AttributeError, RuntimeError)):
        TRAINERS[name](model, **wrong)
    TRAINERS[name](model)  # a second mutator
    mutator = {"darts": DartsMutator, "enas": EnasMutator}[name](Net())
    with pytest.raises((AttributeError, RuntimeError)):
        TRAINERS[name](mutator.model, mutator=mutator, **wrong)
    TRAINERS[name](mutator.model, mutator=mutator)  # the user's own is still bound


def test_a_model_is_free_again_after_an_option_that_enas_refuses():
    model = net()
    with pytest.raises(ConfigError, match="ctrl_steps_aggregate=0"):
        enas_trainer(model, mutator_steps_aggregate=0)
    enas_trainer(model)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_without_choices_is_refused_and_can_be_used(name):
    model = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
    with pytest.raises(SupernetError, match="nothing to search: the model has no choices"):
        TRAINERS[name](model)
    assert model(images(2)[:][0]).shape == (2, 3)


@pytest.mark.parametrize("name", TRAINERS)
def test_metrics_that_are_no_dict_are_an_error(name):
    with pytest.raises(MetricError, match="returned float, expected a dict"):
        TRAINERS[name](net(), metrics=accuracy).train()


@pytest.mark.parametrize("name", TRAINERS)
def test_the_users_optimizer_trains_the_supernet_also_where_layers_become_larger(name):
    class Model(Net):
        def __init__(self):
            super().__init__()
            width = value_choice([4, 16], label="width")
            self.fc = nn.Sequential(linear(4, width), linear(width, 3))

    torch.manual_seed(0)
    model = Model()
    optimizer = sgd(model)
    trainer = TRAINERS[name](model, optimizer=optimizer)
    (weight,) = [parameter for parameter in model.parameters() if parameter.shape == (16, 4)]
    before = weight.clone()
    trainer.train()
    assert (weight != before).any(dim=1).sum() > 4
    assert trainer.mutator.export()["width"] in (4, 16)


class Macro(nn.Module):
    """Layers with skip connections from all layers before, as the macro space of ENAS."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.layers = nn.ModuleList()
        self.skips = nn.ModuleList()
        keys = []
        for number in range(3):
            self.layers.append(
                LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(3, 1, 1)], key=f"layer{number}")
            )
            self.skips.append(InputChoice(choose_from=keys, n_chosen=None, key=f"skip{number}") if keys else None)
            keys.append(f"layer{number}")
        self.fc, self.auxiliary = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        outputs, x = [], self.stem(x)
        for layer, skip in zip(self.layers, self.skips, strict=True):
            y = layer(x)
            skipped = skip(outputs) if skip is not None else None
            x = torch.relu(y if skipped is None else y + skipped)
            outputs.append(x)
        pooled = x.mean((2, 3))
        return (self.fc(pooled), self.auxiliary(pooled)) if self.training else self.fc(pooled)


class Node(MutableScope):
    def __init__(self, key, previous):
        super().__init__(key)
        self.ops = nn.ModuleList(
            LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.Identity()], key=f"{key}_{side}_op") for side in "xy"
        )
        self.inputs = nn.ModuleList(InputChoice(choose_from=previous, n_chosen=1, key=f"{key}_{s}_input") for s in "xy")

    def forward(self, states):
        return sum(op(choice(states)) for op, choice in zip(self.ops, self.inputs, strict=True))


class Micro(nn.Module):
    """A cell of nodes, each of two inputs and operations, as the micro space of ENAS."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.nodes = nn.ModuleList([Node("node2", ["node0", "node1"]), Node("node3", ["node0", "node1", "node2"])])
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        states = [self.stem(x), torch.relu(self.stem(x))]
        for node in self.nodes:
            states.append(node(states))
        return self.fc(states[-1].mean((2, 3)))


@pytest.mark.parametrize("space", [Macro, Micro])
def test_enas_searches_macro_and_micro_spaces(space, tmp_path):
    torch.manual_seed(0)
    model = space()
    trainer = enas_trainer(model, test_arc_per_epoch=3)
    trainer.train()
    assert set(trainer.history[0]) == {"train", "controller", "valid", "valid 1", "valid 2"}
    assert {"reward", "acc"} <= set(trainer.history[0]["controller"])
    trainer.export(tmp_path / "arc.json")
    retrained = space()
    apply_fixed_architecture(retrained, tmp_path / "arc.json")
    assert retrained.eval()(images(2)[:][0]).shape == (2, 3)


def test_an_auxiliary_output_is_trained_by_its_weight():
    for weight, is_trained in ((0.4, True), (0, False)):
        torch.manual_seed(0)
        model = Macro()
        before = model.auxiliary.weight.clone()
        enas_trainer(model, aux_weight=weight, num_epochs=1).train()
        assert (model.auxiliary.weight != before).any() == is_trained


def test_steps_are_counted_as_told():
    model = net()
    outputs = []

    def counted(output, target):
        outputs.append((model.training, len(target)))
        return {"acc": 0.0}

    enas_trainer(
        model, metrics=counted, num_epochs=1, child_steps=20, mutator_steps=3, mutator_steps_aggregate=4
    ).train()
    assert [training for training, _ in outputs] == [True] * 20 + [False] * 12 + [False] * 2
    assert sum(count for training, count in outputs if training) == 20 * 8  # 9 batches, again and again


def test_the_entropy_weight_counts_in_the_baseline():
    baselines = []
    for weight in (0.0, 10.0):
        trainer = enas_trainer(net(), mutator=None, entropy_weight=weight, num_epochs=1, mutator_lr=0.0)
        trainer.train(validate=False)
        baselines.append(trainer.mutator.search.baseline)
    entropies = sum(trainer.mutator.search.entropies(trainer.mutator.search.probabilities()).values())
    assert baselines[1] - baselines[0] == pytest.approx(10 * entropies, rel=0.1)


def test_options_of_the_controller_without_an_equivalent_are_warned_about():
    with pytest.warns(UserWarning, match="ignores cell_exit_extra_step"):
        EnasMutator(Net(), cell_exit_extra_step=True)
    with pytest.warns(UserWarning, match="ignores entropy_reduction='mean'"):
        EnasMutator(Net(), entropy_reduction="mean")
    with pytest.warns(UserWarning, match="ignores branch_bias"):
        EnasMutator(Net(), branch_bias=0.5)


def test_the_loop_of_a_user_drives_the_mutator_of_darts_by_reset():
    model = net()
    mutator = DartsMutator(model)
    trainer = OwnTrainer(model, mutator, sgd(model), num_epochs=6)
    trainer.train()
    assert sum(trainer.losses[-6:]) < sum(trainer.losses[:6])


def test_darts_decides_for_the_candidate_that_helps():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.choice = LayerChoice({"noise": nn.Dropout(0.9), "linear": nn.Identity()}, key="choice")
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(self.choice(x))

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    data = TensorDataset(x, (x[:, 0] > 0).long())
    torch.manual_seed(0)
    model = Model()
    trainer = darts_trainer(model, num_epochs=10, dataset_train=data, dataset_valid=data, arc_learning_rate=0.1)
    trainer.train()
    assert trainer.mutator.export()["choice"].tolist() == [False, True]
    assert math.fsum(itertools.chain(*trainer.mutator.status().values())) == pytest.approx(1)
