"""Names of modules, parameters and labels that Python would read as something else."""

from __future__ import annotations

import gc
import json
import linecache
import random
from collections import OrderedDict

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import (
    GraphEngine,
    Mutator,
    build_module,
    convert_to_graph,
    export_code,
    model_from_json,
    model_to_json,
)
from retiarii.testing.networks import executed

X = torch.randn(2, 3)


class Iterated(nn.Module):
    """Uses a container as users do who loop over it."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Oddly(nn.Module):
    """Submodules that no attribute access can reach."""

    def __init__(self):
        super().__init__()
        for name in ("class", "in-put", 'quo"te', "new\nline", "\\"):
            self.add_module(name, nn.Linear(3, 3))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


class Keyed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({'max"pool': nn.Linear(3, 3), "if": nn.Linear(3, 3), "\\": nn.Linear(3, 3)})

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x


def sequential(*names):
    widths = [3, 4, 5, 6]
    return nn.Sequential(OrderedDict((name, nn.Linear(*widths[i : i + 2])) for i, name in enumerate(names)))


@pytest.mark.parametrize(
    "net",
    [
        Iterated(sequential("conv0", "norm0")),
        Iterated(sequential("1", "0")),
        Iterated(sequential("01", "02")),
        Iterated(sequential("2", "5")),
        Iterated(sequential("0", "named", "2")),
        Oddly(),
        Keyed(),
    ],
    ids=["named", "reordered", "leading zeros", "gaps", "mixed", "odd", "keys"],
)
def test_modules_of_any_name_are_found(net):
    built, code = build_module(convert_to_graph(net)), executed(export_code(net), type(net).__name__)
    for other in (built, code):
        assert list(other.state_dict()) == list(net.state_dict())
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(X), net(X))


def test_names_that_json_cannot_hold_are_refused_when_it_is_written():
    with pytest.raises(GraphError, match=r"'_model' cannot be written as JSON.*Give the module another name"):
        model_to_json(convert_to_graph(Oddly()))


@nn.basic_unit
class TakesAnything(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        return x


HOSTILE = "x=print('injected'), y"


def test_names_of_arguments_are_never_code(capsys):
    net = Iterated(nn.ModuleList([TakesAnything(**{HOSTILE: 1, "class": 2, "plain": 3}) for _ in range(2)]))
    net.layers.append(TakesAnything(**{HOSTILE: 4, "class": 5, "plain": 6}))
    rebuilt = executed(export_code(net), "Iterated")
    assert [unit.settings for unit in rebuilt.layers] == [unit.settings for unit in net.layers]
    data = json.loads(json.dumps(model_to_json(convert_to_graph(net))))
    again = model_from_json(data, modules=[__name__])
    assert build_module(again).layers[2].settings == {HOSTILE: 4, "class": 5, "plain": 6}
    model = convert_to_graph(nn.Sequential(nn.Linear(3, 3)))
    edge = model.root_graph.output_node.incoming_edges[0]
    node = model.root_graph.insert_node_on_edge(edge, "class", torch.relu)
    node.update_arguments(*node.arguments.args, **{HOSTILE: 1})
    with pytest.raises(TypeError, match=r"unexpected keyword|invalid combination"):
        build_module(model)(X)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "label",
    ['quote"', "'''", '"""', '"""\nprint("injected")\n"""', "line\nbreak", "back\\slash\\", "\\N{DASH}", "\x00é"],
)
def test_labels_and_values_are_never_code(label, capsys):
    net = nn.Sequential(nn.LayerChoice({label: nn.Linear(3, 3), "b": nn.ReLU()}, label=label))
    code = export_code(net, {label: label})
    assert executed(code, "Chain")(X).shape == (2, 3)
    assert capsys.readouterr().out == ""


def double(x):
    return 2 * x


DOUBLE = double


def double(x):
    return x + 1


def test_functions_of_one_name_stay_apart():
    model = convert_to_graph(nn.Sequential(nn.Linear(3, 3)))
    for function in (DOUBLE, double):
        model.root_graph.insert_node_on_edge(model.root_graph.output_node.incoming_edges[0], "twice", function)
    built = build_module(model)
    assert torch.equal(built(X), built.get_submodule("0")(X) * 2 + 1)


def test_functions_that_were_defined_inside_others_can_be_operations():
    def shifted(x):
        return x + 3

    model = convert_to_graph(nn.Sequential(nn.Linear(3, 3)))
    model.root_graph.insert_node_on_edge(model.root_graph.output_node.incoming_edges[0], "shift", shifted)
    built = build_module(model)
    assert torch.equal(built(X), built.get_submodule("0")(X) + 3)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.layers[0].weight = self.first.weight
        self.layers[1].weight = self.first.weight

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return x


def test_weights_stay_tied_in_lists_too():
    rebuilt = executed(export_code(Tied()), "Tied")
    assert rebuilt.layers[0].weight is rebuilt.layers[1].weight is rebuilt.first.weight


def test_weights_stay_tied_in_a_plain_sequence():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    rebuilt = executed(export_code(net), "Chain")
    assert rebuilt[2].weight is rebuilt[0].weight


