"""Subnets with their weights, recalibration, the second phase of SPOS, what cannot be a supernet, and compilation."""

from __future__ import annotations

import copy
import pickle
import random

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, ConfigError
from retiarii.oneshot import (
    DEFAULT_RULES,
    ChoiceOperator,
    RandomOneShot,
    SliceRule,
    SubnetEvaluator,
    SupernetError,
    build_supernet,
    choice_rule,
    compile_candidates,
    recalibrate_batch_norm,
    search_subnets,
    slice_rule,
    subnet,
)
from retiarii.oneshot._operators.slice_rule import same_but
from retiarii.strategy import GridSearch, RegularizedEvolution
from retiarii.testing.networks import assert_path_equals_subnet, mix_with_certainty, outputs_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 6], label="width")
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.op = nn.LayerChoice({"conv": nn.Conv2d(width, width, 3, padding=1), "skip": nn.Identity()}, label="op")
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.op(self.norm(self.stem(x))).mean((2, 3)))


def test_a_subnet_is_plain_owns_its_memory_and_leaves_the_supernet_as_it_was():
    supernet = build_supernet(Net())
    supernet.decisions["op"].mix(torch.tensor([0.3, 0.7]))
    network = subnet(supernet, {"width": 4, "op": "conv"})
    assert torch.equal(supernet.decisions["op"].weights, torch.tensor([0.3, 0.7]))
    assert {type(module).__module__.partition(".")[0] for module in network.modules()} <= {"torch", __name__}
    stored = {tensor.untyped_storage().data_ptr() for tensor in supernet.module.state_dict().values()}
    assert not stored & {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    pickle.loads(pickle.dumps(network))
    with pytest.raises(ArchitectureError, match="width"):
        subnet(supernet, {"width": 5, "op": "conv"})


def test_recalibration_is_the_plain_mean_over_batches_and_changes_nothing_else():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm2d(3)).eval()
    batches = [torch.randn(8, 1, 6, 6) for _ in range(5)]
    weights = [weight.clone() for weight in network.parameters()]
    recalibrate_batch_norm(network, iter(batches), num_batches=3)
    hidden = [network[0](batch) for batch in batches[:3]]
    torch.testing.assert_close(network[1].running_mean, torch.stack([h.mean((0, 2, 3)) for h in hidden]).mean(0))
    torch.testing.assert_close(network[1].running_var, torch.stack([h.var((0, 2, 3)) for h in hidden]).mean(0))
    assert not any(module.training for module in network.modules())
    assert network[1].momentum == 0.1
    assert all(torch.equal(*pair) for pair in zip(weights, network.parameters(), strict=True))


def test_recalibration_without_batches_is_refused_and_forgets_nothing():
    network = nn.Sequential(nn.BatchNorm1d(2))
    network[0].running_mean.fill_(3.0)
    for batches in ([], iter([]), [torch.randn(4, 2)]):
        with pytest.raises(ConfigError, match="no batches to recalibrate"):
            recalibrate_batch_norm(network, batches, num_batches=0 if isinstance(batches, list) else None)
    assert torch.equal(network[0].running_mean, torch.full((2,), 3.0))


@pytest.mark.parametrize("strategy", [GridSearch(), RegularizedEvolution(population_size=4, sample_size=2)])
def test_any_multi_trial_strategy_searches_a_trained_supernet(strategy):
    torch.manual_seed(0)
    search = RandomOneShot().search(Net())
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.05)
    x, y = torch.randn(16, 1, 5, 5), torch.randint(3, (16,))
    for _ in range(5):
        search.reset()
        optimizer.zero_grad()
        F.cross_entropy(search.supernet(x), y).backward()
        optimizer.step()
    seen = []

    def accuracy(network):
        assert not network.training
        seen.append(network.norm.running_mean.clone())
        with torch.no_grad():
            return (network(x).argmax(1) == y).float().mean().item()

    running = strategy.search(search.supernet.space)
    evaluated = search_subnets(running, SubnetEvaluator(search, accuracy, calibration=[(x, y)]), 4)
    assert len(evaluated) == 4
    assert running.best.metric == max(metric for _, metric in evaluated)
    with torch.no_grad():
        search.supernet.set_architecture(evaluated[0][0])
        expected = search.supernet.module.stem(x).mean((0, 2, 3))
    torch.testing.assert_close(seen[0], expected)


# What cannot be a supernet says where and what to do.


@nn.basic_unit
class Noise(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(size))

    def forward(self, x):
        return x + self.weight.sum()


