"""A supernet set to an architecture is the standalone network with the extracted weights, for every primitive."""

from __future__ import annotations

import copy
import itertools
import pickle
import random

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import freeze
from retiarii.graph import GraphEngine
from retiarii.nn.pytorch import extract_state_dict, original_state_dict_hooks
from retiarii.oneshot import build_supernet
from retiarii.testing.networks import assert_path_equals_subnet


def conv(size=3, channels=4):
    return nn.Conv2d(channels, channels, size, padding=size // 2)


def nested_choice():
    inner = nn.LayerChoice({"a": conv(), "b": nn.Sequential(conv(1), nn.BatchNorm2d(4))}, label="inner")
    return nn.LayerChoice(
        {"nested": nn.Sequential(inner, nn.ReLU()), "plain": conv(5), "skip": nn.Identity()}, label="outer"
    )


def shared_label():
    return nn.Sequential(*[nn.LayerChoice([conv(), nn.BatchNorm2d(4), nn.Identity()], label="same") for _ in range(3)])


class Inputs(nn.Module):
    def __init__(self, n_chosen, reduction, names=None):
        super().__init__()
        self.convs = nn.ModuleList([conv() for _ in range(4)])
        self.pick = nn.InputChoice(4, n_chosen, reduction, label="pick", choose_from=names)

    def forward(self, x):
        outputs = [layer(x) for layer in self.convs]
        chosen = self.pick(outputs)
        return [x] if chosen is None else chosen


def named_inputs():
    return Inputs(2, "sum", ["w", "x", "y", "z"])


def repeat_of_range():
    return nn.Repeat(lambda index: nn.Sequential(conv(), nn.BatchNorm2d(4)), (1, 3), label="depth")


def repeat_of_expression():
    depth = nn.ValueChoice([0, 1], label="half") * 2
    return nn.Repeat(lambda index: nn.LayerChoice([conv(), nn.Identity()], label=f"op{index}"), depth)


def cell_of_modules():
    return nn.Cell([conv(), nn.Identity(), nn.MaxPool2d(3, 1, 1)], 2, 2, 1, label="cell")


def cell_of_functions():
    factories = {
        "conv": lambda node, op, source: nn.Conv2d(4, 4, 3 if source else 1, padding=1 if source else 0),
        "norm": lambda node, op, source: nn.BatchNorm2d(4),
        "either": lambda node, op, source: nn.LayerChoice([conv(1), conv(3)], label=f"in{node}{op}"),
    }
    return nn.Cell(factories, 2, 1, 2, label="cell")


def loose_cell():
    return nn.Cell([conv(), nn.Identity()], 3, 1, 1, merge_op="loose_end", label="cell")


@nn.basic_unit
class Scaled(nn.Module):
    def __init__(self, channels, factor, bias):
        super().__init__()
        self.conv = torch.nn.Conv2d(4, channels, 1)
        self.back = torch.nn.Conv2d(channels, 4, 1)
        self.factor = factor
        self.bias = torch.nn.Parameter(torch.full((1,), float(bias)))

    def forward(self, x):
        return self.back(self.conv(x)) * self.factor + self.bias


def basic_unit():
    width = nn.ValueChoice([2, 4, 6], label="width")
    return nn.Sequential(Scaled(width, nn.ValueChoice([0.5, 2.0], label="factor"), width), nn.Conv2d(4, width, 1))


class ReadsValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = nn.ValueChoice([0.5, 1.0, 2.0], label="rate")
        self.offset = nn.ValueChoice([1, 2], label="offset") * 3
        self.conv = conv()

    def forward(self, x):
        return self.conv(x) * self.rate() + self.offset


class Tower(nn.Module):
    """Choices of all kinds, one inside the other, with automatic labels."""

    def __init__(self):
        super().__init__()
        width, size = nn.ValueChoice([4, 8]), nn.ValueChoice([1, 3, 5])
        self.stem = nn.Conv2d(4, width, size, padding=size // 2)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Repeat(
            lambda index: nn.LayerChoice(
                [
                    nn.Conv2d(width, width, 3, padding=1, groups=width),
                    nn.Sequential(nn.Conv2d(width, width * 2, 1, bias=False), nn.Conv2d(width * 2, width, 1)),
                    nn.Identity(),
                ]
            ),
            (1, 3),
        )
        self.skip = nn.InputChoice(2, None)
        self.drop = nn.Dropout(nn.ValueChoice([0.0, 0.5]))
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.norm(self.stem(x))
        y = self.blocks(x)
        z = self.skip([x, y])
        y = y if z is None else y + z
        return self.head(self.drop(y.mean((2, 3))))


SPACES = {
    "LayerChoice, nested": nested_choice,
    "LayerChoice, shared label": shared_label,
    "InputChoice of 1": lambda: Inputs(1, "sum"),
    "InputChoice of 2, mean": lambda: Inputs(2, "mean"),
    "InputChoice of 2, concat": lambda: Inputs(2, "concat"),
    "InputChoice of 2, none": lambda: Inputs(2, "none"),
    "InputChoice of any number": lambda: Inputs(None, "sum"),
    "InputChoice, named": named_inputs,
    "Repeat of a range": repeat_of_range,
    "Repeat of an expression": repeat_of_expression,
    "Cell of modules": cell_of_modules,
    "Cell of functions": cell_of_functions,
    "Cell with loose ends": loose_cell,
    "basic unit": basic_unit,
    "values in forward": ReadsValues,
    "all kinds": Tower,
}


@pytest.mark.parametrize("make", SPACES.values(), ids=SPACES)
def test_paths_equal_standalone_networks(make):
    torch.manual_seed(1)
    supernet = build_supernet(make())
    x = torch.randn(3, 4, 6, 6)
    inputs = [[x, torch.randn(3, 4, 6, 6)]] if make is cell_of_functions else [x]
    if supernet.space.size <= 8:
        architectures = list(supernet.space.grid())
    else:
        rng = random.Random(0)
        architectures = [supernet.space.sample(rng) for _ in range(8)]
    for architecture in architectures:
        assert_path_equals_subnet(supernet, architecture, *inputs)


def test_every_path_of_a_cell_of_functions_has_its_own_edges():
    torch.manual_seed(0)
    supernet = build_supernet(cell_of_functions())
    inputs = [torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)]
    outputs = []
    for source in (0, 1):
        architecture = {**supernet.space.default(), "cell/input_2_0": source}
        supernet.set_architecture(architecture)
        outputs.append(supernet(inputs))
    kernels = {tuple(module.kernel_size) for module in supernet.module.modules() if isinstance(module, torch.nn.Conv2d)}
    assert kernels == {(1, 1), (3, 3)}
    assert not torch.equal(*outputs)


