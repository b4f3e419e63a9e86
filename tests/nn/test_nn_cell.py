from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError, FreezeError


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


X = torch.ones(1, 2)
Y = torch.full((1, 2), 10.0)


def cell(**kwargs):
    arguments = {"op_candidates": [Times(1), Times(3)], "num_nodes": 2, "num_ops_per_node": 2, "num_predecessors": 2}
    return nn.Cell(**{**arguments, "label": "c", **kwargs})


def architecture(ops, inputs):
    """Values for a cell of two nodes and two predecessors."""
    places = [f"{node}_{op}" for node in (2, 3) for op in (0, 1)]
    values = {f"c/op_{place}": op for place, op in zip(places, ops, strict=True)}
    return {**values, **{f"c/input_{place}": index for place, index in zip(places, inputs, strict=True)}}


def test_labels_and_domains_are_those_of_nni():
    space = nn.extract_space(cell())
    assert set(space._by_label) == set(architecture([0] * 4, [0] * 4))
    assert space["c/input_2_1"].values == (0, 1)
    assert space["c/input_3_1"].values == (0, 1, 2)
    assert space["c/op_3_0"].values == (0, 1)
    assert space.size == 2**4 * 2**2 * 3**2
    assert space["c/op_3_0"].declared_at == "Cell.ops.1.0"


def test_named_operations():
    named = cell(op_candidates={"one": Times(1), "three": Times(3)})
    assert nn.extract_space(named)["c/op_2_0"].values == ("one", "three")


def test_the_base_model_runs_the_first_candidates():
    assert torch.equal(cell()([X, Y]), torch.cat([2 * X, 2 * X], 1))


def test_a_chosen_cell_computes_what_was_chosen():
    values = architecture(ops=[1, 0, 0, 1], inputs=[0, 1, 2, 0])
    frozen = nn.freeze(cell(), values)
    node = 3 * X + Y
    expected = torch.cat([node, node + 3 * X], 1)
    assert isinstance(frozen, nn.ChosenCell)
    assert torch.equal(frozen([X, Y]), expected)
    assert torch.equal(frozen(X, Y), expected)
    assert torch.equal(frozen((X, Y)), expected)


def test_one_predecessor_needs_no_list():
    one = nn.Cell([Times(2)], 1, label="c")
    assert torch.equal(one(X), 2 * X)
    assert torch.equal(one([X]), 2 * X)


def test_wrong_number_of_inputs():
    with pytest.raises(ValueError, match="num_predecessors=2, but got 1"):
        cell()(X)


def test_other_dimension():
    assert cell(concat_dim=0)([X, Y]).shape == (2, 2)


def test_every_place_has_its_own_operation():
    frozen = nn.freeze(
        nn.Cell([nn.Linear(2, 2)], 2, 2, label="c"),
        {f"c/{kind}_{node}_{op}": 0 for kind in ("op", "input") for node in (1, 2) for op in (0, 1)},
    )
    weights = [op.weight.data_ptr() for row in frozen.ops for op in row]
    assert len(set(weights)) == 4
    assert list(frozen.state_dict()) == [
        f"ops.{r}.{c}.{name}" for r in (0, 1) for c in (0, 1) for name in ("weight", "bias")
    ]


def test_loose_ends():
    base = cell(merge_op="loose_end")
    assert base.output_node_indices == [2, 3]
    chained = nn.freeze(cell(merge_op="loose_end"), architecture([0] * 4, [0, 0, 2, 0]))
    assert chained.output_node_indices == [3]
    assert chained([X, Y]).shape == (1, 2)
    assert nn.freeze(cell(merge_op="all"), architecture([0] * 4, [0, 0, 2, 0])).output_node_indices == [2, 3]


def joined(merge_op="loose_end"):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(merge_op=merge_op)
            self.join = nn.Linear(2 * len(self.cell.output_node_indices), 5)

        def forward(self, x, y):
            return self.join(self.cell(x, y))

    return Net


@pytest.mark.parametrize("inputs", [[0, 0, 2, 0], [0, 0, 1, 0]])
def test_a_layer_that_is_as_wide_as_the_output(inputs):
    cls = nn.model_wrapper(joined())
    values = architecture([0] * 4, inputs)
    frozen = nn.freeze(cls(), values)
    with nn.fixed_arch(values):
        built = cls()
    assert repr(frozen) == repr(built)
    assert frozen(X, Y).shape == (1, 5)


def test_a_layer_that_is_as_wide_as_the_output_needs_a_recorded_constructor():
    cls = joined()
    with pytest.raises(FreezeError, match="@model_wrapper"):
        nn.freeze(cls(), architecture([0] * 4, [0, 0, 2, 0]))
    # Where the number of loose ends is that of the base model, nothing depends on it.
    assert nn.freeze(cls(), architecture([0] * 4, [0, 0, 1, 0]))(X, Y).shape == (1, 5)
    with nn.fixed_arch(architecture([0] * 4, [0, 0, 2, 0])):
        assert cls().join.in_features == 2
    nn.freeze(joined("all")(), architecture([0] * 4, [0, 0, 2, 0]))