def test_a_module_without_a_rule_and_with_too_many_configurations_is_refused():
    model = nn.Sequential(nn.Identity(), Noise(nn.ValueChoice(range(1, 100))))
    with pytest.raises(SupernetError, match=r"'1' has 99 different sets of arguments.*Noise") as error:
        build_supernet(model)
    assert error.value.path == "1"


def test_users_extend_a_copy_of_the_rules():
    rules = {
        **DEFAULT_RULES,
        Noise: slice_rule(SliceRule(merges=lambda configs, full: same_but(["size"], configs, full))),
    }
    supernet = build_supernet(nn.Sequential(Noise(nn.ValueChoice(range(1, 100), label="size"))), rules)
    assert [weight.shape for weight in supernet.parameters()] == [(99,)]
    supernet.set_architecture({"size": 7})
    x = torch.zeros(2)
    torch.testing.assert_close(supernet(x), supernet.module[0].layer.weight[:7].sum().expand(2))


def test_a_primitive_of_a_user_can_be_sampled_and_gets_mixtures_by_a_rule():
    from retiarii.nn.pytorch.mutation_utils import Mutable
    from retiarii.nn.pytorch.primitives import Frozen
    from retiarii.space import Categorical

    class Sign(Mutable):
        def declare_choices(self, survey):
            survey.choice(Categorical("sign", (1.0, -1.0)))

        def freeze_by(self, freezer):
            return Frozen(nn.Hardtanh() if freezer.value(Categorical("sign", (1.0, -1.0))) > 0 else nn.Tanh())

        def forward(self, x):
            return x

    class SignOperator(ChoiceOperator):
        def mix(self, x):
            return x * self.decisions[0].weights[0]

    x = torch.randn(3)
    supernet = build_supernet(nn.Sequential(Sign()))
    supernet.set_architecture({"sign": -1.0})
    assert torch.equal(supernet(x), x.tanh())
    supernet.decisions["sign"].mix(torch.tensor([0.25, 0.75]))
    with pytest.raises(SupernetError, match=r"'0' is a Sign, which has no mixture"):
        supernet(x)
    supernet = build_supernet(nn.Sequential(Sign()), {**DEFAULT_RULES, Sign: choice_rule(SignOperator)})
    supernet.decisions["sign"].mix(torch.tensor([0.25, 0.75]))
    assert torch.equal(supernet(x), x * 0.25)


def test_model_parameter_choices_are_refused_by_name():
    @nn.model_wrapper
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            width = nn.ModelParameterChoice([4, 8], label="width")
            self.layers = nn.Sequential(*[nn.Linear(width, width) for _ in range(width // 4)])

    with pytest.raises(SupernetError, match="ModelParameterChoice \\('width'\\)"):
        build_supernet(Model())


def test_weights_that_a_sliced_layer_shares_are_refused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, nn.ValueChoice([4, 8]))
            self.other = nn.Embedding(5, 4)
            self.other.weight = self.embed.weight

    with pytest.raises(SupernetError, match="'weight' of 'embed' is shared"):
        build_supernet(Tied())


class TiedHead(nn.Module):
    """Embeddings that are the output layer too, in a head of ``head`` features per feature of the embedding."""

    def __init__(self, widths, head=1):
        super().__init__()
        width = nn.ValueChoice(widths, label="width")
        self.embed = nn.Embedding(5, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width * head, 5, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.norm(self.embed(tokens)))


@pytest.mark.parametrize("widths", [(8, 4), (4, 8)])
@pytest.mark.parametrize("in_place", [False, True])
def test_layers_of_the_same_sizes_share_a_parameter_in_a_supernet_too(widths, in_place):
    tokens = torch.tensor([[0, 3, 4]])
    model = TiedHead(widths)
    supernet = build_supernet(model, in_place=in_place)
    assert [name for name, _ in supernet.module.named_parameters()].count("head.layer.weight") == 0
    for width in widths:
        assert_path_equals_subnet(supernet, {"width": width}, tokens, to_the_last_bit=False)
        network = subnet(supernet, {"width": width})
        assert network.head.weight is network.embed.weight
        expected = outputs_of(supernet.module, (tokens,))
        mix_with_certainty(supernet)
        torch.testing.assert_close(outputs_of(supernet.module, (tokens,)), expected)
    copied = copy.deepcopy(supernet)
    assert sum(p.numel() for p in copied.parameters()) == sum(p.numel() for p in supernet.parameters()) == 5 * 8 + 16
    if in_place:
        assert supernet.unbind().head.weight is model.embed.weight


def test_a_parameter_of_layers_that_cut_it_differently_is_refused():
    with pytest.raises(SupernetError, match=r"'weight' of 'embed' is shared.*the same slices"):
        build_supernet(TiedHead((4, 8), head=2))


def test_layers_that_were_changed_after_their_construction_are_refused():
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, nn.ValueChoice([4, 8])))
    with pytest.raises(SupernetError, match="'0' has choices in its arguments, but was parametrised"):
        build_supernet(nn.Sequential(layer))


