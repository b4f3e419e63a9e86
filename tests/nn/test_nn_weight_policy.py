"""`freeze(weights=...)`: all weights new, all weights kept, and constructors that run again."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ConfigError, FreezeError
from retiarii.nn.pytorch import WeightsLostWarning


def width():
    return nn.ValueChoice([8, 4, 6], label="width")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, width(), nn.ValueChoice([5, 3], label="kernel"))
        self.norm = nn.BatchNorm2d(width())
        self.head = nn.Linear(width(), 2)
        self.plain = torch_nn.Linear(2, 2)


def fix(base, weights, **values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return nn.freeze(base, {"width": 8, "kernel": 5, **values}, weights=weights)


def test_fresh_weights_are_those_of_a_new_model():
    base = Net()
    for parameter in base.parameters():
        parameter.data.fill_(7)
    base.norm.running_mean.fill_(7)
    for values in ({}, {"width": 4, "kernel": 3}):
        frozen = fix(base, "fresh", **values)
        for layer in (frozen.stem, frozen.norm, frozen.head):
            assert not any(bool((tensor == 7).any()) for tensor in layer.state_dict().values())
        assert bool((frozen.plain.weight == 7).all())  # nobody recorded how it was made


def test_kept_weights_are_copied_even_where_nobody_changed_them():
    base = Net()
    frozen = fix(base, "keep")
    for name, tensor in base.state_dict().items():
        assert torch.equal(frozen.state_dict()[name], tensor)
        assert frozen.state_dict()[name].data_ptr() != tensor.data_ptr()


def test_a_smaller_layer_keeps_the_part_that_a_supernet_would_use():
    base = Net()
    base.norm.running_mean.copy_(torch.arange(8.0))
    frozen = fix(base, "keep", width=6, kernel=3)
    assert torch.equal(frozen.stem.weight, base.stem.weight[:6, :, 1:4, 1:4])
    assert torch.equal(frozen.stem.bias, base.stem.bias[:6])
    assert torch.equal(frozen.norm.running_mean, torch.arange(6.0))
    assert torch.equal(frozen.head.weight, base.head.weight[:, :6])


@pytest.mark.parametrize("make", [
    lambda size: nn.LSTM(3, size, num_layers=2, bidirectional=True),
    lambda size: nn.LSTM(3, size, proj_size=2),
    lambda size: nn.GRU(size, size),
    lambda size: nn.MultiheadAttention(size, 2),
    lambda size: nn.MultiheadAttention(8, 2, kdim=size),  # one projection of all inputs, or one of each
    lambda size: nn.MultiheadAttention(size, 2, kdim=8),
    lambda size: nn.MultiheadAttention(size, 2, kdim=4, vdim=size),
    lambda size: nn.ConvTranspose1d(size, 3, nn.ValueChoice([4, 3, 2], label="kernel")),
    lambda size: nn.Embedding(5, size),
    lambda size: nn.Linear(2, size, dtype=torch.float64),
    lambda size: nn.LayerNorm(size),
])  # fmt: skip
def test_layers_of_torch_keep_what_they_share_in_a_supernet(make):
    from retiarii.oneshot import build_supernet, subnet

    base = torch_nn.Sequential(make(nn.ValueChoice([8, 4], label="width")))
    for parameter in base.parameters():
        parameter.data.normal_()
    architecture = {choice.label: choice.values[-1] for choice in nn.extract_space(base)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frozen = nn.freeze(base, architecture, weights="keep")
    expected = subnet(build_supernet(base), architecture).state_dict()
    assert list(frozen.state_dict()) == list(expected)
    for name, tensor in frozen.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.dtype == expected[name].dtype


@pytest.mark.parametrize(("cls", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_each_gate_of_a_recurrent_cell_keeps_its_part(cls, gates):
    base = torch_nn.Sequential(cls(3, nn.ValueChoice([8, 4], label="width")))
    frozen = nn.freeze(base, {"width": 4}, weights="keep")
    expected = base[0].weight_hh.reshape(gates, 8, 8)[:, :4, :4].reshape(-1, 4)
    assert torch.equal(frozen[0].weight_hh, expected)
    assert torch.equal(frozen[0].bias_ih, base[0].bias_ih.reshape(gates, 8)[:, :4].flatten())


def test_a_projection_that_does_not_fit_is_named_as_the_base_model_has_it():
    base = torch_nn.Sequential(nn.MultiheadAttention(8, 2, kdim=nn.ValueChoice([8, 16], label="width")))
    base[0].in_proj_weight.data.fill_(7)
    with pytest.warns(WeightsLostWarning, match=r"Lost in_proj_weight of 0 "):
        frozen = nn.freeze(base, {"width": 16}, weights="keep")
    assert bool((frozen[0].q_proj_weight == 7).all())


def growing():
    size = nn.ValueChoice([4, 8], label="width")
    return torch_nn.Sequential(nn.Linear(2, size), nn.BatchNorm1d(size), nn.Linear(size, size), nn.Linear(size, 2))


@pytest.mark.parametrize("options", [{"weights": "keep"}, {"in_place": True}])
def test_larger_layers_start_anew_with_one_warning(options):
    base = growing()
    for parameter in base.parameters():
        parameter.data.fill_(7)
    with pytest.warns(WeightsLostWarning) as warned:
        frozen = nn.freeze(base, {"width": 8}, **options)
    (warning,) = warned
    text = str(warning.message)
    assert "Lost weight, bias of 0 (Linear), 1 (BatchNorm1d), 2 (Linear); weight of 3 (Linear): " in text  # a bias fits
    assert "that become smaller" in text
    assert "model_wrapper" not in text  # no constructor would run again
    assert frozen[0].weight.shape == (8, 2)
    assert bool((frozen[3].bias == 7).all())


@pytest.mark.parametrize("options", [{"weights": "keep"}, {"in_place": True}])
def test_larger_layers_that_nobody_changed_lose_nothing(options):
    base = growing()
    base[3].weight.data.fill_(7)
    with pytest.warns(WeightsLostWarning, match=r"Lost weight of 3 \(Linear\): "):
        nn.freeze(base, {"width": 8}, **options)
    twins = torch_nn.Sequential(*(nn.Linear(2, nn.ValueChoice([4, 8], label="width")) for _ in range(2)))
    twins[1].weight = twins[0].weight
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nn.freeze(growing(), {"width": 8}, **options)[0].weight.shape == (8, 2)
        fixed = nn.freeze(twins, {"width": 8}, **options)
    assert fixed[0].weight is fixed[1].weight


def test_the_initialisation_of_a_constructor_is_lost_where_all_weights_are_kept():
    @nn.model_wrapper
    class Initialised(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = growing()
            for parameter in self.parameters():
                parameter.data.fill_(7)

    assert bool((nn.freeze(Initialised(), {"width": 8}).layers[0].weight == 7).all())
    with pytest.warns(WeightsLostWarning, match=r"weight, bias of layers.0 \(Linear\)"):
        nn.freeze(Initialised(), {"width": 8}, weights="keep")


def test_tied_weights_stay_tied_and_keep_their_part():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(6, width())
            self.head = nn.Linear(width(), 6, bias=False)
            self.head.weight = self.embed.weight

    base = Tied()
    frozen = nn.freeze(base, {"width": 4}, weights="keep")
    assert frozen.head.weight is frozen.embed.weight
    assert torch.equal(frozen.head.weight, base.head.weight[:, :4])


@nn.model_wrapper
class Initialised(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(3))
        self.depth = nn.ModelParameterChoice([2, 1], label="depth")
        self.layers = nn.Sequential(*[nn.Linear(3, 3) for _ in range(self.depth)])
        self.wide = nn.Linear(3, width())
        torch_nn.init.constant_(self.wide.weight, 0.5)


def test_fresh_weights_are_initialised_by_the_constructor():
    base = Initialised()
    for parameter in base.parameters():
        parameter.data.fill_(7)
    for values in ({"depth": 2, "width": 8}, {"depth": 1, "width": 4}):
        frozen = nn.freeze(base, values, weights="fresh")
        assert bool((frozen.wide.weight == 0.5).all())
        assert not any(bool((parameter == 7).any()) for parameter in frozen.parameters())


def test_kept_weights_survive_a_constructor_that_runs_again():
    base = Initialised()
    base.wide.weight.data.copy_(torch.randn(8, 3))
    frozen = nn.freeze(base, {"depth": 1, "width": 4}, weights="keep")
    assert len(frozen.layers) == 1
    assert torch.equal(frozen.layers[0].weight, base.layers[0].weight)
    assert torch.equal(frozen.scale, base.scale)
    assert torch.equal(frozen.wide.weight, base.wide.weight[:4])


@nn.basic_unit
class Unit(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, 2)
        self.scale = nn.Parameter(torch.rand(size))


def test_basic_units_follow_the_same_rule():
    base = nn.Sequential(Unit(width()), Unit(3))
    kept = nn.freeze(base, {"width": 4}, weights="keep")
    assert torch.equal(kept[0].scale, base[0].scale[:4])
    assert torch.equal(kept[0].linear.weight, base[0].linear.weight[:, :4])
    assert torch.equal(kept[1].scale, base[1].scale)
    for parameter in base.parameters():
        parameter.data.fill_(7)
    fresh = nn.freeze(base, {"width": 4}, weights="fresh")
    assert not any(bool((parameter == 7).any()) for parameter in fresh.parameters())


def test_an_unknown_policy():
    with pytest.raises(ConfigError, match=r"weights='new', expected 'fresh', 'keep' or None"):
        nn.freeze(Net(), {"width": 8, "kernel": 5}, weights="new")


# Constructors that run again.


class Joined(nn.Module):
    def __init__(self, cell_of):
        super().__init__()
        self.cell = cell_of([nn.Linear(2, 2), nn.Identity()])
        self.head = nn.Linear(2 * len(self.cell.output_node_indices), 1)


def cell(candidates):
    return nn.Cell(candidates, 2, merge_op="loose_end", label="cell")


CHAIN = {"cell/input_1_0": 0, "cell/op_1_0": 0, "cell/input_2_0": 1, "cell/op_2_0": 1}


def test_the_constructor_that_read_the_outputs_of_a_cell_runs_again_and_nothing_else_does():
    built = []

    @nn.model_wrapper
    class Part(Joined):
        def __init__(self):
            built.append("part")
            super().__init__(cell)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(2, 2)
            self.part = nn.LayerChoice({"part": Part(), "none": nn.Identity()}, label="part")

    base = Whole()
    built.clear()
    frozen = nn.freeze(base, {"part": "part", **CHAIN})
    assert built == ["part"]
    assert frozen.part.head.in_features == 2
    built.clear()
    assert type(nn.freeze(base, {"part": "none"}).part) is torch_nn.Identity
    nn.freeze(base, {"part": "part", **CHAIN, "cell/input_2_0": 0})
    assert built == []  # the architecture has the outputs of the base model


def test_random_numbers_are_drawn_for_what_is_in_the_result_only():
    @nn.model_wrapper
    class Model(Joined):
        def __init__(self):
            super().__init__(cell)

    base = Model()
    torch.manual_seed(3)
    with nn.fixed_arch(CHAIN, verbose=False):
        built = Model()
    torch.manual_seed(3)
    frozen = nn.freeze(base, CHAIN)
    assert torch.equal(frozen.head.weight, built.head.weight)


def test_a_cell_that_nobody_recorded_is_an_error():
    with pytest.raises(FreezeError, match=r"read output_node_indices of the cell at cell.*@model_wrapper"):
        nn.freeze(Joined(cell), CHAIN)


def test_reading_the_outputs_later_changes_nothing():
    @nn.model_wrapper
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell([nn.Linear(2, 2), nn.Identity()])

    base = Model()
    assert base.cell.output_node_indices == [1, 2]
    assert nn.freeze(base, CHAIN).cell.output_node_indices == [2]
