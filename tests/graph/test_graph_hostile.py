"""Graphs from elsewhere: every attempt to do more than compute is refused when the JSON is read, with one error."""

from __future__ import annotations

import base64
import copy
import functools
import json
import random
import re
import sys
import zlib

import pytest
import torch
from graph_models import ZOO, MobileNetV2, ResNet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retiarii.errors import GraphError
from retiarii.graph import (
    build_module,
    convert_to_graph,
    draw,
    export_code,
    model_from_json,
    model_to_json,
    structural_hash,
)

MODULES = ["graph_models", "graph_models_mixed"]


@pytest.fixture
def data():
    return json.loads(json.dumps(model_to_json(convert_to_graph(ResNet()))))


def node_of(data, name):
    return next(node for node in data["graphs"]["_model"]["nodes"] if node["name"] == name)


def refused(data, modules=()):
    with pytest.raises(GraphError) as caught:
        model_from_json(data, modules=modules)
    return str(caught.value)


FUNCTIONS = (
    "os.system os.popen posix.system subprocess.run subprocess.Popen shutil.rmtree pathlib.Path.write_text io.open "
    "pickle.loads importlib.import_module runpy.run_path code.interact webbrowser.open pydoc.pipepager timeit.timeit "
    "builtins.eval builtins.exec builtins.open builtins.__import__ builtins.compile builtins.setattr builtins.vars "
    "builtins.input builtins.breakpoint builtins.map builtins.type operator.attrgetter operator.methodcaller "
    "operator.itemgetter operator.call operator.delitem torch.load torch.save torch.hub.load torch.compile "
    "torch.from_file torch.frombuffer torch.utils.cpp_extension.load torch.utils.data.get_worker_info "
    "torch.ops.load_library torch.classes.load_library torch._C._jit_init torch.jit.load torch.jit.script "
    "torch.package.PackageImporter torch.serialization.load torch.storage._load_from_bytes torch.set_default_dtype "
    "torch.manual_seed torch.testing.assert_close torch.multiprocessing.spawn torch.distributed.init_process_group "
    "torch.nn.functional.os.system torch.os.system torch.sys.exit torch.nn.functional.importlib.import_module "
    "numpy.fromfile numpy.load numpy.testing.rundocs hypothesis.given pytest.main retiarii.graph.draw "
    "torch.nn.functional.handle_torch_function torch.segment_reduce torch.utils.cpp_extension.load_inline "
    "torch.nn.functional.triplet_margin_with_distance_loss torch.nn.init.normal_ math.__loader__.load_module"
).split()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_do_more_than_compute_are_refused(name, data):
    node_of(data, "flatten")["operation"]["type"] = name
    assert "A graph from a file may not" in refused(data)
    other = copy.deepcopy(data)
    node_of(other, "flatten")["operation"] = {"kind": "module", "type": name}
    node_of(other, "flatten")["member"] = "flat"
    assert "A graph from a file may not" in refused(other)


METHODS = (
    "numpy tofile dump save share_memory_ storage untyped_storage set_ data_ptr map_ apply_ register_hook backward "
    "module_load as_subclass resize_ append sort_values __reduce__ __reduce_ex__ __class__ __init__ __setstate__ "
    "__getattribute__ __call__ __dlpack__ format mro __subclasses__ system "
    "indices _indices crow_indices ccol_indices col_indices row_indices"
).split()


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_do_more_than_compute_are_refused(name, data):
    node_of(data, "flatten")["operation"] = {"kind": "method", "type": name}
    assert f"may not call the method {name!r}" in refused(data)


@pytest.mark.parametrize("name", ["builtins.max", "builtins.min"])
def test_no_function_gets_another_to_call(name, data):
    node_of(data, "flatten")["operation"]["type"] = name
    assert model_from_json(data, modules=MODULES)
    node_of(data, "flatten")["kwargs"] = {"$dict": [["key", {"$input": 0}]]}
    assert "a function to call" in refused(data, MODULES)


ARGUMENTS = [
    {"$type": "os.system"},
    {"$type": "builtins.eval"},
    {"$type": "builtins.getattr"},
    {"$type": "torch.load"},
    {"$type": "graph_models.ResNet"},
    {"$enum": ["graph_units.Mode", "WIDE"]},
    {"$partial": [{"$type": "subprocess.run"}, [["touch", "ran"]], {"$dict": []}]},
    {"$partial": [{"$type": "torch.nn.Linear"}, [], {"$dict": [["x", {"$type": "os.system"}]]}]},
    {"$layer": {"kind": "function", "type": "torch.relu"}},
    {"$layer": {"kind": "module", "type": "antigravity.Module"}},
    {"$torch": "load"},
    {"$dtype": "os"},
    {"$object": "os.system"},
    {"$tensor": ["float32", [3], "AAAA"]},
    {"$tensor": ["float32", [2**40], ""]},
    {"$tensor": ["uint8", [4], base64.b64encode(zlib.compress(bytes(10**6))).decode()]},
]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=json.dumps)
def test_arguments_that_name_something_else_are_refused(argument, data):
    attacks = [copy.deepcopy(data) for _ in range(4)]
    node_of(attacks[0], "flatten")["args"].append(argument)
    node_of(attacks[1], "flatten")["kwargs"] = {"$dict": [["key", [argument]]]}
    node_of(attacks[2], "fc")["operation"]["parameters"] = {"$dict": [["in_features", argument]]}
    attacks[3]["graphs"]["_model"]["module"]["idle"] = {
        "x": {"kind": "module", "type": "torch.nn.ReLU", "parameters": {"$dict": [["inplace", argument]]}}
    }
    for attack in attacks:
        refused(attack)


