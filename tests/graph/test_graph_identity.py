"""Questions about which object a traced value is: as a key, by ``id()``, by ``is``, by patterns."""

from __future__ import annotations

import operator
import types

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import basic_unit, freeze
from retiarii.errors import GraphError
from retiarii.graph import build_module, convert_to_graph, export_code
from retiarii.testing.networks import executed

SCALES = {4: 2.0}


class Twice(nn.Module):
    def forward(self, x):
        y = x * 2
        return y, [y]


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.twice = Twice()


def module(forward):
    return type("Net", (Base,), {"forward": forward})()


def size_as_key(self, x):
    return x * SCALES.get(x.size(0), 1.0)


def size_in_set(self, x):
    return self.a(x) if x.shape[1] in {4, 8} else x


def dtype_as_key(self, x):
    return x * {torch.float32: 2.0}.get(x.dtype, 1.0)


def distinct_sizes(self, x):
    return x * len({x.shape[0], x.shape[1]})


def distinct_tensors(self, x):
    return x * len({x, x.contiguous()})


def same_id(self, x):
    return self.a(x) if id(x) == id(x.contiguous()) else x


def is_operator(self, x):
    return self.a(x) if operator.is_(x, x.contiguous()) else x


def is_attribute(self, x):
    kept = types.SimpleNamespace(value=x.contiguous())
    return self.a(x) if kept.value is x else x


def is_element(self, x):
    kept = {"value": [x.contiguous()]}
    return self.a(x) if kept["value"][0] is x else x


def pattern_of_shape(self, x):
    match x.shape:
        case (_, width):
            return self.a(x) * width
    return x


def torch_jit(self, x):
    return self.a(x) if torch.jit.isinstance(x, torch.Tensor) else x


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (size_as_key, "looks up"), (size_in_set, "looks up"), (dtype_as_key, "looks up"), (distinct_sizes, "looks up"),
        (distinct_tensors, "one object"), (same_id, "one object"), (is_operator, "one object"),
        (is_attribute, "one object"), (is_element, "one object"), (pattern_of_shape, "the length"),
        (torch_jit, "jit.isinstance"),
    ],
)  # fmt: skip
def test_what_depends_on_identity_is_refused(forward, reason):
    with pytest.raises(GraphError, match=reason):
        convert_to_graph(module(forward))


def own_memo(self, x):
    memo = {x: self.a(x)}
    return memo[x] + max([x], key=id)


def returned_twice(self, x):
    first, (second,) = self.twice(x)
    return self.a(x) if first is second else x


def not_none(self, x):
    return self.a(x) if operator.is_not(x, None) else x


def tracing_flags(self, x):
    is_traced = torch.fx._symbolic_trace.is_fx_tracing() or torch.overrides.has_torch_function_unary(x)
    return x if is_traced or torch.overrides.has_torch_function((x, 1)) else self.a(x)


def pattern_of_list(self, x):
    match [x, {"k": x}]:
        case [torch.Tensor() as y, {"k": z}]:
            return self.a(y) + z
    return x


@pytest.mark.parametrize("forward", [own_memo, returned_twice, not_none, tracing_flags, pattern_of_list])
def test_what_does_not_is_answered(forward):
    net, x = module(forward), torch.randn(4, 4)
    assert torch.equal(build_module(convert_to_graph(net))(x), net(x))


class Optional(nn.Module):
    """A skip connection that may be left out: its result is None then."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.skip = nn.InputChoice(n_candidates=2, n_chosen=None, label="skip")
        self.after = nn.Linear(3, 3)

    def forward(self, x):
        x = self.before(x)
        kept = self.skip([x, x * 2])
        x = self.after(x)
        return x if kept is None else x + kept


@pytest.mark.parametrize("chosen", [(), (0,), (0, 1)])
def test_code_of_an_optional_skip_connection_takes_the_branch_that_the_architecture_decides(chosen):
    base = Optional(nn.Linear(3, 3))
    network = freeze(base, {"skip": chosen})
    code = export_code(base, {"skip": chosen})
    assert "None" not in code
    written = executed(code, "Optional")
    written.load_state_dict(network.state_dict())
    x = torch.randn(2, 3)
    assert torch.equal(written(x), network(x))


@basic_unit
class Sometimes(nn.Module):
    def forward(self, x):
        return x if bool(x.sum() > 0) else None


def test_a_skip_connection_from_something_that_may_be_none_is_refused():
    with pytest.raises(GraphError, match="asks whether a result is None"):
        export_code(Optional(Sometimes()), {"skip": (0,)})
