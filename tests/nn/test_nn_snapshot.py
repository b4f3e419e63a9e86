from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from retiarii.nn.pytorch._snapshot import Snapshot

MODULES = [
    lambda: nn.Linear(3, 4),
    lambda: nn.Linear(3, 1, bias=False),
    lambda: nn.Conv2d(3, 5, 3),
    lambda: nn.Linear(3, 4).double(),
    lambda: nn.Linear(3, 4).half(),
    lambda: nn.Linear(3, 4).bfloat16(),
    lambda: nn.LSTM(3, 4),
    lambda: nn.TransformerEncoderLayer(4, 2, 8),
    lambda: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last),
    lambda: nn.PReLU(),
]


@pytest.mark.parametrize("make", MODULES)
def test_same_until_changed(make):
    module = make()
    snapshot = Snapshot(module)
    assert snapshot.changed_tensors(module) == []
    assert not snapshot.changed_structure(module)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert snapshot.changed_tensors(other) == []
        assert not snapshot.changed_structure(other)


@pytest.mark.parametrize("make", MODULES)
def test_one_number_is_enough(make):
    module = make()
    snapshot = Snapshot(module)
    for name, parameter in module.named_parameters():
        before = parameter.detach().clone()
        parameter.data[(-1,) * parameter.ndim] += 1
        assert snapshot.changed_tensors(module) == [name]
        parameter.data.copy_(before)
    assert snapshot.changed_tensors(module) == []


def test_the_number_of_threads_does_not_matter():
    module = nn.Linear(700, 700)
    snapshot = Snapshot(module)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert snapshot.changed_tensors(module) == []
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5), (1,), (), (0,)])
def test_all_ways_to_sum_agree(shape):
    """The one for other devices gives the same numbers, so a model that is moved is not a changed one."""
    module = nn.Module()
    module.weight = nn.Parameter(torch.randn(shape))
    snapshot = Snapshot(module)

    class Elsewhere(torch.Tensor):
        @property
        def device(self):
            return torch.device("cuda")

    module._parameters["weight"] = module.weight.detach().as_subclass(Elsewhere)
    assert snapshot.changed_tensors(module) == []
    module._parameters["weight"] = (module.weight.detach() + 1).as_subclass(Elsewhere)
    assert snapshot.changed_tensors(module) == ([] if 0 in shape else ["weight"])


def test_attributes_children_and_hooks():
    module = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    snapshot = Snapshot(module)
    module.eval()
    module[0].weight.requires_grad_(False)
    assert not snapshot.changed_structure(module)
    handle = module[0].register_forward_hook(lambda *args: None)
    assert snapshot.changed_structure(module)
    assert not snapshot.changed_children(module)
    handle.remove()
    module[1].inplace = True
    assert snapshot.changed_structure(module)
    module[1].inplace = False
    assert not snapshot.changed_structure(module)
    module[1] = nn.Tanh()
    assert snapshot.changed_children(module)


def test_tensors_that_come_go_or_have_no_values():
    module = nn.Linear(1, 1)
    snapshot = Snapshot(module)
    module.extra = nn.Parameter(torch.ones(1))
    assert snapshot.changed_tensors(module) == ["extra"]
    meta = nn.Linear(1, 1, device="meta")
    assert Snapshot(meta).changed_tensors(meta) == []
    empty = nn.Embedding(0, 3)
    assert Snapshot(empty).changed_tensors(empty) == []


def test_buffers_count_where_there_are_no_parameters():
    plain = nn.BatchNorm1d(2, affine=False)
    snapshot = Snapshot(plain)
    plain.running_mean.fill_(1)
    assert snapshot.changed_tensors(plain) == ["running_mean"]
    affine = nn.BatchNorm1d(2)
    snapshot = Snapshot(affine)
    affine.running_mean.fill_(1)
    assert snapshot.changed_tensors(affine) == []
