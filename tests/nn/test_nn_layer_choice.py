from __future__ import annotations

import operator
from collections import OrderedDict

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, DomainError
from retiarii.space import Categorical


def three():
    return nn.LayerChoice({"a": nn.Identity(), "b": nn.ReLU(), "c": nn.Tanh()}, label="op")


def test_runs_the_first_candidate():
    x = torch.tensor([-1.0])
    assert torch.equal(nn.LayerChoice([nn.ReLU(), nn.Identity()])(x), torch.zeros(1))
    two_inputs = nn.LayerChoice([nn.Bilinear(1, 1, 1)])
    assert two_inputs(x, input2=x).shape == (1,)


@pytest.mark.parametrize("make", [dict, OrderedDict, torch_nn.ModuleDict])
def test_candidates_by_name(make):
    choice = nn.LayerChoice(make({"a": nn.Identity(), "b": nn.ReLU()}), label="op")
    assert choice.choice() == Categorical("op", values=("a", "b"), by_index=True)
    assert choice.names == ["a", "b"]
    assert list(choice.candidates) == ["a", "b"]


@pytest.mark.parametrize("make", [list, tuple, torch_nn.ModuleList])
def test_candidates_by_index(make):
    choice = nn.LayerChoice(make([nn.Identity(), nn.ReLU()]), label="op")
    assert choice.choice() == Categorical("op", values=(0, 1), by_index=True)
    assert choice.names == ["0", "1"]
    assert choice.candidates == list(choice)


def test_arguments_of_nni():
    layers = [nn.Identity(), nn.ReLU()]
    choice = nn.LayerChoice(layers, [0.25, 0.75], "op")
    assert (choice.label, choice.prior) == ("op", [0.25, 0.75])
    assert choice.choice().prior == (0.25, 0.75)
    with pytest.warns(DeprecationWarning, match="label"):
        choice = nn.LayerChoice(layers, key="op")
    assert choice.label == choice.key == "op"


@pytest.mark.parametrize("use", [operator.getitem, operator.delitem, lambda c, name: operator.setitem(c, name, c[0])])
@pytest.mark.parametrize("name", ["z", "training"])
def test_a_name_that_no_candidate_has_is_explained(use, name):
    with pytest.raises(KeyError, match=rf"has no candidate '{name}', only \['a', 'b', 'c'\]"):
        use(three(), name)


def test_container():
    choice = three()
    assert len(choice) == choice.length == 3
    assert [type(layer).__name__ for layer in choice] == ["Identity", "ReLU", "Tanh"]
    assert choice.choices == list(choice)
    assert choice[1] is choice["b"] is choice.b
    assert choice[-1] is choice["c"]
    assert choice[1:] == [choice["b"], choice["c"]]
    assert "a" in choice
    assert "z" not in choice
    assert "label='op'" in repr(choice)


def test_replace_a_candidate():
    choice = three()
    choice["b"] = nn.GELU()
    choice[2] = nn.Sigmoid()
    assert [type(layer).__name__ for layer in choice] == ["Identity", "GELU", "Sigmoid"]
    assert type(nn.freeze(choice, {"op": "b"})) is torch_nn.GELU
    with pytest.raises(KeyError, match="'z'"):
        choice["z"] = nn.ReLU()


def test_delete_candidates():
    choice = nn.LayerChoice([nn.Identity(), nn.ReLU(), nn.Tanh(), nn.GELU()], prior=[0.5, 0.3, 0.1, 0.1], label="op")
    del choice[0]
    assert choice.prior == pytest.approx([0.6, 0.2, 0.2])
    assert choice.choice().values == (0, 1, 2)
    assert type(nn.freeze(choice, {"op": 0})) is torch_nn.ReLU
    named = three()
    del named["b"]
    assert named.choice().values == ("a", "c")
    del named[0:1]
    assert named.names == ["c"]
    with pytest.raises(AttributeError):
        named.a  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ([], "no candidates"),
        ({}, "no candidates"),
        ([lambda: torch_nn.ReLU], "expected a module"),
        ([None], "expected a module"),
        ({"a.b": torch_nn.ReLU()}, "'a.b'"),
        ({"": torch_nn.ReLU()}, "''"),
        ({"forward": torch_nn.ReLU()}, "'forward'"),
        ({"label": torch_nn.ReLU()}, "'label'"),
        ({1: torch_nn.ReLU()}, "named 1"),
        ([torch_nn.ReLU()] * 2, "'0' and '1'"),
        (torch_nn.ReLU(), "expected a list or a dict"),
        ("ab", "expected a list or a dict"),
    ],
)
def test_bad_candidates(candidates, said):
    with pytest.raises(DomainError, match="'op'") as caught:
        nn.LayerChoice(candidates, label="op")
    assert said in str(caught.value)


@pytest.mark.parametrize("prior", [[1.0], [0.5, 0.6], [-1, 2], ["a", "b"]])
def test_bad_prior(prior):
    with pytest.raises(DomainError, match="prior"):
        nn.LayerChoice([nn.ReLU(), nn.Tanh()], prior=prior)


