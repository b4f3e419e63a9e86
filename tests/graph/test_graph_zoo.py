"""Every model family is traced, built, exported and checked, with outputs equal to the last bit."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
from graph_models import ZOO, randomized

from retiarii.graph import (
    build_module,
    check,
    convert_to_graph,
    export_code,
    model_from_json,
    model_to_json,
    structural_hash,
)


@pytest.fixture(params=ZOO, ids=list(ZOO))
def case(request):
    make, inputs = ZOO[request.param]
    torch.manual_seed(0)
    return randomized(make()), inputs()


def same_in_both_modes(one, other, x):
    for mode in (False, True):
        one.train(mode)
        other.train(mode)
        torch.manual_seed(1)
        expected = one(x)
        torch.manual_seed(1)
        assert torch.equal(other(x), expected)


def test_generated_module_equals_the_hand_written_one(case):
    model, x = case
    generated = build_module(convert_to_graph(model))
    assert list(generated.state_dict()) == list(model.state_dict())
    assert [name for name, _ in generated.named_parameters()] == [name for name, _ in model.named_parameters()]
    same_in_both_modes(copy.deepcopy(model), generated, x)


def test_gradients_are_equal(case):
    model, x = case
    generated = build_module(convert_to_graph(model)).eval()
    model.eval()
    model(x).sum().backward()
    generated(x).sum().backward()
    for (name, ours), (_, theirs) in zip(generated.named_parameters(), model.named_parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad), name


def test_weights_are_not_shared_with_the_traced_model(case):
    model, _ = case
    before = copy.deepcopy(model.state_dict())
    generated = build_module(convert_to_graph(model))
    with torch.no_grad():
        for value in generated.state_dict().values():
            value.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_generated_module_pickles_and_copies(case):
    model, x = case
    generated = build_module(convert_to_graph(model)).eval()
    expected = generated(x)
    assert torch.equal(pickle.loads(pickle.dumps(generated))(x), expected)
    assert torch.equal(copy.deepcopy(generated)(x), expected)


def test_json_round_trip_is_exact_and_runs(case):
    model, x = case
    graph = convert_to_graph(model)
    data = model_to_json(graph)
    again = model_from_json(json.loads(json.dumps(data)), modules=["graph_models", "graph_models_mixed"])
    assert model_to_json(again) == data
    assert structural_hash(again) == structural_hash(graph)
    built = build_module(again)
    built.load_state_dict(model.state_dict())
    same_in_both_modes(model, built, x)


def test_exported_code_equals_the_model(case):
    model, x = case
    code = export_code(model)
    assert "retiarii" not in code
    namespace = {"__name__": "exported"}
    exec(compile(code, "exported.py", "exec"), namespace)
    exported = namespace[type(model).__name__]()
    exported.load_state_dict(model.state_dict())
    same_in_both_modes(model, exported, x)


def test_check_knows_the_shape_of_every_layer(case):
    model, x = case
    shapes = check(convert_to_graph(model), x)
    model.eval()
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: tuple(out.shape)}))
        for name, module in model.named_modules()
        if name in shapes
    ]
    model(x)
    assert len(hooks) > 3
    assert {name: shapes[name] for name in seen} == seen


def test_new_weights_come_from_the_constructors(case):
    model, x = case
    built = build_module(convert_to_graph(model), keep_weights=False).eval()
    assert built(x).shape == model.eval()(x).shape
    weights = [(name, value) for name, value in built.named_parameters() if value.dim() > 1 and "token" not in name]
    assert all(not torch.equal(value, model.get_parameter(name)) for name, value in weights)