def test_functions_know_node_operation_and_input():
    asked = []

    def make(node, op, source):
        asked.append((node, op, source))
        return Times(100 * node + 10 * op + source)

    base = cell(op_candidates=[Times(0), make])
    assert asked == [(2, 0, 0), (2, 1, 0), (3, 0, 0), (3, 1, 0)]
    asked.clear()
    frozen = nn.freeze(base, architecture(ops=[1, 1, 0, 1], inputs=[1, 0, 1, 2]))
    assert [op.factor for row in frozen.ops for op in row] == [201, 210, 0, 312]
    assert sorted(asked) == [(2, 0, 1), (3, 1, 2)]  # only what is chosen and not as in the base model
    with nn.fixed_arch(architecture(ops=[1, 1, 0, 1], inputs=[1, 0, 1, 2])):
        built = nn.Sequential(cell(op_candidates=[Times(0), make]))
    assert [op.factor for row in built[0].ops for op in row] == [201, 210, 0, 312]


def test_choices_in_what_functions_build():
    def make(node, op, source):
        return nn.Linear(2, 2, bias=nn.ValueChoice([True, False], label=f"bias_{node}_{op}"))

    base = nn.Cell([make, nn.Identity()], 1, 1, 2, label="c")
    space = nn.extract_space(base)
    assert dict(space.default()) == {"c/input_2_0": 0, "c/op_2_0": 0, "bias_2_0": True}
    assert space.size == 2 * (2 + 1)
    frozen = nn.freeze(base, {"c/input_2_0": 1, "c/op_2_0": 0, "bias_2_0": False})
    assert frozen.ops[0][0].bias is None


def test_automatic_labels_in_what_functions_build():
    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Cell([lambda n, o, i: nn.Linear(2, nn.ValueChoice([2, 4]) // 2 * 2), nn.Identity()], 2, 1, 2)
            self.after = nn.Linear(2, nn.ValueChoice([1, 3]))

    base = Net()
    space = nn.extract_space(base)
    assert [label for label in space._by_label if "/" not in label] == ["model_2", "model_3", "model_4"]
    values = dict(space.default(), model_3=4, model_4=3, **{"model_1/input_3_0": 1})
    frozen = nn.freeze(base, values)
    assert (frozen.cell.ops[1][0].out_features, frozen.after.out_features) == (4, 3)
    with nn.fixed_arch(values):
        assert repr(Net()) == repr(frozen)


def test_processors():
    class Double(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.ValueChoice([2, 4], label="factor")

        def forward(self, inputs):
            return [x * self.factor() for x in inputs]

    def give_both(output, inputs):
        return inputs[1], output

    base = cell(preprocessor=Double(), postprocessor=give_both)
    last, out = base(X, Y)
    assert torch.equal(last, Y)
    assert torch.equal(out, torch.full((1, 4), 4.0))
    frozen = nn.freeze(base, {**architecture([0] * 4, [0] * 4), "factor": 4})
    assert torch.equal(frozen(X, Y)[1], torch.full((1, 4), 8.0))
    assert type(frozen.preprocessor).__name__ == "Double"


def test_the_list_that_is_passed_in_is_not_changed():
    inputs = [X, Y]
    cell()(inputs)
    assert len(inputs) == 2


def test_deprecated_function_of_all_operations():
    with pytest.warns(DeprecationWarning, match="list or dict"):
        base = nn.Cell(lambda: [Times(1), Times(3)], 1, label="c")
    assert torch.equal(nn.freeze(base, {"c/op_1_0": 1, "c/input_1_0": 0})(X), 3 * X)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"num_nodes": 0}, "num_nodes=0"),
        ({"num_ops_per_node": 1.0}, "num_ops_per_node=1.0"),
        ({"num_predecessors": 0}, "num_predecessors=0"),
        ({"merge_op": "some"}, "merge_op='some'"),
        ({"op_candidates": []}, "no candidates"),
        ({"op_candidates": 3}, "op_candidates=3"),
    ],
)
def test_bad_arguments(kwargs, said):
    with pytest.raises(DomainError) as caught:
        cell(**kwargs)
    assert said in str(caught.value)


def test_frozen_cell_has_no_primitive_in_it():
    frozen = nn.freeze(nn.Sequential(cell()), architecture([0] * 4, [0] * 4))
    assert not any(isinstance(module, nn.Mutable) for module in frozen.modules())
    assert isinstance(frozen[0].inputs[0][0], nn.ChosenInputs)
    assert isinstance(frozen[0].ops, torch_nn.ModuleList)
