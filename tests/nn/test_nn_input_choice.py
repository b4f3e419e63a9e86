from __future__ import annotations

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, DomainError, UnknownInputsError
from retiarii.space import Categorical, Subset

A, B, C = torch.full((2, 3), 1.0), torch.full((2, 3), 2.0), torch.full((2, 3), 4.0)
INPUTS = [A, B, C]


class Net(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.pick = nn.InputChoice(*args, **kwargs, label="pick")

    def forward(self, inputs):
        return self.pick(inputs)


def frozen_and_built(value, *args, **kwargs):
    with nn.fixed_arch({"pick": value}):
        built = Net(*args, **kwargs)
    return nn.freeze(Net(*args, **kwargs), {"pick": value}), built


def test_domains():
    def domain(*args, **kwargs):
        return nn.InputChoice(*args, **kwargs, label="x").choice()

    assert domain(3) == Categorical("x", values=(0, 1, 2), by_index=True)
    assert domain(2, prior=[0.1, 0.9]).prior == (0.1, 0.9)
    assert domain(3, 2) == Subset("x", values=(0, 1, 2), min_chosen=2, max_chosen=2)
    assert domain(3, None) == Subset("x", values=(0, 1, 2), min_chosen=0, max_chosen=3)
    assert domain(choose_from=["a", "b"]) == Categorical("x", values=("a", "b"), by_index=True)


def test_the_base_model_takes_the_first_inputs():
    assert torch.equal(Net(3)(INPUTS), A)
    assert torch.equal(Net(3, 2)(INPUTS), A + B)
    assert torch.equal(Net(3, 2, "mean")(tuple(INPUTS)), (A + B) / 2)
    assert torch.equal(Net(3, None)(INPUTS), A)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("sum", A + C), ("mean", (A + C) / 2), ("concat", torch.cat([A, C], 1)), ("none", [A, C])],
)
def test_reductions(reduction, expected):
    for model in frozen_and_built([0, 2], 3, 2, reduction):
        result = model(INPUTS)
        if reduction == "none":
            assert all(map(torch.equal, result, expected))
        else:
            assert torch.equal(result, expected)


@pytest.mark.parametrize("reduction", ["sum", "mean", "concat"])
def test_one_and_none(reduction):
    for model in frozen_and_built([1], 3, None, reduction):
        assert torch.equal(model(INPUTS), B)
    for model in frozen_and_built([], 3, None, reduction):
        assert model(INPUTS) is None
    for model in frozen_and_built([], 3, None, "none"):
        assert model(INPUTS) == []
    for model in frozen_and_built([1], 3, 1, "none"):
        assert torch.equal(model(INPUTS)[0], B)


@pytest.mark.parametrize("value", [2, [2], [False, False, True]])
def test_spellings_of_one_input(value):
    for model in frozen_and_built(value, 3):
        assert torch.equal(model(INPUTS), C)


@pytest.mark.parametrize("value", [[0, 2], (0, 2), [True, False, True], [2, 0]])
def test_spellings_of_several_inputs(value):
    for model in frozen_and_built(value, 3, None, "concat"):
        assert torch.equal(model(INPUTS), torch.cat([A, C], 1))


@pytest.mark.parametrize("value", ["c", 2, ["c"], [2]])
@pytest.mark.parametrize("inputs", [INPUTS, {"a": A, "b": B, "c": C}, {"c": C, "b": B, "a": A}])
def test_names(value, inputs):
    for model in frozen_and_built(value, choose_from=["a", "b", "c"]):
        assert torch.equal(model(inputs), C)


def test_dict_inputs_by_index():
    for model in frozen_and_built(1, 3):
        assert torch.equal(model({"a": A, "b": B, "c": C}), B)


def test_number_of_inputs_is_learnt_from_the_first_forward_pass():
    base = Net(n_chosen=1)
    with pytest.raises(UnknownInputsError, match=r"Net\.pick.*Run the model once.*n_candidates"):
        nn.extract_space(base)
    assert torch.equal(nn.freeze(base, {"pick": 2})(INPUTS), C)  # without the domain, but not without the value
    base(INPUTS)
    assert nn.extract_space(base)["pick"] == Categorical("pick", values=(0, 1, 2), by_index=True)
    assert torch.equal(nn.freeze(base, {"pick": 2})(INPUTS), C)
    with pytest.raises(DomainError, match="expected 3 inputs, got 2"):
        base(INPUTS[:2])


def test_names_are_learnt_from_a_dict():
    base = Net(n_chosen=2)
    base({"a": A, "b": B, "c": C})
    assert nn.extract_space(base)["pick"].values == ("a", "b", "c")
    assert torch.equal(nn.freeze(base, {"pick": ["c", "a"]})({"a": A, "b": B, "c": C}), A + C)


@pytest.mark.parametrize(("n_chosen", "value", "expected"), [
    (1, 2, C), (1, [1], B), (2, [2, 0], A + C), (None, [True, False, True], A + C), (None, [], None), (1, "c", C),
])  # fmt: skip
def test_fixed_arch_needs_no_number_of_inputs(n_chosen, value, expected):
    with nn.fixed_arch({"pick": value}):
        model = Net(n_chosen=n_chosen)
    result = model({"a": A, "b": B, "c": C})
    assert result is None if expected is None else torch.equal(result, expected)


@pytest.mark.parametrize(("n_chosen", "value"), [
    (1, [0, 1]), (2, [1]), (2, [1, 1]), (1, -1), (1, 0.5), (None, [0, "a"]), (1, None),
])  # fmt: skip
def test_fixed_arch_refuses_what_cannot_be_right(n_chosen, value):
    with pytest.raises(ArchitectureError, match="'pick'"), nn.fixed_arch({"pick": value}):
        Net(n_chosen=n_chosen)


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((0,), {}, "n_candidates=0"),
        ((2.0,), {}, "n_candidates=2.0"),
        ((2, 0), {}, "n_chosen=0"),
        ((2, 3), {}, "from 3 to 3 of 2"),
        ((2, 1, "max"), {}, "reduction='max'"),
        ((2,), {"prior": [0.5, 0.1]}, "prior"),
        ((3,), {"choose_from": ["a", "b"]}, "n_candidates=3 and 2 names"),
        ((), {"choose_from": ["a", "a"]}, "twice"),
    ],
)
def test_bad_arguments(args, kwargs, said):
    with pytest.raises(DomainError) as caught:
        nn.InputChoice(*args, **kwargs)
    assert said in str(caught.value)


def test_ignored_prior():
    with pytest.warns(UserWarning, match="ignores its prior"):
        nn.InputChoice(3, 2, prior=[0.5, 0.25, 0.25])


def test_old_names_and_repr():
    with pytest.warns(DeprecationWarning, match="label"):
        pick = nn.InputChoice(2, key="x")
    assert pick.label == pick.key == "x"
    assert repr(pick) == "InputChoice(n_candidates=2, n_chosen=1, reduction='sum', label='x')"
    assert repr(nn.ChosenInputs([0, 2], "mean")) == "ChosenInputs([0, 2], reduction='mean')"


def test_chosen_inputs_stand_alone():
    assert torch.equal(nn.ChosenInputs(1)(INPUTS), B)
    assert torch.equal(nn.ChosenInputs(["c", "a"], "concat")({"a": A, "b": B, "c": C}), torch.cat([C, A], 1))
