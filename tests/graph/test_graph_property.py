"""Random modules: a graph computes what the model computes, to the last bit, or conversion refuses with a reason."""

from __future__ import annotations

import copy
import re
from collections import Counter

import pytest
import torch
from random_modules import RandomModule, forget, random_module
from torch.utils import _pytree as pytree

from retiarii.errors import GraphError
from retiarii.graph import GraphEngine, build_module, export_code, lower
from retiarii.nn.pytorch import freeze
from retiarii.testing.networks import executed

OUR_MISTAKES = re.compile(r"NameError|UnboundLocalError|AssertionError: $|'ModuleTracer'|TracedAttribute|_Hooks")

FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, NameError, IndexError)


def outcome(seed: int) -> str:
    """Return ``"equal"``, ``"refused"`` or ``"cannot run"``; fail for anything else."""
    drawn = random_module(seed)
    architecture = {"choice": seed % 2}
    try:
        reference = freeze(drawn.net, architecture)
        expected = behaviour(reference, drawn)
        if expected is None:
            return "cannot run"
        state = dict(vars(drawn.net))
        try:
            model = lower(drawn.net, architecture)
            candidates = {"graph": build_module(model), "code": executed(export_code(model), "Net")}
            if seed % 4 == 0:  # it traces once more, compares and checks shapes
                candidates["engine"] = engine(drawn, seed)
        except GraphError as err:
            return refusal(str(err), drawn, state, seed)
        for name, candidate in candidates.items():
            candidate.load_state_dict(freeze(drawn.net, architecture).state_dict() | reference.state_dict())
            found = behaviour(candidate, drawn)
            assert found is not None, f"seed {seed}: {name} cannot run\n{drawn.source}\n{failure(candidate, drawn)}"
            assert is_same(found, expected), (
                f"seed {seed}: {name} differs\n{drawn.source}\n{build_module(model).source}"
            )
        assert_untouched(drawn, state, seed)
        return "equal"
    finally:
        forget(seed)


def refusal(message: str, drawn: RandomModule, state: dict, seed: int) -> str:
    assert not OUR_MISTAKES.search(message), f"seed {seed}:\n{drawn.source}\n{message}"
    assert_untouched(drawn, state, seed)
    return "refused" if drawn.hard else f"refused without need: {message.splitlines()[0]}"


def engine(drawn: RandomModule, seed: int) -> torch.nn.Module:
    return GraphEngine(drawn.net, example_input=drawn.inputs(seed)).build({"choice": seed % 2})


def assert_untouched(drawn: RandomModule, state: dict, seed: int) -> None:
    assert vars(drawn.net) == state, f"seed {seed}: the module was changed\n{drawn.source}"


def behaviour(net: torch.nn.Module, drawn: RandomModule) -> list | None:
    """Return all that two calls in each mode do; None if the network cannot run."""
    found = []
    for training in (True, False):
        twin = copy.deepcopy(net).train(training)
        for call in range(2):
            inputs = drawn.inputs(call)
            torch.manual_seed(call)
            try:
                result = twin(*inputs)
            except FAILURES:
                return None
            found.append((result, inputs, torch.rand(1), dict(twin.state_dict())))
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.detach().clone(), found)


def failure(net: torch.nn.Module, drawn: RandomModule) -> str:
    try:
        net(*drawn.inputs(0))
    except FAILURES as err:
        return repr(err)
    return ""


def is_same(first: list, second: list) -> bool:
    leaves, spec = pytree.tree_flatten(first)
    others, other_spec = pytree.tree_flatten(second)
    return spec == other_spec and all(map(is_same_leaf, leaves, others))


def is_same_leaf(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first.nan_to_num(7.0), second.nan_to_num(7.0))
    return type(first) is type(second) and first == second


def check_seeds(seeds: range) -> None:
    outcomes = Counter(outcome(seed) for seed in seeds)
    print(outcomes)
    needless = sum(count for name, count in outcomes.items() if name.startswith("refused without need"))
    assert outcomes["cannot run"] < len(seeds) / 4
    assert needless <= len(seeds) / 50, outcomes
    assert outcomes["equal"] > len(seeds) / 2, outcomes


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, on what the random code does
@pytest.mark.parametrize("start", range(0, 100, 25))
def test_a_hundred_random_modules(start):
    check_seeds(range(start, start + 25))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("start", range(100, 1100, 250))
def test_a_thousand_random_modules(start):
    check_seeds(range(start, start + 250))