def test_a_graph_that_runs_a_command_reads_or_writes_a_file_never_gets_that_far(data, tmp_path, monkeypatch):
    (tmp_path / "graph_hostile_module.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    for name, argument in {
        "os.system": "touch ran",
        "torch.from_file": str(secret),
        "torch.save": "ran",
        "graph_hostile_module.run": "ran",
        "graph_models.os.system": "touch ran",
        "graph_models.Path": "ran",
    }.items():
        for modules in ((), ["graph_models"]):
            attack = copy.deepcopy(data)
            node_of(attack, "flatten").update(args=[argument], inputs=[])
            node_of(attack, "flatten")["operation"] = {"kind": "function", "type": name}
            refused(attack, modules)
    assert "graph_hostile_module" not in sys.modules
    assert [path.name for path in tmp_path.iterdir() if path.name == "ran"] == []


def test_only_what_is_defined_in_a_named_module_is_at_hand():
    unit = model_to_json(convert_to_graph(ZOO["efficientnet"][0]()))
    assert "'graph_models.StochasticDepth'" in refused(unit)
    assert "'graph_models.StochasticDepth'" in refused(unit, ["graph_model", "models"])
    assert model_to_json(model_from_json(unit, modules=["graph_models"])) == unit
    assert model_to_json(model_from_json(unit, modules="graph_models")) == unit
    text = json.dumps(unit)
    for name in ("torch.hub.load", "graph_models.partial", "graph_models.F.relu", "graph_models.OrderedDict"):
        assert "may not" in refused(json.loads(text.replace("graph_models.StochasticDepth", name)), ["graph_models"])


def test_operators_of_every_namespace_are_read():
    names = (
        "torch.cat torch.nn.functional.hardswish torch.linalg.norm torch.fft.rfft math.sqrt builtins.len operator.add"
    )
    for name in names.split():
        data = model_to_json(convert_to_graph(ResNet()))
        node_of(data, "flatten")["operation"]["type"] = name
        assert model_from_json(data).get_node_by_name("flatten").operation.type == name


# --- malformed graphs ---


def used(model):
    """Do everything with a model that needs no input, but errors of ours."""
    uses = (model_to_json, export_code, build_module, structural_hash, draw)
    actions = [functools.partial(use, model) for use in uses]
    actions += [graph.topo_sort for graph in model.graphs.values()]
    for action in actions:
        try:
            action()
        except GraphError:
            pass


