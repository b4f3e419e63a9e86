"""JSON, types by name, and hashes."""

from __future__ import annotations

import json
import sys
from functools import partial

import pytest
import torch
from graph_models import ZOO, ResNet
from hypothesis import given, settings
from hypothesis import strategies as st

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import convert_to_graph, model_from_json, model_to_json, structural_hash
from retiarii.graph._encoding.allowed import Allowed
from retiarii.graph._encoding.value_decoding import Decoder
from retiarii.graph._encoding.value_encoding import encode
from retiarii.graph._operations.operation import Input, Inputs

decode = Decoder(Allowed()).value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([..., torch.float16, torch.device("cpu"), torch.channels_last, Input(3), Inputs(), 1 + 2j])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner, inner).map(lambda parts: slice(*parts))
    ),
    max_leaves=8,
)


@given(VALUES)
def test_values_survive_json_exactly(value):
    data = encode(value)
    again = decode(json.loads(json.dumps(data)))
    assert repr(again) == repr(value)
    assert encode(again) == data


def test_special_values_survive_json():
    tensor = torch.tensor([[0.1, float("inf")], [-1e-30, 3.0]])
    assert torch.equal(decode(json.loads(json.dumps(encode(tensor)))), tensor)
    assert decode(encode(torch.tensor([True, False]))).tolist() == [True, False]
    assert decode(encode(nn.LayerNorm)) is torch.nn.LayerNorm
    again = decode(json.loads(json.dumps(encode(partial(nn.BatchNorm2d, eps=0.5)))))
    assert encode(again) == encode(partial(nn.BatchNorm2d, eps=0.5))
    assert again(3).eps == 0.5


def test_reading_imports_nothing_and_building_refuses_what_is_no_layer(tmp_path, monkeypatch):
    (tmp_path / "graph_json_evil.py").write_text("class Evil: pass\nimport pathlib\npathlib.Path('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = model_to_json(convert_to_graph(ResNet()))
    node = next(node for node in data["graphs"]["_model"]["nodes"] if node["name"] == "fc")
    node["operation"]["type"] = "graph_json_evil.Evil"
    with pytest.raises(GraphError, match=r"may not use 'graph_json_evil.Evil'"):
        model_from_json(data)
    assert "graph_json_evil" not in sys.modules
    assert not (tmp_path / "ran").exists()
    with pytest.raises(GraphError, match=r"may not build 'graph_json_evil.Evil'"):
        model_from_json(data, modules=["graph_json_evil"])


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"version": 99},
        {"version": 1},
        {"version": 1, "root": "a", "graphs": {}},
        {"version": 1, "root": "_model", "graphs": {"_model": 3}},
    ],
)
def test_what_is_no_graph_is_refused(data):
    with pytest.raises(GraphError, match="not a graph"):
        model_from_json(data)


def renamed(data, rename):
    """Return JSON in which every node and every module of a graph has another name, and nodes another number."""
    data = json.loads(json.dumps(data))
    for graph in data["graphs"].values():
        for node in graph["nodes"]:
            if node["id"] > 1:
                node["name"] = rename(node["name"])
                node["member"] = node["member"] and rename(node["member"])
                node["id"] += 100
            node["inputs"] = [[slot, head + 100 if head > 1 else head, s] for slot, head, s in node["inputs"]]
        graph["next_id"] += 100
    return data


@settings(deadline=None, max_examples=20)
@given(name=st.sampled_from(sorted(ZOO)), salt=st.integers(0, 99))
def test_hash_does_not_depend_on_names(name, salt):
    model = convert_to_graph(ZOO[name][0]())
    data = renamed(model_to_json(model), lambda old: f"n{old[::-1]}_{salt}")
    other = model_from_json(data, modules=["graph_models", "graph_models_mixed"])
    assert structural_hash(other) == structural_hash(model)


def test_hashes_of_different_models_differ():
    hashes = {structural_hash(convert_to_graph(make())) for make, _ in ZOO.values()}
    assert len(hashes) == len(ZOO)


def branches(left, right, combine):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = left(), right()

        def forward(self, x):
            return combine(self.a(x), self.b(x))

    return structural_hash(convert_to_graph(Net()))


