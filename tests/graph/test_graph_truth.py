"""Questions about traced values (types, shapes, None): a true answer, or a refusal that names the line."""

from __future__ import annotations

import contextlib
import copy
import functools
import random
import sys
import time
import types

import pytest
import torch
import torch.nn.functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import build_module, check, convert_to_graph, export_code
from retiarii.testing.networks import executed

COUNTER = [0]
FROM_A_PACKAGE = None


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(1))
        self.table = torch.ones(4)
        self.calls, self.log = 0, []


def module(forward):
    """Return a model with this ``forward``."""
    return type("Net", (Base,), {"forward": forward})()


def assert_equal(forward, steps=2):
    """Check that graph and exported code do what the model does, in every call, arguments and buffers included."""
    net = module(forward).eval()
    model = convert_to_graph(net)
    exported = executed(export_code(model), "Net").eval()
    exported.load_state_dict(net.state_dict())
    built = build_module(model).eval()
    for _ in range(steps):
        x = torch.randn(4, 4)
        inputs = [x.clone() for _ in range(3)]
        first, *others = [twin(value) for twin, value in zip((net, built, exported), inputs, strict=True)]
        for other, value in zip(others, inputs[1:], strict=True):
            assert torch.equal(first, other)
            assert torch.equal(inputs[0], value)
    assert torch.equal(net.count, built.count)


def answer_isinstance(self, x):
    if isinstance(x, torch.Tensor) and isinstance(x.shape, tuple) and isinstance(len(x), int):
        x = self.a(x)
    return -x if isinstance(x, (list, str)) else x


def answer_type(self, x):
    return self.a(x) if type(x) is torch.Tensor and issubclass(type(x), torch.Tensor) else x


def answer_class(self, x):
    match x:
        case torch.Tensor():
            x = self.a(x)
    return x * 2 if x.__class__ is torch.Tensor else x


def answer_is_tensor(self, x):
    return self.a(x) if torch.is_tensor(x) else x


def answer_attributes(self, x):
    if callable(x) or hasattr(x, "nothing") or not hasattr(x, "view"):
        return x
    return self.a(x) if getattr(x, "nothing", None) is None else x


def answer_parameter(self, x):
    return self.a(x) if isinstance(self.a.weight, nn.Parameter) and isinstance(self.table, torch.Tensor) else x


@functools.singledispatch
def dispatched(x):
    return x


@dispatched.register
def _(x: torch.Tensor):
    return x * 3


def answer_dispatch(self, x):
    return dispatched(x)


def create(self, x):
    n = len(x.shape)
    x = x + torch.zeros(x.size(0), 4) + torch.ones(len(x), x.shape[1]) * n + torch.arange(x.size(1))
    return (
        x + torch.full_like(x, 2.0) + x.new_ones(len(x), 4) + torch.eye(x.size(0)) + torch.tensor([x.size(0), 1, 1, 1])
    )


def shared_in_place(self, x):
    y = x
    y += 1
    z = x.view(-1)
    x[:, 0] = 0
    x[1] *= 2
    return x + y + z.sum()


def late_shape(self, x):
    size = x.shape
    x.unsqueeze_(0)
    return x.view(size[0], size[1])


def count_in_a_buffer(self, x):
    self.count += 1
    return x * self.count


def penalty(self, x):
    return x + sum(p.pow(2).sum() for p in self.parameters())


def same_twice(self, x):
    return self.a(x) if x is x and x is not None else x


@pytest.mark.parametrize(
    "forward",
    [
        answer_isinstance, answer_type, answer_class, answer_is_tensor, answer_attributes, answer_parameter,
        answer_dispatch, create, shared_in_place, late_shape, count_in_a_buffer, penalty, same_twice,
    ],
)  # fmt: skip
def test_graph_and_code_do_what_the_model_does(forward):
    assert_equal(forward)


def branch_in_try(self, x):
    try:
        if x.sum() > 0:
            return self.a(x)
    except Exception:  # noqa: BLE001 - what users write
        pass
    return x


def fail_in_try(self, x):
    try:
        return x.view(5, 5)
    except RuntimeError:
        return self.a(x)


def float_in_try(self, x):
    try:
        scale = float(x)
    except (TypeError, ValueError, GraphError):
        scale = 1.0
    return x * scale


def without_gradient(self, x):
    with torch.no_grad():
        return self.a(x)