def attempt(data):
    """Read JSON; either it is a model, or the one error says so."""
    try:
        model = model_from_json(data, modules=MODULES)
    except GraphError:
        return False
    used(model)
    return True


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 4)
    | st.sampled_from([2**40, 2**70, -(2**70), 10**400, 1.5, float("inf"), float("nan"), "", "\ud800", "\0", "x" * 99])
    | st.sampled_from(["0", "a.b", "..", "class", "__init__", "forward", "torch.nn.ReLU", "torch.relu", "_model", "π"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["$tuple", "$input", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@functools.cache
def source(name):
    return json.dumps(model_to_json(convert_to_graph(ZOO[name][0]())))


@functools.cache
def places_in(name):
    return list(places(json.loads(source(name))))[1:]


def places(data, path=()):
    """Yield the path of every value in JSON."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(data, path, value, how):
    """Replace, remove, duplicate or rename what is at one place."""
    *outer, last = path
    target = data
    for key in outer:
        target = target[key]
    if how == "remove":
        del target[last]
    elif how == "double" and isinstance(target, list):
        target.insert(last, copy.deepcopy(target[last]))
    elif how == "rename" and isinstance(target, dict):
        target[value if isinstance(value, str) else "x"] = target.pop(last)
    elif how == "swap" and isinstance(target, list):
        target.reverse()
    else:
        target[last] = value


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, on layers without any elements
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_change_of_a_real_graph_gives_a_model_or_one_error(draws):
    name = draws.draw(st.sampled_from(["densenet", "efficientnet", "lstm", "mobilenet_v3", "resnet", "vit"]))
    data = json.loads(source(name))
    for _ in range(draws.draw(st.integers(1, 3))):
        path = draws.draw(st.sampled_from(places_in(name)))
        how = draws.draw(st.sampled_from(["replace", "replace", "remove", "double", "rename", "swap"]))
        try:
            changed(data, path, draws.draw(VALUES), how)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    attempt(data)


@pytest.mark.parametrize("head", [None, 1, "ab", [], [1], {"$tuple": [1, 2]}, {"$dict": [["x", 1]]}])
@pytest.mark.parametrize("index", [None, 0, 1.5, "x", [0], {"$tuple": [0, 1]}])
def test_indexing_a_constant_is_written_without_a_warning_of_the_compiler(head, index):
    data = json.loads(source("vit"))
    node = next(node for node in data["graphs"]["_model"]["nodes"] if node["operation"]["type"] == "operator.getitem")
    node["args"] = [head, index]
    assert attempt(data)


@pytest.mark.parametrize("name", ["iadd", "iconcat", "setitem", "neg", "is_"])
@pytest.mark.parametrize("head", [None, 1, "ab", [1], {"$tuple": [1, 2]}])
def test_operators_on_constants_are_written_as_python_takes_them(name, head):
    data = json.loads(source("vit"))
    graph = data["graphs"]["_model"]
    node = next(node for node in graph["nodes"] if node["operation"]["type"] == "operator.getitem")
    extra = {
        **node,
        "id": graph["next_id"],
        "name": "extra",
        "args": [head, 0, 1][: {"neg": 1, "setitem": 3}.get(name, 2)],
    }
    extra["operation"] = {**node["operation"], "type": f"operator.{name}"}
    graph["nodes"].append(extra)
    graph["next_id"] += 1
    assert attempt(data)


@settings(deadline=None, max_examples=100)
@given(VALUES)
def test_values_that_are_no_graph_at_all(value):
    with pytest.raises(GraphError):
        model_from_json(value)
    with pytest.raises(GraphError):
        model_from_json({"version": 1, "root": "_model", "graphs": value})


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "bad", [nested(100), nested(100_000), cyclic(), 10**5000, {1: 2}, object(), b"bytes", "\udc80"], ids=lambda _: "bad"
)
def test_nesting_cycles_and_what_is_no_json_are_refused(bad, data):
    node_of(data, "flatten")["args"].append(bad)
    assert "The data is not a graph" in refused(data)


def test_modules_that_cannot_be_put_together_are_refused_when_they_are_built(data):
    bad = [copy.deepcopy(data) for _ in range(3)]
    node_of(bad[0], "fc")["member"] = "parameters"
    node_of(bad[1], "fc")["member"] = "conv1.weight"
    tensor = {"path": "w", "kind": "parameter", "shape": [2**60], "dtype": "float32", "requires_grad": True}
    bad[2]["graphs"]["_model"]["module"]["tensors"] = [{**tensor, "persistent": True, "fill": None, "value": None}]
    for graph in bad:
        with pytest.raises(GraphError, match="cannot be put together"):
            build_module(model_from_json(graph))


def test_nested_graphs_are_read_up_to_a_depth():
    def chain(depth):
        data = model_to_json(convert_to_graph(torch.nn.Sequential(torch.nn.Sequential(torch.nn.ReLU()))))
        inner = data["graphs"]["0"]
        for level in range(1, depth):
            outer = copy.deepcopy(data["graphs"]["_model"])
            next(n for n in outer["nodes"] if n["id"] > 1)["operation"]["cell"] = f"g{level - 1}" if level > 1 else "0"
            data["graphs"][f"g{level}"] = outer
        next(n for n in data["graphs"]["_model"]["nodes"] if n["id"] > 1)["operation"]["cell"] = f"g{depth - 1}"
        assert inner
        return data

    assert attempt(chain(20))
    assert "nested more than" in refused(chain(100))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, on layers without any elements
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_changes_of_real_graphs(seed):
    """Plain random changes, by values from the graph itself too."""
    draws = random.Random(seed)
    values = [
        None,
        True,
        -1,
        0,
        1,
        3,
        2**40,
        2**70,
        1.5,
        "",
        "x",
        "0",
        "class",
        "a.b",
        [],
        {},
        [0, 0, 0],
        "torch.nn.ReLU",
    ]
    text = json.dumps(model_to_json(convert_to_graph(MobileNetV2())))
    every = list(places(json.loads(text)))[1:]
    values += sorted(set(re.findall(r'"([\w.]+)"', text)))  # its own names, in places where they do not belong
    read = 0
    for _ in range(150):
        data = json.loads(text)
        for _ in range(draws.choice([1, 1, 2])):
            how = draws.choice(["replace", "remove", "double", "rename", "swap"])
            try:
                changed(data, draws.choice(every), copy.deepcopy(draws.choice(values)), how)
            except (KeyError, IndexError, TypeError):
                continue
        read += attempt(data)
    assert read > 0
