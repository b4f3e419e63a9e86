"""The public modules beside the layers, which primitives, graphs and supernets use."""

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError
from retiarii.nn.pytorch.constructor_calls import ModuleCall, Role, build_fixed, forget_call, layer_class, module_call
from retiarii.nn.pytorch.labels import ChosenValues, ModelNamespace, Position, first_number, numbering_from
from retiarii.nn.pytorch.origins import copy_origins, module_origins, tensor_origins
from retiarii.nn.pytorch.primitives import (
    Freezer,
    Frozen,
    Survey,
    class_label,
    condition_where,
    reduce_inputs,
    sublabel,
)
from retiarii.space import ALWAYS, when


def choice(*operations, label="op"):
    return nn.LayerChoice(dict(operations), label=label)


# Primitives.


class Labels(Survey):
    """Lists what one primitive declares."""

    def __init__(self):
        self.found = []

    def choice(self, choice, argument=""):
        self.found.append(choice.label)

    def expression(self, value, argument):
        self.found.append(argument)

    def child(self, parent, name):
        self.found.append(f"child {name}")


def test_a_survey_of_ones_own_hears_what_a_primitive_declares():
    survey = Labels()
    choice(("a", nn.ReLU()), ("b", nn.Tanh())).declare_choices(survey)
    nn.Repeat(nn.ReLU(), (1, 2), label="depth").declare_choices(survey)
    assert survey.found == ["op", "child a", "child b", "depth", "child 0", "child 1"]


class AsTheyAre(Freezer):
    """Keeps children as they are."""

    def module(self, module):
        return Frozen(module)

    def build(self, make, start):
        return Frozen(make())


def test_a_freezer_of_ones_own_gives_values_and_keeps_children():
    tanh = nn.Tanh()
    freezer = AsTheyAre(ChosenValues({"op": "b", "width": 3}))
    assert choice(("a", nn.ReLU()), ("b", tanh)).freeze_by(freezer) == Frozen(tanh, ("b",))
    assert freezer.evaluate(nn.ValueChoice([2, 3], label="width") * 2) == 6
    with pytest.raises(ArchitectureError, match="no value for the choice 'depth'"):
        nn.Repeat(nn.ReLU(), (1, 2), label="depth").freeze_by(freezer)


def test_conditions_follow_from_expressions():
    depth = nn.ValueChoice([1, 2, 4], label="depth")
    assert condition_where(depth, lambda value: value > 1) == when("depth", 2, 4)
    assert condition_where(depth * 2, lambda value: value > 2) == when("depth", 2, 4)
    assert condition_where(depth, bool) == condition_where(3, bool) == ALWAYS
    assert condition_where(0, bool) == frozenset()


def test_parts_of_a_primitive_have_labels_of_their_own():
    assert sublabel("cell", "op") == "cell/op"
    with ModelNamespace():
        assert sublabel(ModelNamespace.next_label(), "op") == "model_1/op"
        assert class_label("Chain") == "Chain2"
        assert sublabel(class_label("Chain"), "op") == "Chain3/op"


def test_inputs_are_reduced():
    a, b = torch.ones(2, 3), torch.full((2, 3), 3.0)
    assert torch.equal(reduce_inputs([a, b], "sum"), torch.full((2, 3), 4.0))
    assert torch.equal(reduce_inputs([a, b], "mean"), torch.full((2, 3), 2.0))
    assert reduce_inputs([a, b], "concat").shape == (2, 6)
    assert reduce_inputs([a, b], "none") == [a, b]
    assert reduce_inputs([], "sum") is None


# Constructor calls and labels.


def test_a_layer_has_the_record_of_its_constructor():
    width = nn.ValueChoice([2, 4], label="width")
    layer = nn.Linear(3, width)
    call = module_call(layer)
    assert isinstance(call, ModuleCall)
    assert (call.cls, call.args, call.role) == (torch.nn.Linear, (3, width), Role.LAYER)
    assert call.plain_arguments() == ((3, 2), {})
    forget_call(layer)
    assert module_call(layer) is None