def autocast(self, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.a(x)


def suppressing(self, x):
    with contextlib.suppress(RuntimeError):
        x = x.view(5, 5)
    return x


def gradient_mode(self, x):
    return self.a(x) if torch.is_grad_enabled() else x


def python_random(self, x):
    return self.a(x) if random.random() < 0.5 else x


def clock(self, x):
    return x * (time.perf_counter() % 1)


def counter_attribute(self, x):
    self.calls += 1
    return x * self.calls


def counter_list(self, x):
    self.log.append(1)
    return x * len(self.log)


def counter_global(self, x):
    COUNTER[0] += 1
    return x * COUNTER[0]


def text(self, x):
    return self.a(x) if f"{x.shape[0]}" == "4" else x


def equals_none(self, x):
    return x if x == None else self.a(x)  # noqa: E711 - what users write


def contained(self, x):
    return x if x in [self.table] else self.a(x)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def own_gradient(self, x):
    return Straight.apply(x)


@functools.lru_cache
def cached(width):
    return torch.ones(width)


def kept_in_a_cache(self, x):
    return x + cached(4)


def constant_in_place(self, x):
    scale = self.table * 2
    scale.add_(x.sum())
    return scale


def drawn_from_a_constant(self, x):
    return x + torch.bernoulli(self.table * 0.5)


def identity(self, x):
    same = x.contiguous()
    return self.a(x) if same is x else x


def attribute_of_a_tensor(self, x):
    x.note = 3
    return x * x.note


def gradient_of_a_tensor(self, x):
    return x if x.grad is None else self.a(x)


def copied(self, x):
    return copy.copy(x)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (branch_in_try, "branches on a traced value|try block"), (fail_in_try, "try block"),
        (float_in_try, "into a float"), (without_gradient, "gradient mode"), (autocast, "changes autocast"),
        (suppressing, "with block"), (gradient_mode, r"torch\.is_grad_enabled"), (python_random, "generator of Python"),
        (clock, r"time\.perf_counter"), (counter_attribute, "sets the attribute 'calls'"),
        (counter_list, "changes the attribute 'log'"), (counter_global, "changes COUNTER"), (text, "into text"),
        (equals_none, "branches"), (contained, "branches"), (own_gradient, "Straight"), (kept_in_a_cache, "a cache"),
        (constant_in_place, "neither a parameter nor a buffer"), (drawn_from_a_constant, "generator of torch"),
        (identity, "one object"), (attribute_of_a_tensor, "'note'"), (gradient_of_a_tensor, "'grad'"), (copied, "copy"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_its_place(forward, reason):
    cached.cache_clear()
    net = module(forward)
    before = {name: list(value) if isinstance(value, list) else value for name, value in vars(net).items()}
    with pytest.raises(GraphError, match=reason) as caught:
        convert_to_graph(net)
    assert "forward of Net" in str(caught.value)
    assert vars(net) == before
    cached.cache_clear()


def test_python_is_as_before_after_tracing():
    before = (isinstance, len, hasattr, getattr, callable, torch.zeros, time.time, dict(globals()))
    for forward in (create, branch_in_try):
        with contextlib.suppress(GraphError):
            convert_to_graph(module(forward))
    assert (isinstance, len, hasattr, getattr, callable, torch.zeros, time.time, dict(globals())) == before
    assert type(torch.nn.Module.__setattr__) is type(lambda: 0)
    assert "type" not in globals()


def test_a_module_that_changes_the_list_of_its_caller_is_refused():
    class Grow(nn.Module):
        def forward(self, items):
            items.append(items[0] * 2)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.grow = Grow()

        def forward(self, x):
            items = [x]
            self.grow(items)
            return sum(items)

    with pytest.raises(GraphError, match="changes a list or dict"):
        convert_to_graph(Outer())


def test_the_same_tensor_passed_twice_is_one_where_forward_asks():
    class Inner(nn.Module):
        def forward(self, q, k):
            return q * 2 if q is k else q + k

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            return self.inner(x, x)

    net, x = Outer(), torch.randn(3)
    assert torch.equal(build_module(convert_to_graph(net))(x), net(x))


def test_a_unit_that_may_return_none_is_not_asked():
    @nn.basic_unit
    class Maybe(nn.Module):
        def forward(self, x):
            return None

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.maybe = Maybe()
            self.attn = nn.MultiheadAttention(4, 2)

        def forward(self, x):
            y, weights = self.attn(x, x, x, need_weights=False)
            if weights is None:  # known
                x = x + y
            z = self.maybe(x)
            return x if z is None else z

    with pytest.raises(GraphError, match="whether a result is None"):
        convert_to_graph(Outer())


def test_a_graph_is_compared_with_its_model_on_an_example():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return self.a(x) if vars(self)["training"] else x  # what no tracing sees

    with pytest.raises(GraphError, match=r"does not compute what the model computes: on the example, its result"):
        convert_to_graph(Net(), torch.zeros(2, 4))
    assert convert_to_graph(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), torch.zeros(2, 4))


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: x.masked_fill(x > 0, value=0.0), lambda self, x: x.addcmul(x, x, value=0.5),
        lambda self, x: x.addcdiv(x, x + 9, value=0.5), lambda self, x: F.pad(x, (1, 1), value=2.0),
        lambda self, x: x.scatter(1, torch.zeros(4, 1, dtype=torch.long), value=1.0), lambda self, x: x.apply_(abs),
    ],
)  # fmt: skip
def test_shapes_are_checked_where_an_argument_is_called_value(forward):
    assert check(convert_to_graph(module(forward)), torch.zeros(4, 4))


def asserts_with_text(self, x):
    """As the public implementation of ViT does."""
    n, c = x.shape
    torch._assert(c == 4, f"expected 4 features, found {c}")
    return self.a(x) * n


def decides_by_text(self, x):
    torch._assert({"4": True}.get(f"{x.shape[1]}", False), f"found {x.shape[1]}")
    return self.a(x)


def test_messages_of_assertions_may_show_sizes():
    assert_equal(asserts_with_text)


def test_conditions_of_assertions_may_not_go_by_text():
    with pytest.raises(GraphError, match="turns a traced value into text"):
        convert_to_graph(module(decides_by_text))


def uses_an_installed_package(self, x):
    return self.a(FROM_A_PACKAGE(x))


def test_what_installed_packages_remember_is_not_the_models_state(monkeypatch):
    """Their registries and caches may change meanwhile, as those of a database do."""
    library = types.ModuleType("installed_package")
    library.__file__ = "/lib/site-packages/installed_package/__init__.py"
    exec("class Cache:\n    calls = 0\ndef helper(x):\n    Cache.calls += 1\n    return x", vars(library))
    monkeypatch.setitem(sys.modules, "installed_package", library)
    monkeypatch.setitem(globals(), "FROM_A_PACKAGE", library.helper)
    assert_equal(uses_an_installed_package)
