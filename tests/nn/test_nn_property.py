"""Properties over random nested spaces: `freeze` and `fixed_arch` agree, whatever the model is made of."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import FreezeError
from retiarii.space import Expression
from retiarii.space.construction import CALL_ATTRIBUTE

CHANNELS = 4
BOTH_NODES = [2, 3]  # what a `Joined` joins in the base model: neither node takes the other

# A plan is plain data from which a module is built, so that building it twice gives the same model. Every module maps
# [B, CHANNELS, 5] to the same shape.
leaf = st.sampled_from(["conv", "norm", "relu", "identity", "unit", "scaled", "attribute"])
labels = st.one_of(st.none(), st.sampled_from(["shared/a", "shared/b"]))


def plans(children):
    several = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("sequence"), several),
        st.tuples(st.just("layers"), several, st.booleans()),
        st.tuples(st.just("inputs"), several, st.sampled_from([1, None]), st.sampled_from(["sum", "mean"])),
        st.tuples(st.just("repeat"), children, st.integers(0, 1), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("repeat_computed"), children),
        st.tuples(st.just("cell"), several, st.sampled_from(["all", "loose_end"]), st.booleans()),
        st.tuples(st.just("wrapped"), children),
    )


modules = st.recursive(leaf, plans, max_leaves=7)


@nn.basic_unit
class Unit(nn.Module):
    def __init__(self, kernel, groups):
        super().__init__()
        self.conv = nn.Conv1d(CHANNELS, CHANNELS, kernel, padding=kernel // 2, groups=groups)

    def forward(self, x):
        return self.conv(x)


class Attribute(nn.Module):
    def __init__(self, label):
        super().__init__()
        self.scale = nn.ValueChoice([1.0, 0.5], label=label)
        self.nested = {"a": [nn.ValueChoice([1, 2]), 3]}

    def forward(self, x):
        return x * self.scale()


class Inputs(nn.Module):
    def __init__(self, branches, n_chosen, reduction):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.pick = nn.InputChoice(len(branches), n_chosen, reduction)

    def forward(self, x):
        picked = self.pick([branch(x) for branch in self.branches])
        return x if picked is None else picked


class Joined(nn.Module):
    def __init__(self, operations, merge_op, with_factory):
        super().__init__()
        if with_factory:
            operations = [*operations, lambda node, op, source: nn.Conv1d(CHANNELS, CHANNELS, 1 if source else 3)]
            operations[-1] = lambda node, op, source: nn.Conv1d(CHANNELS, CHANNELS, 1 + 2 * source, padding=source)
        self.cell = nn.Cell(operations, 2, 1, 2, merge_op)
        self.join = nn.Conv1d(CHANNELS * len(self.cell.output_node_indices), CHANNELS, 1)

    def forward(self, x):
        return self.join(self.cell(x, x))


@nn.model_wrapper
class Wrapped(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.body = build(plan)

    def forward(self, x):
        return self.body(x)


def build(plan):
    if isinstance(plan, str):
        return build_leaf(plan)
    kind, content, *options = plan
    if kind == "sequence":
        return nn.Sequential(*map(build, content))
    if kind == "layers":
        candidates = [build(candidate) for candidate in content]
        return nn.LayerChoice(dict(zip("xyz", candidates, strict=False)) if options[0] else candidates)
    if kind == "inputs":
        return Inputs([build(branch) for branch in content], *options)
    if kind == "repeat":
        low, high, is_copied = options
        return nn.Repeat(build(content) if is_copied else lambda index: build(content), (low, high))
    if kind == "repeat_computed":
        return nn.Repeat(lambda: build(content), nn.ValueChoice([0, 1]) + nn.ValueChoice([0, 1], label="more"))
    if kind == "cell":
        return Joined([build(operation) for operation in content], *options)
    return Wrapped(content)


def build_leaf(kind):
    if kind == "conv":
        kernel = nn.ValueChoice([1, 3, 5])
        return nn.Conv1d(CHANNELS, CHANNELS, kernel, padding=kernel // 2, bias=nn.ValueChoice([True, False], label="b"))
    if kind == "unit":
        return Unit(nn.ValueChoice([3, 1], label="kernel"), groups=nn.ValueChoice([1, 2]))
    if kind == "scaled":
        width = nn.ValueChoice([2, 3])
        return nn.Sequential(nn.Conv1d(CHANNELS, width * 2, 1), nn.Conv1d(width * 2, CHANNELS, 1))
    if kind == "attribute":
        return Attribute("scale")
    return {"norm": nn.BatchNorm1d(CHANNELS), "relu": nn.ReLU(), "identity": nn.Identity()}[kind]


class Net(nn.Module):
    """A model that is not decorated: its automatic labels count from its first choice."""

    def __init__(self, plan):
        super().__init__()
        self.body = build(plan)

    def forward(self, x):
        return self.body(x)


def without_wrapping(plan):
    if isinstance(plan, str):
        return plan
    if plan[0] == "wrapped":
        return without_wrapping(plan[1])
    return tuple(
        [without_wrapping(child) for child in part] if isinstance(part, list)
        else without_wrapping(part) if isinstance(part, tuple) or part in ("conv", "unit") else part
        for part in plan
    )  # fmt: skip


def tree(model):
    return [(name, type(module), module.extra_repr()) for name, module in model.named_modules()]


def shapes(model):
    return [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in model.state_dict().items()]


def attributes(module):
    return {key: repr(value) for key, value in vars(module).items() if not key.startswith("_")}


def assert_plain(model):
    for module in model.modules():
        assert not isinstance(module, nn.Mutable)
        assert CALL_ATTRIBUTE not in vars(module)
        assert not any(isinstance(value, Expression) for value in vars(module).values())


common = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@common
@given(plan=modules, seed=st.integers(0, 2**16))
def test_freeze_and_fixed_arch_give_the_same_model(plan, seed):
    base = Wrapped(plan)
    before = shapes(base)
    space = nn.extract_space(base)
    architecture = space.sample(random.Random(seed))
    frozen = nn.freeze(base, architecture)
    with nn.fixed_arch(architecture, verbose=False):
        built = Wrapped(plan)
    assert tree(frozen) == tree(built)
    assert shapes(frozen) == shapes(built)
    for one, other in zip(frozen.modules(), built.modules(), strict=True):
        assert attributes(one) == attributes(other)
    assert_plain(frozen)
    assert_plain(built)
    assert shapes(base) == before
    assert nn.extract_space(base) == space
    x = torch.randn(2, CHANNELS, 5)
    assert frozen(x).shape == x.shape
    # The same weights give the same function.
    built.load_state_dict(frozen.state_dict())
    assert torch.equal(frozen.eval()(x), built.eval()(x))


@common
@given(plan=modules.map(without_wrapping), seed=st.integers(0, 2**16))
def test_freeze_and_fixed_arch_agree_without_decorators(plan, seed):
    base = Net(plan)
    space = nn.extract_space(base)
    architecture = space.sample(random.Random(seed))
    with nn.fixed_arch(architecture, verbose=False):
        built = Net(plan)
    assert_plain(built)
    if any(cell.output_node_indices != BOTH_NODES for cell in built.modules() if isinstance(cell, nn.ChosenCell)):
        # The constructor built a layer to the size of the cell in the base model, which joins both nodes; without a
        # decorator it cannot run again.
        with pytest.raises(FreezeError, match="read output_node_indices of the cell"):
            nn.freeze(base, architecture)
        return
    frozen = nn.freeze(base, architecture)
    assert tree(frozen) == tree(built)
    assert shapes(frozen) == shapes(built)
    assert_plain(frozen)


@common
@given(plan=modules, seed=st.integers(0, 2**16))
def test_the_default_architecture_computes_what_the_base_model_computes(plan, seed):
    base = Wrapped(plan).eval()
    torch.manual_seed(seed)
    for parameter in base.parameters():  # so that weights are copied, not initialised anew
        parameter.data.normal_()
    x = torch.randn(2, CHANNELS, 5)
    frozen = nn.freeze(base, nn.extract_space(base).default())
    # Subsets default to their first element, as InputChoice does; so the two models are the same function.
    assert torch.equal(frozen(x), base(x))


@common
@given(plan=modules, seed=st.integers(0, 2**16))
def test_state_dicts_fit_the_base_model_in_both_directions(plan, seed):
    base = Wrapped(plan)
    architecture = nn.extract_space(base).sample(random.Random(seed))
    frozen = nn.freeze(base, architecture)
    with nn.fixed_arch(architecture, verbose=False):
        built = Wrapped(plan)
    layout = base.state_dict()
    for model in (frozen, built):
        with nn.original_state_dict_hooks(model):
            state = model.state_dict()
        assert len(state) == len(model.state_dict())
        assert (
            not set(model.state_dict())
            - set(dict(model.named_parameters(remove_duplicate=False)))
            - set(dict(model.named_buffers(remove_duplicate=False)))
        )
        assert set(state) <= set(layout)
        changed = {name: torch.full_like(value, 3) for name, value in state.items()}
        with nn.original_state_dict_hooks(model):
            model.load_state_dict({**layout, **changed}, strict=False)
        assert all(bool((value == 3).all()) for value in model.state_dict().values())


@common
@given(plan=modules, seed=st.integers(0, 2**16))
def test_a_copy_of_the_base_model_is_the_same_space(plan, seed):
    base = Wrapped(plan)
    other = copy.deepcopy(base)
    space = nn.extract_space(base)
    assert nn.extract_space(other) == space
    architecture = space.sample(random.Random(seed))
    assert tree(nn.freeze(other, architecture)) == tree(nn.freeze(base, architecture))


@common
@given(plan=modules, seed=st.integers(0, 2**16))
def test_two_freezes_share_nothing(plan, seed):
    base = Wrapped(plan)
    architecture = nn.extract_space(base).sample(random.Random(seed))
    one, other = nn.freeze(base, architecture), nn.freeze(base, architecture)
    tensors = [
        {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers()) if tensor.numel()}
        for model in (base, one, other)
    ]
    assert not tensors[0] & tensors[1]
    assert not tensors[0] & tensors[2]
    assert not tensors[1] & tensors[2]
    assert not set(map(id, one.modules())) & set(map(id, base.modules()))


@pytest.mark.parametrize("plan", ["conv", ("layers", ["conv", "unit"], True)])
def test_the_plans_really_have_choices(plan):
    assert nn.extract_space(Wrapped(plan)).size > 1
    assert isinstance(Wrapped(plan), torch_nn.Module)
