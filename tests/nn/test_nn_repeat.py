from __future__ import annotations

import functools

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError, SpaceError
from retiarii.space import ALWAYS, Test


class Add(nn.Module):
    def __init__(self, amount=1):
        super().__init__()
        self.amount = amount

    def forward(self, x):
        return x + self.amount


def depths(repeat, *values):
    return [nn.freeze(repeat, {"depth": value})(0) for value in values]


def test_range_of_depths():
    repeat = nn.Repeat(Add(), (1, 3), label="depth")
    assert (repeat.min_depth, repeat.max_depth, len(repeat), repeat.label) == (1, 3, 3, "depth")
    assert repeat(0) == 1
    assert depths(repeat, 1, 2, 3) == [1, 2, 3]
    assert nn.extract_space(repeat)["depth"].values == (1, 2, 3)


def test_fixed_depth():
    repeat = nn.Repeat(Add(), 3)
    assert repeat(0) == 3
    assert repeat.label is None
    assert len(nn.extract_space(repeat)) == 0
    frozen = nn.freeze(repeat, {})
    assert type(frozen) is torch_nn.Sequential
    assert frozen(0) == 3


def test_choice_and_expression_of_depths():
    repeat = nn.Repeat(Add(), nn.ValueChoice([4, 1], label="depth"))
    assert repeat(0) == 4
    assert depths(repeat, 4, 1) == [4, 1]
    doubled = nn.Repeat(Add(), nn.ValueChoice([0, 2], label="depth") * 2)
    assert doubled.label is None
    assert doubled(0) == 0
    assert depths(doubled, 0, 2) == [0, 4]
    ranged = nn.Repeat(Add(), nn.IntegerRange(1, 5, 2, label="depth"))
    assert depths(ranged, 1, 3, 5) == [1, 3, 5]


def test_shapes_of_frozen_models():
    repeat = nn.Repeat(lambda index: nn.Linear(2, 2), (0, 2), label="depth")
    assert list(nn.freeze(repeat, {"depth": 2}).state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert list(nn.freeze(repeat, {"depth": 0}).state_dict()) == []
    assert torch.equal(nn.freeze(repeat, {"depth": 0})(torch.ones(2)), torch.ones(2))


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (lambda index: Add(index), 0 + 1 + 2),
        (lambda index, amount=10: Add(amount), 30),
        (lambda: Add(5), 15),
        (lambda *args: Add(args[0]), 3),
        (Add, 3),
        (functools.partial(Add, 7), 21),
        ([Add(1), Add(2), Add(4)], 7),
        ((Add(1), lambda index: Add(10 * index), Add), 1 + 10 + 1),
        (torch_nn.ModuleList([Add(1), Add(2), Add(4), Add(8)]), 7),
    ],
)
def test_blocks(blocks, expected):
    repeat = nn.Repeat(blocks, 3)
    assert repeat(0) == expected
    assert list(repeat) == [repeat[0], repeat[1], repeat[2]]
    assert nn.freeze(repeat, {})(0) == expected


def test_a_layer_class_as_factory():
    assert nn.Repeat(nn.ReLU, 2)[1](torch.tensor(-1.0)) == 0


def test_copies_of_one_module_choose_the_same():
    repeat = nn.Repeat(nn.LayerChoice([nn.Identity(), nn.Tanh()], label="op"), (1, 2), label="depth")
    assert nn.extract_space(repeat).size == 4
    assert [type(block).__name__ for block in nn.freeze(repeat, {"depth": 2, "op": 1})] == ["Tanh", "Tanh"]


def test_a_choice_in_a_block_depends_on_the_depth():
    repeat = nn.Repeat(lambda index: nn.Linear(nn.ValueChoice([1, 2], label=f"w{index}"), 1), (0, 3), label="depth")
    space = nn.extract_space(repeat)
    assert [space[f"w{index}"].condition for index in range(3)] == [
        frozenset({frozenset({Test("depth", values)})}) for values in ({1, 2, 3}, {2, 3}, {3})
    ]
    assert space.size == 1 + 2 + 4 + 8
    assert space["w1"].declared_at == "Repeat.blocks.1.in_features"


def test_a_choice_in_a_block_depends_on_several_depths():
    a, b = nn.ValueChoice([0, 1], label="a"), nn.ValueChoice([0, 1, 2], label="b")
    repeat = nn.Repeat(lambda index: nn.Linear(nn.ValueChoice([1, 2], label=f"w{index}"), 1), a * b + 1)
    space = nn.extract_space(repeat)
    assert space["w0"].condition == ALWAYS
    sizes = {0: 2, 1: 4, 2: 8}
    assert space.size == sum(sizes[x * y] for x in (0, 1) for y in (0, 1, 2))
    assert all(
        len(nn.freeze(repeat, architecture)) == architecture["a"] * architecture["b"] + 1
        for architecture in space.grid()
    )


def test_too_many_depths_to_write_down():
    sums = sum((nn.ValueChoice(range(10)) for _ in range(5)), start=nn.ValueChoice([1, 2]))
    with pytest.raises(SpaceError, match="combinations"):
        nn.Repeat(Add(), sums)


@pytest.mark.parametrize("depth", [0, -1, (2, 1), (0, 0), (1, 2, 3), "3", 1.5, True, None, (1.0, 2.0)])
def test_bad_depths(depth):
    with pytest.raises(DomainError, match="depth"):
        nn.Repeat(Add(), depth)


@pytest.mark.parametrize("candidates", [[1, 2.5], [-1, 2], ["a"], [0], [True]])
def test_bad_depth_choices(candidates):
    with pytest.raises(DomainError, match=r"[eE]xpected"):
        nn.Repeat(Add(), nn.ValueChoice(candidates))


def test_bad_blocks():
    with pytest.raises(DomainError, match="got 2 blocks, but may need 3"):
        nn.Repeat([Add(), Add()], (1, 3))
    with pytest.raises(DomainError, match="Block 0"):
        nn.Repeat(lambda index: None, 2)
    with pytest.raises(DomainError, match="Block 1"):
        nn.Repeat([Add(), 5], 2)


def test_a_label_that_is_ignored():
    with pytest.warns(UserWarning, match="ignores label='x'"):
        nn.Repeat(Add(), nn.ValueChoice([1, 2]), label="x")


def test_repr():
    assert "depth=ValueChoice({1, 2}, label='d')" in repr(nn.Repeat(Add(), (1, 2), label="d"))