def test_attributes_that_were_set_after_the_construction_are_refused():
    norm = nn.BatchNorm2d(nn.ValueChoice([4, 8]))
    norm.momentum = 0.01
    with pytest.raises(SupernetError, match="'0' has choices in its arguments, but attributes of it were set after"):
        build_supernet(nn.Sequential(norm))


@nn.model_wrapper
class SetsAttributes(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(nn.ValueChoice([4, 8], label="w"))
        self.norm.momentum, self.norm.eps = 0.01, 1.0

    def forward(self, x):
        return self.norm(x)


@pytest.mark.parametrize("size", [4, 8])
def test_attributes_that_the_constructor_of_the_model_sets_count_on_every_path(size):
    assert_path_equals_subnet(build_supernet(SetsAttributes()), {"w": size}, torch.randn(3, size, 2, 2))


def test_weights_that_are_not_to_be_trained_stay_so():
    layer = nn.Linear(3, nn.ValueChoice([4, 8]))
    layer.bias.requires_grad_(False)
    supernet = build_supernet(nn.Sequential(layer))
    assert [weight.requires_grad for weight in supernet.parameters()] == [True, False]


def test_candidates_of_different_shapes_are_refused_in_mixtures_with_the_place():
    supernet = build_supernet(nn.Sequential(nn.LayerChoice([nn.Linear(3, 3), nn.Linear(3, 2)], label="a")))
    supernet.decisions["a"].mix(torch.tensor([0.5, 0.5]))
    with pytest.raises(SupernetError, match=r"'0' \(label 'a'\) return tensors of different shapes"):
        supernet(torch.randn(1, 3))


def test_values_in_forward_are_expectations_or_raise_in_mixtures():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.ValueChoice([0.5, 2.0], label="rate")
            self.size = nn.ValueChoice([2, 4], label="size")
            self.mode = nn.ValueChoice(["x", "y"], label="mode")

        def forward(self, x):
            return x[:, : self.size] * self.rate

        def read_mode(self):
            return self.mode == "x"

    supernet = build_supernet(Reads())
    for decision in supernet.decisions.values():
        decision.mix(torch.tensor([0.25, 0.75]))
    supernet.fill_slots()
    x = torch.ones(1, 4)
    assert torch.equal(supernet(x), torch.full((1, 4), 0.25 * 0.5 + 0.75 * 2.0))
    with pytest.raises(SupernetError, match="'mode'"):
        supernet.module.read_mode()
    supernet.set_architecture({"rate": 0.5, "size": 2, "mode": "y"})
    assert torch.equal(supernet(x), torch.full((1, 2), 0.5))
    assert supernet.module.read_mode() is False


# torch.compile: a bounded number of graphs, whatever is sampled.


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch looks at it itself
def test_compiled_candidates_are_never_compiled_again():
    import torch._dynamo
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter = CompileCounter()
    torch.manual_seed(0)

    def block():
        return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

    model = nn.Sequential(
        *[nn.LayerChoice([block(), nn.Conv2d(4, 4, 1), nn.Identity()], label=f"l{n}") for n in range(5)]
    )
    supernet = build_supernet(model)
    x = torch.randn(2, 4, 6, 6)
    rng = random.Random(0)
    architectures = [supernet.space.sample(rng) for _ in range(25)]
    expected = []
    for architecture in architectures:
        supernet.set_architecture(architecture)
        expected.append(supernet(x))
    supernet = build_supernet(model)
    assert compile_candidates(supernet, backend=counter) == 15
    compiled = []
    for architecture, output in zip(architectures, expected, strict=True):
        supernet.set_architecture(architecture)
        torch.testing.assert_close(supernet(x), output)
        compiled.append(counter.frame_count)
    # One graph per candidate, and a second where its input sometimes needs a gradient and sometimes not.
    assert compiled[-1] <= 2 * 10  # nn.Identity has nothing to compile
    for architecture in architectures:
        supernet.set_architecture(architecture)
        supernet(x).sum().backward()
    assert counter.frame_count == compiled[-1]
    torch._dynamo.reset()
