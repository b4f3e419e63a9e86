from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ConstraintError, LabelConflictError
from retiarii.space import ALWAYS, Test, rng_for


def choice(label, *values):
    return nn.ValueChoice(values or [1, 2], label=label)


def conditions(model):
    return {c.label: c.condition for c in nn.extract_space(model)}


def when(label, *values):
    return frozenset({frozenset({Test(label, frozenset(values))})})


def test_a_model_without_choices():
    space = nn.extract_space(nn.Sequential(nn.Linear(1, 1)))
    assert len(space) == 0
    assert space.size == 1


def test_everything_that_has_a_choice_is_found_with_its_place():
    @nn.basic_unit
    class Unit(nn.Module):
        def __init__(self, sizes, *, rate=0.0):
            super().__init__()

    @dataclass
    class Config:
        depth: object
        other: int = 3

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, choice("out"), (choice("kernel"), 1))
            self.unit = Unit([1, {"a": choice("nested")}], rate=choice("rate"))
            self.rates = {"drop": [choice("drop")]}
            self.config = Config(choice("depth"))
            self.op = nn.LayerChoice([nn.Identity(), nn.ReLU()], label="op")
            self.pick = nn.InputChoice(2, label="pick")
            self.blocks = nn.Repeat(lambda index: nn.Linear(1, choice(f"w{index}")), (1, 2), label="n")

    places = {c.label: c.declared_at for c in nn.extract_space(Net())}
    assert places == {
        "out": "Net.conv.out_channels",
        "kernel": "Net.conv.kernel_size[0]",
        "nested": "Net.unit.sizes[1]['a']",
        "rate": "Net.unit.rate",
        "drop": "Net.rates['drop'][0]",
        "depth": "Net.config.depth",
        "op": "Net.op",
        "pick": "Net.pick",
        "n": "Net.blocks.depth",
        "w0": "Net.blocks.blocks.0.out_features",
        "w1": "Net.blocks.blocks.1.out_features",
    }
    frozen = nn.freeze(Net(), {**dict.fromkeys(places, 2), "op": 1, "pick": 1})
    assert frozen.config == Config(2)
    assert frozen.rates == {"drop": [2]}


def test_conditions_from_nesting():
    model = nn.LayerChoice(
        {
            "plain": nn.Linear(1, choice("width")),
            "nested": nn.Sequential(
                nn.LayerChoice([nn.Linear(1, choice("inner")), nn.Identity()], label="second"),
                nn.Repeat(lambda index: nn.Linear(1, choice(f"block{index}")), (0, 2), label="depth"),
            ),
        },
        label="first",
    )
    nested = {Test("first", {"nested"})}
    assert conditions(model) == {
        "first": ALWAYS,
        "width": when("first", "plain"),
        "second": when("first", "nested"),
        "inner": frozenset({frozenset({*nested, Test("second", {0})})}),
        "depth": when("first", "nested"),
        "block0": frozenset({frozenset({*nested, Test("depth", {1, 2})})}),
        "block1": frozenset({frozenset({*nested, Test("depth", {2})})}),
    }
    assert nn.extract_space(model).size == 2 + (2 + 1) * (1 + 2 + 4)


def test_a_label_in_two_places_is_active_in_either():
    model = nn.LayerChoice([nn.Linear(1, choice("w")), nn.Linear(1, choice("w")), nn.Identity()], label="op")
    assert conditions(model)["w"] == when("op", 0, 1)
    assert conditions(nn.Sequential(model, nn.Linear(choice("w"), 1)))["w"] == ALWAYS


def test_a_module_that_is_shared_between_candidates():
    shared = nn.Linear(1, choice("w"))
    model = nn.LayerChoice([nn.Sequential(shared), nn.Sequential(shared), nn.Identity()], label="op")
    assert conditions(model)["w"] == when("op", 0, 1)


def test_one_label_with_two_domains_names_both_places():
    model = nn.Sequential(nn.Linear(1, choice("w")), nn.Linear(choice("w", 1, 3), 1))
    with pytest.raises(LabelConflictError, match="'w'") as caught:
        nn.extract_space(model)
    assert caught.value.places == ("Sequential.0.out_features", "Sequential.1.in_features")


def test_a_layer_choice_and_a_value_choice_of_one_label():
    model = nn.Sequential(nn.LayerChoice([nn.Identity(), nn.ReLU()], label="x"), nn.Dropout(choice("x", 0, 1)))
    with pytest.raises(LabelConflictError, match="'x'"):
        nn.extract_space(model)


def test_constraints():
    model = nn.Linear(choice("a", 1, 2, 3), choice("b", 1, 2, 3))
    space = nn.extract_space(model, constraints=[lambda architecture: architecture["a"] == architecture["b"]])
    assert {(a["a"], a["b"]) for a in space.grid()} == {(1, 1), (2, 2), (3, 3)}
    never = nn.extract_space(model, [lambda architecture: False])
    with pytest.raises(ConstraintError):
        never.sample(rng_for(0))


def test_the_argument_of_a_model_is_no_choice_until_it_is_used():
    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self, width, unused):
            super().__init__()
            self.layer = nn.Linear(width, 1)

    assert set(nn.extract_space(Net(choice("w"), choice("unused")))._by_label) == {"w"}


def test_basic_units_with_choices_inside():
    @nn.basic_unit
    class Unit(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(width, 2)
            self.op = nn.LayerChoice([nn.Identity(), nn.Linear(2, nn.ValueChoice([2, 3]))])

    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = nn.LayerChoice([nn.Identity(), nn.ReLU()])
            self.unit = Unit(choice("w"))
            self.after = nn.LayerChoice([nn.Identity(), nn.Tanh()])

    base = Net()
    space = nn.extract_space(base)
    assert set(space._by_label) == {"model_1", "w", "model_2", "model_3", "model_4"}
    for width in (1, 2):
        values = {"model_1": 1, "w": width, "model_2": 3, "model_3": 1, "model_4": 1}
        frozen = nn.freeze(base, values)
        assert (frozen.unit.layer.in_features, frozen.unit.op.out_features) == (width, 3)
        assert type(frozen.after).__name__ == "Tanh"
        with nn.fixed_arch(values):
            assert repr(Net()) == repr(frozen)


def test_parts_without_a_decorator_build_units_again_with_the_same_labels():
    @nn.basic_unit
    class Unit(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.op = nn.LayerChoice([nn.Identity(), nn.Linear(width, nn.ValueChoice([2, 3]))])

    def build():
        return nn.Sequential(nn.LayerChoice([nn.Identity()]), Unit(choice("w")), Unit(choice("w")))

    base = build()
    assert [c.label for c in nn.extract_space(base)] == ["model_1", "w", "model_3", "model_2", "model_5", "model_4"]
    values = {"model_1": 0, "w": 2, "model_3": 1, "model_2": 3, "model_5": 1, "model_4": 2}
    frozen = nn.freeze(base, values)
    assert [frozen[1].op.out_features, frozen[2].op.out_features] == [3, 2]
    with nn.fixed_arch(values):
        assert repr(build()) == repr(frozen)


def test_the_walk_changes_nothing():
    model = nn.Sequential(nn.Linear(choice("a"), 2), nn.LayerChoice([nn.ReLU()], label="b"))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    one, other = nn.extract_space(model), nn.extract_space(model)
    assert one == other
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
