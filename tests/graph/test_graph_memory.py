"""State that a call of ``forward`` changes, and tensors and modules with several names."""

from __future__ import annotations

import collections
import itertools
import random

import numpy as np
import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import build_module, convert_to_graph, export_code
from retiarii.testing.networks import executed

GENERATOR = np.random.default_rng(0)


class Config:
    calls = 0


class Slots:
    __slots__ = ("n",)


def counted(x, calls=[0]):  # noqa: B006 - what users write
    calls[0] += 1
    return x if calls[0] < 9 else -x


def noted(x):
    noted.calls = getattr(noted, "calls", 0) + 1
    return x if noted.calls < 9 else -x


def _closure():
    calls = 0

    def forward(x):
        nonlocal calls
        calls += 1
        return x if calls < 9 else -x

    return forward


closed = _closure()


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.p = nn.Parameter(torch.randn(4))
        self.register_buffer("buf", torch.randn(4))
        self.of_parameter, self.of_buffer = self.p.detach(), self.buf[:]
        self.random, self.cycle, self.count = random.Random(0), itertools.cycle([1.0, 2.0]), itertools.count()
        self.queue, self.array, self.nested, self.slots = collections.deque(), np.zeros(1), ([0],), Slots()
        self.slots.n = 0


def module(forward):
    return type("Net", (Base,), {"forward": forward})()


def own_generator(self, x):
    return self.a(x) if self.random.random() < 0.5 else x


def global_generator(self, x):
    return self.a(x) if GENERATOR.random() < 0.5 else x


def cycle(self, x):
    return x * next(self.cycle)


def count(self, x):
    return x if next(self.count) < 9 else -x


def queue(self, x):
    self.queue.append(1)
    return x if len(self.queue) < 9 else -x


def array(self, x):
    self.array[0] += 1
    return x if self.array[0] < 9 else -x


def nested(self, x):
    self.nested[0][0] += 1
    return x if self.nested[0][0] < 9 else -x


def slots(self, x):
    self.slots.n += 1
    return x if self.slots.n < 9 else -x


def foreign_class(self, x):
    Config.calls += 1
    return x if Config.calls < 9 else -x


def default_argument(self, x):
    return counted(x)


def function_attribute(self, x):
    return noted(x)


def closure(self, x):
    return closed(x)


def view_of_parameter(self, x):
    return x * self.of_parameter


def computed_from_view(self, x):
    return x * (self.of_buffer * 2)


def set_mode(self, x):
    self.norm.eval()
    return self.norm(x)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (own_generator, "generator of random"), (global_generator, "generator of GENERATOR"), (cycle, "next call"),
        (count, "changes count"), (queue, "changes queue"), (array, "changes array"), (nested, "changes nested"),
        (slots, "changes slots"), (foreign_class, "changes Config"), (default_argument, "changes counted"),
        (function_attribute, "changes noted"), (closure, "changes closed"), (view_of_parameter, "shares its memory"),
        (computed_from_view, "shares its memory"), (set_mode, r"train\(\) or eval\(\)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", [True, False])
def test_what_outlives_a_call_is_refused(forward, reason, mode):
    with pytest.raises(GraphError, match=reason):
        convert_to_graph(module(forward).train(mode))


SEEN = set()


def test_what_only_the_first_call_changes_is_harmless():
    def warn_once(self, x):
        SEEN.add("warned")
        return self.a(x)

    assert convert_to_graph(module(warn_once))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.layer(x)


class SharedModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = Encoder(), Encoder()
        self.second.layer = self.first.layer
        self.head = self.first.layer

    def forward(self, x):
        return self.head(self.second(self.first(x)))


class SharedBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
        self.second.running_mean = self.first.running_mean
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("calls", self.count)

    def forward(self, x):
        self.count += 1
        return self.second(self.first(x)) * self.calls


class RepeatedLayer(nn.Sequential):
    def __init__(self):
        layer = nn.Linear(4, 4)
        super().__init__(layer, nn.ReLU(), layer)


@pytest.mark.parametrize("cls", [SharedModule, SharedBuffer, RepeatedLayer])
def test_what_has_several_names_stays_one(cls):
    net = cls()
    graph = convert_to_graph(net)
    others = [build_module(graph), executed(export_code(graph), cls.__name__)]
    others[1].load_state_dict(net.state_dict())
    for _ in range(2):
        x = torch.randn(5, 4)
        expected = net(x)
        assert all(torch.equal(other(x), expected) for other in others)
    for other in others:
        assert {name: value.tolist() for name, value in other.state_dict().items()} == {
            name: value.tolist() for name, value in net.state_dict().items()
        }
        assert len(list(other.parameters())) == len(list(net.parameters()))


def test_views_of_one_another_are_refused():
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("whole", torch.ones(4))
            self.register_buffer("part", self.whole[:2])

        def forward(self, x):
            return x * self.part.sum()

    with pytest.raises(GraphError, match="same memory"):
        convert_to_graph(Views())


def test_parts_of_one_memory_that_do_not_overlap_are_two_tensors():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            first, second = torch.randn(2, 4).unbind(0)
            self.register_buffer("first", first)
            self.register_buffer("second", second)

        def forward(self, x):
            return x * self.first + self.second

    net, x = Parts(), torch.randn(3, 4)
    assert torch.equal(build_module(convert_to_graph(net))(x), net(x))


def test_a_call_that_does_more_than_forward_is_refused():
    class Doubled(nn.Module):
        def __call__(self, x):
            return super().__call__(x) * 2

        def forward(self, x):
            return x + 1

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Doubled()

        def forward(self, x):
            return self.inner(x)

    with pytest.raises(GraphError, match="does more than its forward"):
        convert_to_graph(Doubled())
    net, x = Outer(), torch.randn(3)
    assert torch.equal(build_module(convert_to_graph(net))(x), net(x))


def test_positional_only_inputs_and_numbers_of_numpy():
    class Scaled(nn.Module):
        def forward(self, x, /):
            return x / np.sqrt(4) * np.float32(0.1) + np.int64(2)

    net, x = Scaled(), torch.randn(3)
    graph = convert_to_graph(net)
    assert torch.equal(build_module(graph)(x), net(x))
    assert torch.equal(executed(export_code(graph), "Scaled")(x), net(x))