class Celled(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = cell_of_functions()

    def forward(self, x, y):
        return self.cell([x, y])


FIXED = {
    "freeze": freeze,
    "copy": lambda model, architecture: pickle.loads(pickle.dumps(freeze(model, architecture))),
    "graph": lambda model, architecture: GraphEngine(model).build(architecture),
}


@pytest.mark.parametrize("fix", FIXED.values(), ids=FIXED.keys())
@pytest.mark.parametrize("by", ["hooks", "extract_state_dict"])
def test_fixed_models_take_weights_of_edges_from_the_state_dict_of_a_supernet(fix, by):
    model = Celled()
    supernet = build_supernet(model)
    state = supernet.module.state_dict()
    inputs = [torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)]
    for inner in (0, 1):
        architecture = supernet.space.architecture(
            {"cell/op_2_0": "conv", "cell/input_2_0": 1, "cell/op_3_0": "either", "cell/input_3_0": 2, "in30": inner}
        )
        fixed = fix(model, architecture)
        if by == "hooks":
            with original_state_dict_hooks(fixed):
                assert fixed.load_state_dict(state, strict=False).missing_keys == []
        else:
            fixed.load_state_dict(extract_state_dict(state, model, architecture))
        supernet.set_architecture(architecture)
        assert torch.equal(fixed(*inputs), supernet(*inputs))
        with original_state_dict_hooks(fixed):  # weights of the base model have the names of the base model
            assert set(fixed.state_dict()) <= set(model.state_dict())


def test_the_base_model_is_left_alone():
    model = Tower()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    supernet = build_supernet(model)
    for weight in supernet.parameters():
        torch.nn.init.zeros_(weight)
    assert type(model.blocks) is nn.Repeat
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_supernet_begins_as_the_default_architecture_with_the_weights_of_the_model():
    torch.manual_seed(0)
    model = nested_choice().eval()
    supernet = build_supernet(model)
    x = torch.randn(2, 4, 5, 5)
    assert supernet.architecture == supernet.space.default()
    assert torch.equal(supernet(x), model(x))


def test_a_layer_keeps_its_weights_if_its_default_is_the_largest():
    model = nn.Sequential(nn.Linear(4, nn.ValueChoice([8, 2])), nn.Linear(4, nn.ValueChoice([2, 8])))
    supernet = build_supernet(model)
    assert torch.equal(supernet.module[0].layer.weight, model[0].weight)
    assert supernet.module[1].layer.weight.shape == (8, 4)


def test_a_module_in_two_places_is_one_operator():
    layer = nn.LayerChoice([nn.Linear(4, 4), nn.Identity()], label="a")
    supernet = build_supernet(nn.Sequential(layer, nn.ReLU(), layer))
    assert supernet.module[0] is supernet.module[2]
    assert len(list(supernet.parameters())) == 2


def test_inactive_labels_need_no_value_and_are_ignored():
    supernet = build_supernet(nested_choice())
    x = torch.randn(1, 4, 4, 4)
    supernet.set_architecture({"outer": "skip"})
    assert torch.equal(supernet(x), x)
    assert dict(supernet.architecture) == {"outer": "skip"}
    supernet.set_architecture({"outer": "skip", "inner": "b"})
    assert dict(supernet.architecture) == {"outer": "skip"}


@pytest.mark.parametrize("seed", range(4))
def test_copies_are_independent_and_equal(seed, tmp_path):
    supernet = build_supernet(Tower())
    architecture = supernet.space.sample(random.Random(seed))
    supernet.set_architecture(architecture)
    x = torch.randn(2, 4, 6, 6)
    supernet.eval()
    expected = supernet(x)
    path = tmp_path / "supernet.pt"
    twin = copy.deepcopy(supernet)
    other = pickle.loads(pickle.dumps(twin))
    assert torch.equal(twin(x), expected)
    twin.set_architecture(twin.space.default())
    assert supernet.architecture == architecture
    torch.save(other.module.state_dict(), path)
    supernet.module.load_state_dict(torch.load(path, weights_only=True))
    assert torch.equal(supernet(x), expected)


def test_paths_of_all_pairs_of_two_labels_of_one_layer():
    layer = nn.Conv2d(4, nn.ValueChoice([4, 6], label="c"), nn.ValueChoice([(1, 3), (3, 1), (5, 5)], label="k"))
    supernet = build_supernet(layer)
    for channels, size in itertools.product([4, 6], [(1, 3), (3, 1), (5, 5)]):
        assert_path_equals_subnet(supernet, {"c": channels, "k": size}, torch.randn(2, 4, 7, 7))
