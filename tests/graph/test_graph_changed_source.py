"""Definitions that were changed after they were made are not exported as their source text."""

from __future__ import annotations

import functools

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import convert_to_graph, export_code
from retiarii.testing.networks import executed


@functools.singledispatch
def dispatched(x):
    return x


@dispatched.register
def _(x: torch.Tensor):
    return x * 3


def wrapped(x):
    return x


def doubling(function):
    @functools.wraps(function)
    def call(x):
        return function(x) * 2

    return call


wrapped = doubling(wrapped)


@doubling
def decorated(x):
    return x


@nn.basic_unit
class Dispatching(nn.Module):
    def forward(self, x):
        return dispatched(x)


@nn.basic_unit
class Wrapping(nn.Module):
    def forward(self, x):
        return wrapped(x)


@nn.basic_unit
class Decorated(nn.Module):
    scale = 2

    def forward(self, x):
        return decorated(x) * self.scale


@nn.basic_unit
class Scaled(nn.Module):
    scale = 1

    def forward(self, x):
        return x * self.scale


@nn.basic_unit
class Replaced(nn.Module):
    def forward(self, x):
        return x


def replacement(self, x):
    return x * 5


Scaled.scale = 4
Replaced.forward = replacement


class Base(nn.Module):
    scale = 1


Base.scale = 3


@nn.basic_unit
class Inherited(Base):
    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (Dispatching, "registered"), (Wrapping, "wrapped"), (Scaled, "'scale' was set to 4"),
        (Replaced, "'forward' was replaced"), (Inherited, "'scale' was set to 3"),
    ],
)  # fmt: skip
def test_what_was_changed_is_refused(unit, reason):
    with pytest.raises(GraphError, match=reason):
        export_code(convert_to_graph(nn.Sequential(unit())))


def test_what_was_not_is_copied():
    net, x = nn.Sequential(Decorated()), torch.randn(3)
    assert torch.equal(executed(export_code(convert_to_graph(net)), "Chain")(x), net(x))