def test_hash_knows_which_operations_commute():
    conv, norm = lambda: nn.Conv2d(3, 3, 1), lambda: nn.BatchNorm2d(3)
    assert branches(conv, norm, torch.add) == branches(norm, conv, torch.add)
    assert branches(conv, norm, lambda a, b: a + b) == branches(norm, conv, lambda a, b: a + b)
    assert branches(conv, norm, torch.sub) != branches(norm, conv, torch.sub)
    assert branches(conv, norm, lambda a, b: torch.cat([a, b])) != branches(norm, conv, lambda a, b: torch.cat([a, b]))


def test_hash_tells_shared_from_separate_weights():
    class Net(torch.nn.Module):
        def __init__(self, shared):
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = self.a if shared else nn.Linear(2, 2)

        def forward(self, x):
            return self.a(x) + self.b(x)

    assert structural_hash(convert_to_graph(Net(True))) != structural_hash(convert_to_graph(Net(False)))


def test_hash_sees_parameters_and_forgets_mutations_that_were_undone():
    model = convert_to_graph(ResNet())
    fork = model.fork()
    parameters = fork.get_node_by_name("fc").operation.parameters
    parameters["bias"] = False
    assert structural_hash(fork) != structural_hash(model)
    del parameters["bias"]
    assert structural_hash(fork) == structural_hash(model)


@pytest.mark.parametrize(
    ("where", "bad"),
    [
        (("graphs", "_model", "nodes", 3, "name"), "x; import os"),
        (("graphs", "_model", "nodes", 3, "member"), 'a"+__import__("os").name+"'),
        (("graphs", "_model", "nodes", 3, "operation", "type"), "torch.nn.ReLU()"),
        (("graphs", "_model", "inputs"), ["x=print(1)"]),
        (("graphs", "_model", "module", "base"), "Module, print"),
        (("graphs", "_model", "module", "order"), [1]),
    ],
)
def test_names_that_are_code_are_refused(where, bad):
    data = model_to_json(convert_to_graph(ResNet()))
    *path, last = where
    target = data
    for key in path:
        target = target[key]
    target[last] = bad
    with pytest.raises(GraphError, match="not a graph"):
        model_from_json(data)


def set_slot(graph, bad):
    graph["nodes"][-1]["inputs"][0][2] = bad


def set_head(graph, bad):
    graph["nodes"][-1]["inputs"][0][1] = bad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graph: set_slot(graph, "0]+print('injected')#"), "is not a non-negative integer"),
        (lambda graph: set_head(graph, 99), "takes element None of node 99, which is not there"),
        (lambda graph: graph["nodes"][2]["inputs"].append([1, 0, 7]), "takes element 7 of node 0"),
        (lambda graph: graph["nodes"].pop(0), "KeyError: 0"),
        (lambda graph: graph["inputs"].append("self"), "are not parameters of a function"),
        (lambda graph: graph["nodes"][6]["operation"].update(cell="layer9"), "there is no graph 'layer9'"),
        (lambda graph: graph["nodes"][6]["operation"].update(cell="_model"), "graph '_model' is nested in itself"),
    ],
)
def test_edges_and_nested_graphs_that_are_not_there_are_refused(change, message):
    data = model_to_json(convert_to_graph(ResNet()))
    graph = data["graphs"]["_model"]
    assert graph["nodes"][6]["operation"]["kind"] == "graph"
    change(graph)
    with pytest.raises(GraphError, match=f"not a graph.*{message}"):
        model_from_json(data)


class Shaped(torch.nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


@pytest.mark.parametrize("name", ["__class__", "_backward_hooks", "x; import os", 3])
@pytest.mark.parametrize("more", [[], [{"$tuple": []}]])
def test_attributes_that_are_private_are_never_read(name, more):
    data = model_to_json(convert_to_graph(Shaped()))
    node = next(n for n in data["graphs"]["_model"]["nodes"] if n["operation"]["type"] == "builtins.getattr")
    node["args"] = [node["args"][0], name, *more]
    with pytest.raises(GraphError, match="may not read the attribute"):
        model_from_json(data)
