"""Labels of choices in parts that an architecture leaves out."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError


def fixed(build, architecture):
    torch.manual_seed(0)
    with nn.fixed_arch(architecture):
        return torch_nn.Sequential(build())[0]


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

    made = build()
    chosen = {"cell/0_1": 1} if isinstance(made, nn.NasBench201Cell) else {"which": 1}
    fixed(build, chosen)
    state = torch.get_rng_state()
    fixed(build, {**chosen, "size": 3})
    if isinstance(made, nn.LayerChoice):  # its functions that are not chosen are called for their labels only
        assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ArchitectureError, match=r"'sise'.*Did you mean 'size'"):
        fixed(build, {**chosen, "sise": 3})
