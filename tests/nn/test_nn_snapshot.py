from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from retiarii.nn.pytorch._recording.snapshot import Snapshot

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


def _negated_pair(weight):
    weight[0, 0].neg_()
    weight[1, 1].neg_()


REARRANGED = {
    "rows permuted": lambda weight: weight.copy_(weight[torch.arange(len(weight) - 1, -1, -1)]),
    "two swapped": lambda weight: weight[0, :2].copy_(weight[0, :2].flip(0)),
    "far ones swapped": lambda weight: weight[[0, -1]].copy_(weight[[-1, 0]]),
    "pair negated": _negated_pair,
    "all negated": lambda weight: weight.neg_(),
    "transposed": lambda weight: weight.copy_(weight.T.clone()),
    "halves swapped": lambda weight: weight.copy_(weight.roll(len(weight) // 2, 0)),
}


@pytest.mark.parametrize("size", [4, 24, 320])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("change", REARRANGED.values(), ids=REARRANGED.keys())
def test_the_same_numbers_in_another_order_or_with_other_signs_are_changed(change, dtype, size):
    module = nn.Linear(size, size, bias=False, dtype=dtype)
    snapshot = Snapshot(module)
    before = module.weight.detach().clone()
    change(module.weight.data)
    assert snapshot.changed_tensors(module) == ([] if torch.equal(module.weight, before) else ["weight"])
    module.weight.data.copy_(before)
    assert snapshot.changed_tensors(module) == []


def test_every_pair_of_signs_in_a_large_tensor():
    module = nn.Linear(64, 64, bias=False)
    snapshot = Snapshot(module)
    numbers = module.weight.data.view(-1)
    for distance in (1, 2, 3, 64, 128, 1000):
        for start in range(0, 3000, 7):
            numbers[[start, start + distance]] *= -1
            assert snapshot.changed_tensors(module) == ["weight"]
            numbers[[start, start + distance]] *= -1
    assert snapshot.changed_tensors(module) == []


def test_zeros_with_a_sign_nan_with_other_bits_and_other_types():
    module = nn.Linear(2, 2)
    nn.init.zeros_(module.bias)
    snapshot = Snapshot(module)
    module.bias.data.neg_()
    assert snapshot.changed_tensors(module) == ["bias"]
    module.bias.data.zero_()
    bits = module.bias.data.view(torch.int32)
    bits.fill_(0x7FC00000)
    snapshot = Snapshot(module)
    bits.fill_(0x7FC00001)
    assert snapshot.changed_tensors(module) == ["bias"]
    nn.init.zeros_(module.bias)
    snapshot = Snapshot(module)
    assert snapshot.changed_tensors(module.double()) == ["weight", "bias"]
    module = nn.Linear(2, 3, bias=False)
    snapshot = Snapshot(module)
    module.weight.data = module.weight.data.reshape(2, 3)
    assert snapshot.changed_tensors(module) == ["weight"]


def test_strides_do_not_count():
    module = nn.Linear(40, 40, bias=False)
    snapshot = Snapshot(module)
    module.weight.data = module.weight.data.T.contiguous().T
    assert not module.weight.is_contiguous()
    assert snapshot.changed_tensors(module) == []
    module.weight.data = module.weight.data.repeat_interleave(2, 1)[:, ::2]
    assert snapshot.changed_tensors(module) == []