def test_the_class_behind_a_layer():
    assert layer_class(nn.Linear) is torch.nn.Linear
    assert layer_class(torch.nn.Linear) is torch.nn.Linear
    assert layer_class("Linear") == "Linear"


def test_values_are_found_under_the_labels_of_declarations():
    nn.ValueChoice([0])  # takes a number that the model does not start with
    model = nn.Sequential(nn.Linear(1, nn.ValueChoice([2, 3])), nn.Linear(nn.ValueChoice([2, 3]), 1))
    variables = [module_call(layer).variables[0] for layer in model]
    values = ChosenValues({"model_1": 2, "model_2": 3}, first_number(model))
    assert [values.evaluate(variable) for variable in variables] == [2, 3]
    assert ChosenValues({}, first_number(model)).evaluate_or_default(variables[0] * 2) == 4


def test_a_part_is_built_again_with_the_same_labels():
    with ModelNamespace():
        nn.ValueChoice([0])
        start = module_call(nn.Linear(1, 1)).start
        assert isinstance(start, Position)
        made = nn.LayerChoice([nn.ReLU(), nn.Tanh()])
    with numbering_from(start):
        again = nn.LayerChoice([nn.ReLU(), nn.Tanh()])
    assert made.label == again.label == "model_2"
    built = build_fixed(
        lambda: torch.nn.Sequential(nn.LayerChoice([nn.ReLU(), nn.Tanh()])), start, ChosenValues({"model_2": 1})
    )
    assert isinstance(built.module[0], torch.nn.Tanh)


# Origins.


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.op = choice(("conv", nn.Linear(2, 2)), ("deep", nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))))
        self.head = nn.Linear(2, 1)


def test_a_fixed_model_knows_where_it_comes_from():
    base = Net()
    frozen = nn.freeze(base, {"op": "deep"})
    assert dict(tensor_origins(frozen)) == {
        f"{new}.{tensor}": f"{old}.{tensor}"
        for new, old in [("op.0", "op.deep.0"), ("op.1", "op.deep.1"), ("head", "head")]
        for tensor in ("weight", "bias")
    }
    assert dict((new, old) for old, new in module_origins(base, frozen))[frozen.op] is base.op["deep"]


def test_notes_of_origins_go_to_a_model_with_the_same_names():
    frozen = nn.freeze(Net(), {"op": "conv"})
    other = torch.nn.ModuleDict({"op": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 1)})
    assert dict(tensor_origins(other))["op.weight"] == "op.weight"
    copy_origins(frozen, other)
    assert dict(tensor_origins(other))["op.weight"] == "op.conv.weight"


@nn.basic_unit
class Scaled(nn.Module):
    def __init__(self, block, factor):
        super().__init__()
        self.block = block
        self.factor = factor

    def forward(self, x):
        return self.block(x) * self.factor


def scaled():
    block = nn.LayerChoice([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Tanh())], label="op")
    return nn.Sequential(Scaled(block, nn.ValueChoice([1, 3], label="factor")))


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize(("op", "names"), [(0, ["", "0."]), (1, ["0.", "1.0."])])
def test_a_primitive_in_the_arguments_of_a_unit_has_its_own_weights_whether_the_unit_is_built_again_or_not(
    factor, op, names
):
    base, architecture = scaled(), {"op": op, "factor": factor}
    expected = {f"0.block.{names[0]}{tensor}": f"0.block.{names[1]}{tensor}" for tensor in ("weight", "bias")}
    with nn.fixed_arch(architecture):
        built = scaled()
    for fixed in (nn.freeze(base, architecture), built):
        assert dict(tensor_origins(fixed)) == expected
    extracted = nn.extract_state_dict(base.state_dict(), base, architecture)
    for name, origin in expected.items():
        assert torch.equal(extracted[name], base.state_dict()[origin])