def test_a_module_of_two_names_keeps_both():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.add_module("se-cond", self.first)

        def forward(self, x):
            return self.first(getattr(self, "se-cond")(x))

    net = Twice()
    rebuilt = executed(export_code(net), "Twice")
    assert list(rebuilt.state_dict()) == list(net.state_dict())
    assert rebuilt.get_submodule("se-cond") is rebuilt.first


def test_what_a_mutation_changed_is_not_tied_in_the_exported_code():
    model = convert_to_graph(Tied())
    model.get_node_by_name("layers.0").remove(bridge=True)
    model.get_node_by_name("layers.1").operation.parameters["out_features"] = 5
    built, rebuilt = build_module(model), executed(export_code(model), "Tied")
    for network in (built, rebuilt):
        assert network.layers[1].weight.shape == (5, 3)
    rebuilt.load_state_dict(built.state_dict())
    assert torch.equal(rebuilt(X), built(X))


def test_sources_of_networks_that_are_gone_are_not_kept():
    class Activation(Mutator):
        def mutate(self, model):
            edge = model.root_graph.output_node.incoming_edges[0]
            node = model.root_graph.insert_node_on_edge(edge, "act", torch.nn.functional.leaky_relu)
            node.update_arguments(*node.arguments.args, negative_slope=self.choice([0.01 * i for i in range(50)]))

    def sources():
        gc.collect()
        return sum(name.startswith("<graph") for name in linecache.cache)

    from retiarii.graph._building.module_builder import make_class

    make_class.cache_clear()
    before = sources()
    engine = GraphEngine(nn.Sequential(nn.Linear(3, 3)), [Activation()])
    built = [engine.build(engine.space.sample(random.Random(seed))) for seed in range(20)]
    assert sources() > before
    built.clear()
    make_class.cache_clear()
    assert sources() <= before


class Renamed(nn.Module):
    """Submodules, parameters and buffers with names that mean something else in source code."""

    def __init__(self, *names):
        super().__init__()
        self.names = names
        for name in names:
            self.add_module(name, nn.Linear(3, 3))
        self.register_parameter("lambda", nn.Parameter(torch.randn(3)))
        self.register_buffer("in-put", torch.randn(3))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x * getattr(self, "lambda") + getattr(self, "in-put")


ODD_NAMES = [
    "class",
    "1",
    "a-b",
    "é",
    "ﬁ",
    "ſum",  # noqa: RUF001 - Python reads it as sum
    "__hidden",
    "__x__",
    "None",
    "match",
    "self",
    "torch",
    "nn",
    "日本",
    "print",
    "a b",
]


def test_odd_names_of_every_kind_are_written_so_that_python_finds_them():
    net = Renamed(*ODD_NAMES)
    code = executed(export_code(net), "Renamed")
    again = build_module(model_from_json(json.loads(json.dumps(model_to_json(convert_to_graph(net))))))
    for other in (build_module(convert_to_graph(net)), code, again):
        assert list(other.state_dict()) == list(net.state_dict())
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(X), net(X))


@pytest.mark.parametrize(
    "name", ["class", "1Net", "a-b", "ﬁt", "日本", "__Net", "super", "getattr", "nn", "None", "π-net", "_"]
)
def test_classes_of_any_name_are_written(name):
    inner = type(name, (nn.Module,), {"forward": lambda self, x: self.get_submodule("a-b")(x)})()
    inner.add_module("a-b", nn.Linear(3, 3))
    net = Iterated(nn.ModuleList([inner, nn.ReLU()]))
    code = executed(export_code(net), "Iterated")
    code.load_state_dict(net.state_dict())
    assert torch.equal(code(X), net(X))
    assert torch.equal(build_module(convert_to_graph(net))(X), net(X))


@nn.basic_unit
class Shadowing(nn.Module):
    """Its arguments are called like what a constructor of the exported file uses."""

    def __init__(self, nn=1, torch=2, super=3, self_=4, Shadowing=5, scaled=6):
        import torch.nn

        torch.nn.Module.__init__(self)
        self.factor = nn + super + self_ + Shadowing + scaled

    def forward(self, x):
        return x * self.factor


class TwoOf(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.unit = Shadowing(nn=first, super=second, Shadowing=first + second, scaled=first)
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(self.unit(x))


def test_arguments_shadow_nothing_in_exported_code():
    net = nn.Sequential(TwoOf(1, 2), TwoOf(3, 5))
    net = Iterated(net)
    code = executed(export_code(net), "Iterated")
    code.load_state_dict(net.state_dict())
    assert torch.equal(code(X), net(X))


@torch.fx.wrap
def blend(x):
    return x + 1


class Blended(nn.Module):
    def forward(self, x):
        blended = blend(x)
        return blend(blended) * blended - x


def test_variables_are_not_called_like_functions():
    net = Blended()
    assert torch.equal(build_module(convert_to_graph(net))(X), net(X))
    assert torch.equal(executed(export_code(net), "Blended")(X), net(X))
