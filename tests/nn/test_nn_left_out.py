"""Inside `fixed_arch`, only the functions of what is kept are called."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError


class Made:
    """Functions that note what they are called with, and return a linear layer of a size of their own."""

    def __init__(self):
        self.calls = []

    def __call__(self, *args):
        self.calls.append(args)
        return nn.Linear(2, 2 + sum(args))

    def named(self, name):
        return lambda *args: self.calls.append((name, *args)) or nn.Linear(2, 2, bias=name == "biased")


def fixed(build, architecture):
    torch.manual_seed(0)
    with nn.fixed_arch(architecture):
        return torch_nn.Sequential(build())[0]


def test_blocks_of_repeat():
    made = Made()
    blocks = fixed(lambda: nn.Repeat(lambda index: made(index), (0, 4), label="depth"), {"depth": 2})
    assert made.calls == [(0,), (1,)]
    torch.manual_seed(0)
    by_hand = [torch_nn.Linear(2, 2), torch_nn.Linear(2, 3)]
    assert all(torch.equal(block.weight, same.weight) for block, same in zip(blocks, by_hand, strict=True))
    assert len(fixed(lambda: nn.Repeat(made, (0, 4), label="depth"), {"depth": 0})) == 0


def test_listed_blocks_of_repeat():
    made = Made()
    listed = [made.named("a"), torch_nn.Tanh(), made.named("b"), torch_nn.ReLU()]
    blocks = fixed(lambda: nn.Repeat(listed, nn.ValueChoice([4, 2], label="half") // 2 * 2), {"half": 2})
    assert [type(block).__name__ for block in blocks] == ["Linear", "Tanh"]
    assert made.calls == [("a", 0)]


def test_operations_of_cells():
    made = Made()
    candidates = {"plain": made.named("plain"), "biased": made.named("biased"), "skip": torch_nn.Identity()}
    names = [f"c/{kind}_{node}_0" for node in (1, 2) for kind in ("input", "op")]
    architecture = dict(zip(names, [0, "biased", 1, "skip"], strict=True))
    cell = fixed(lambda: nn.Cell(candidates, 2, label="c"), architecture)
    assert made.calls == [("biased", 1, 0, 0)]
    assert [type(ops[0]).__name__ for ops in cell.ops] == ["Linear", "Identity"]
    base = torch_nn.Sequential(nn.Cell(candidates, 2, label="c"))
    frozen = nn.freeze(base, architecture)
    assert repr(frozen[0]) == repr(cell)
    with nn.original_state_dict_hooks(frozen), nn.original_state_dict_hooks(cell):
        assert [f"0.{name}" for name in cell.state_dict()] == list(frozen.state_dict())


def test_operations_of_nas_bench_201():
    made = Made()
    cell = fixed(
        lambda: nn.NasBench201Cell([made.named("plain"), made.named("biased")], 2, 2, 3, label="c"),
        {"c/0_1": 1, "c/0_2": 0, "c/1_2": 1},
    )
    assert made.calls == [("biased", 2, 2), ("plain", 2, 2), ("biased", 2, 2)]
    assert [layer.bias is not None for edges in cell.layers for layer in edges] == [True, False, True]


def test_all_are_called_where_labels_are_automatic():
    """What is left out would take numbers, on which the labels of what follows depend."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Repeat(lambda index: nn.Linear(2, nn.ValueChoice([2, 4]) // 2), (1, 3), label="depth")
            self.after = nn.LayerChoice([nn.Tanh(), nn.ReLU()])

    base = Net()
    for architecture in nn.extract_space(base).grid():
        with nn.fixed_arch(architecture):
            built = Net()
        assert repr(built) == repr(nn.freeze(base, architecture))


@pytest.mark.parametrize(
    "choice",
    [
        lambda make: nn.Repeat([nn.Identity, make], (1, 2), label="which"),
        lambda make: nn.LayerChoice([make, nn.Identity], label="which"),
        lambda make: nn.NasBench201Cell([lambda *_: make(), lambda *_: nn.Identity()], 2, 2, 2, label="cell"),
    ],
)
def test_labels_in_what_is_left_out_are_no_error(choice):
    def build():
        return choice(lambda: nn.Linear(2, nn.ValueChoice([2, 3], label="size")))

    chosen = {"cell/0_1": 1} if isinstance(build(), nn.NasBench201Cell) else {"which": 1}
    fixed(build, chosen)
    state = torch.get_rng_state()
    fixed(build, {**chosen, "size": 3})
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ArchitectureError, match=r"'sise'.*Did you mean 'size'"):
        fixed(build, {**chosen, "sise": 3})