@pytest.mark.parametrize("value", ["b", 1, ["b"], [1], [False, True, False], (False, True, False)])
def test_all_spellings_of_a_value(value):
    assert type(nn.freeze(three(), {"op": value})) is torch_nn.ReLU
    with nn.fixed_arch({"op": value}):
        model = nn.Sequential(three())
    assert type(model[0]) is torch_nn.ReLU


def test_unknown_candidate_names_the_nearest_one():
    choice = nn.LayerChoice({"conv3x3": nn.ReLU(), "skip": nn.Tanh()}, label="op")
    with pytest.raises(ArchitectureError, match="Did you mean 'conv3x3'") as caught:
        nn.freeze(nn.Sequential(choice), {"op": "conv3x4"})
    assert caught.value.label == "op"
    assert caught.value.got == "conv3x4"


def test_the_chosen_layer_takes_the_place_of_the_choice():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = three()

    frozen = nn.freeze(Net(), {"op": "c"})
    assert type(frozen.layer) is torch_nn.Tanh
    assert [name for name, _ in frozen.named_modules()] == ["", "layer"]


def test_candidates_that_are_not_chosen_are_not_built():
    built = []

    class Costly(nn.Module):
        def __init__(self, name):
            super().__init__()
            built.append(name)

    nn.basic_unit(Costly)
    base = nn.LayerChoice({name: Costly(name) for name in "abc"}, label="op")
    built.clear()
    assert isinstance(nn.freeze(base, {"op": "b"}), Costly)
    assert set(built) <= {"b"}


def test_nested_to_any_depth():
    def nested(depth):
        inner = nn.Identity() if depth == 0 else nested(depth - 1)
        return nn.LayerChoice([nn.Linear(1, 1), nn.Sequential(inner)], label=f"level{depth}")

    space = nn.extract_space(nested(5))
    assert len(space) == 6
    assert space.size == 7
    assert dict(space.at(0)) == {"level5": 0}
    with pytest.raises(ArchitectureError, match="level4"):
        nn.freeze(nested(5), {"level5": 1})
    frozen = nn.freeze(nested(5), {f"level{depth}": 1 for depth in range(6)})
    assert len(list(frozen.modules())) == 7


def test_shared_labels_choose_the_same():
    model = nn.Sequential(three(), nn.ReLU(), three())
    assert len(nn.extract_space(model)) == 1
    assert [type(layer).__name__ for layer in nn.freeze(model, {"op": "c"})] == ["Tanh", "ReLU", "Tanh"]


# Candidates that are classes or functions.


def test_classes_and_functions_as_candidates():
    candidates = {"relu": nn.ReLU, "tanh": torch.nn.Tanh, "wide": lambda: nn.Linear(2, 3), "module": nn.Identity()}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice(candidates, label="op")

    base = Net()
    assert [type(module) for module in base.op] == [torch.nn.ReLU, torch.nn.Tanh, torch.nn.Linear, torch.nn.Identity]
    assert base.op(torch.tensor(-1.0)) == 0
    for name, kind in zip(candidates, (torch.nn.ReLU, torch.nn.Tanh, torch.nn.Linear, torch.nn.Identity), strict=True):
        with nn.fixed_arch({"op": name}):
            assert type(Net().op) is kind
        assert type(nn.freeze(base, {"op": name}).op) is kind


def test_only_the_function_of_the_chosen_candidate_is_called_inside_fixed_arch():
    called = []

    def maker(size):
        return lambda: called.append(size) or nn.Linear(1, size)

    def net():
        return torch.nn.Sequential(nn.LayerChoice([maker(2), maker(3), maker(4)], label="op"))

    torch.manual_seed(0)
    with nn.fixed_arch({"op": 1}):
        fixed = net()
    assert called == [3]
    torch.manual_seed(0)
    assert torch.equal(fixed[0].weight, torch.nn.Linear(1, 3).weight)  # as if written by hand


def test_automatic_labels_do_not_depend_on_functions_that_are_not_called():
    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.LayerChoice(
                [lambda: nn.Linear(1, nn.ValueChoice([1, 2])), lambda: nn.LayerChoice([nn.ReLU, nn.Tanh])]
            )
            self.second = nn.Linear(1, nn.ValueChoice([1, 2]))

    base = Net()
    space = nn.extract_space(base)
    assert space.size == 8
    for architecture in space.grid():
        with nn.fixed_arch(architecture):
            built = Net()
        assert repr(built) == repr(nn.freeze(base, architecture))


def test_a_parameter_of_the_model_inside_a_function():
    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice(
                [lambda: nn.Linear(1, nn.ModelParameterChoice([1, 2], label="size")), nn.Identity], label="op"
            )

    assert nn.freeze(Net(), {"op": 0, "size": 2}).op.out_features == 2
    with nn.fixed_arch({"op": 0, "size": 2}):
        assert Net().op.out_features == 2


def test_a_function_that_makes_no_module():
    with pytest.raises(DomainError, match="a class or function without arguments that makes one"):
        nn.LayerChoice([nn.ReLU, lambda: 3])
