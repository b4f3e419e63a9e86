"""`ParameterSpace`: search spaces in NNI's JSON, parameters, and architectures."""

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.classic import ParameterSpace
from retiarii.errors import ArchitectureError, ConfigError

DESCRIPTION = {
    "lr": {"_type": "loguniform", "_value": [0.0001, 0.1]},
    "batch": {"_type": "choice", "_value": [16, 32, [1, 2], None, True]},
    "momentum": {"_type": "uniform", "_value": [0, 1]},
    "share": {"_type": "quniform", "_value": [0, 1, 0.25]},
    "rate": {"_type": "qloguniform", "_value": [1, 100, 10]},
    "layers": {"_type": "randint", "_value": [2, 5]},
    "conv": {
        "_type": "choice",
        "_value": [
            {"_name": "none"},
            {
                "_name": "conv",
                "kernel": {"_type": "choice", "_value": [1, 3]},
                "then": {
                    "_type": "choice",
                    "_value": [{"_name": "end"}, {"_name": "more", "width": {"_type": "randint", "_value": [1, 9]}}],
                },
            },
        ],
    },
    "op": {"_type": "layer_choice", "_value": ["conv3x3", "conv5x5"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": ["a", "b", "c"], "n_chosen": 1}},
    "any": {"_type": "input_choice", "_value": {"candidates": ["a", "b"], "n_chosen": None}},
}


def parameter(kind, value):
    return ParameterSpace({"x": {"_type": kind, "_value": value}})


def test_parameters_have_the_form_that_nni_gives_to_trials():
    space = ParameterSpace(DESCRIPTION)
    rng = random.Random(0)
    seen = set()
    for _ in range(200):
        told = space.parameters(space.space.sample(rng))
        assert list(told) == list(DESCRIPTION)
        assert told["batch"] in (16, 32, [1, 2], None, True)
        assert 2 <= told["layers"] <= 4
        assert told["share"] in (0, 0.25, 0.5, 0.75, 1)
        assert told["op"] in ({"_value": "conv3x3", "_idx": 0}, {"_value": "conv5x5", "_idx": 1})
        assert told["skip"]["_value"] == ["abc"[told["skip"]["_idx"][0]]]
        assert [["a", "b"][index] for index in told["any"]["_idx"]] == told["any"]["_value"]
        conv = told["conv"]
        seen.add((conv["_name"], conv.get("then", {}).get("_name")))
        assert set(conv) == ({"_name"} if conv["_name"] == "none" else {"_name", "kernel", "then"})
    assert seen == {("none", None), ("conv", "end"), ("conv", "more")}


@given(st.integers(0, 2**32))
def test_parameters_stand_for_their_architecture(seed):
    space = ParameterSpace(DESCRIPTION)
    architecture = space.space.sample(random.Random(seed))
    told = json.loads(json.dumps(space.parameters(architecture)))
    assert space.architecture(told) == architecture


def test_layers_and_inputs_may_be_plain_values():
    space = ParameterSpace({name: DESCRIPTION[name] for name in ("op", "skip", "any")})
    expected = space.architecture({"op": "conv5x5", "skip": ["b"], "any": []})
    assert space.architecture({"op": {"_idx": 1}, "skip": {"_idx": [1]}, "any": {"_value": []}}) == expected
    assert space.architecture({"op": 1, "skip": "b", "any": []}) == expected


def test_quantised_ranges_have_the_probabilities_of_rounding():
    (choice,) = parameter("quniform", [0, 1, 0.25]).space.choices
    assert choice.values == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert choice.prior == pytest.approx((0.125, 0.25, 0.25, 0.25, 0.125))
    (choice,) = parameter("quniform", [1, 10, 4]).space.choices  # 0 and 12 are clipped, 1 and 10 stand for them
    assert choice.values == (1, 4, 8, 10) or choice.values == (1, 4, 8)
    (choice,) = parameter("qloguniform", [1, 100, 10]).space.choices
    assert choice.values[:3] == (1.0, 10.0, 20.0)
    shares = (math.log(5), math.log(15 / 5), math.log(25 / 15))
    assert choice.prior[:3] == pytest.approx([share / math.log(100) for share in shares])


@pytest.mark.parametrize("low_high_q", [(0.3, 2.1, 0.7), (0, 1, 0.3), (-5, 5, 2), (1, 10, 4)])
def test_quantised_ranges_agree_with_samples_of_the_formula(low_high_q):
    low, high, q = low_high_q
    (choice,) = parameter("quniform", list(low_high_q)).space.choices
    rng, counts = random.Random(1), {}
    for _ in range(20_000):
        value = min(max(round(rng.uniform(low, high) / q) * q, low), high)
        counts[round(value, 9)] = counts.get(round(value, 9), 0) + 1
    assert {round(value, 9) for value in choice.values} == set(counts)
    for value, share in zip(choice.values, choice.prior, strict=True):
        assert counts[round(value, 9)] / 20_000 == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({}, "names of parameters"),
        (None, "names of parameters"),
        ({"x": 3}, "'_type' and '_value'"),
        ({"x": {"_type": "choise", "_value": [1]}}, "Did you mean 'choice'"),
        ({"x": {"_type": "normal", "_value": [0, 1]}}, "has no bounds. Use 'uniform'"),
        ({"x": {"_type": "choice", "_value": []}}, "expected a list of values"),
        ({"x": {"_type": "choice", "_value": [1, 1]}}, "'x'"),
        ({"x": {"_type": "choice", "_value": [{"_name": "a"}, 3]}}, "'_name'"),
        ({"x": {"_type": "randint", "_value": [3, 3]}}, "low < high"),
        ({"x": {"_type": "uniform", "_value": [1]}}, "[low, high]"),
        ({"x": {"_type": "uniform", "_value": ["a", "b"]}}, "[low, high]"),
        ({"x": {"_type": "uniform", "_value": [2, 1]}}, "'x'"),
        ({"x": {"_type": "loguniform", "_value": [0, 1]}}, "'x'"),
        ({"x": {"_type": "qloguniform", "_value": [0, 1, 0.1]}}, "low above 0"),
        ({"x": {"_type": "quniform", "_value": [0, 1, 0]}}, "step > 0"),
        ({"x": {"_type": "quniform", "_value": [0, 1, 1e-9]}}, "at most 100,000"),
        ({"x": {"_type": "layer_choice", "_value": [1, 2]}}, "names"),
        ({"x": {"_type": "input_choice", "_value": ["a"]}}, "candidates"),
        ({"x": {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": 2}}}, "'x'"),
    ],
)
def test_descriptions_that_are_wrong_are_refused(description, message):
    with pytest.raises(ConfigError) as caught:
        ParameterSpace(description)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"op": "conv3x3"}, {"op": "conv9x9", "skip": ["a"]}, {"op": 0, "skip": ["a"], "more": 1}, 3, {"op": {}}],
)
def test_parameters_that_do_not_fit_are_refused(parameters):
    space = ParameterSpace({name: DESCRIPTION[name] for name in ("op", "skip")})
    with pytest.raises(ArchitectureError):
        space.architecture(parameters)


NAS = {
    "conv": {"_type": "layer_choice", "_value": ["conv3x3", "conv5x5"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": ["in1", "in2", "in3"], "n_chosen": None}},
    "two": {"_type": "input_choice", "_value": {"candidates": ["in1", "in2", "in3"], "n_chosen": 2}},
    "unnamed": {"_type": "input_choice", "_value": {"candidates": ["", "", ""], "n_chosen": 1}},
    "lr": {"_type": "loguniform", "_value": [0.001, 0.1]},
    "batch": {"_type": "choice", "_value": [16, 32]},
}


def test_layers_and_inputs_beside_hyper_parameters():
    space = ParameterSpace(NAS)
    parameters = {
        "conv": {"_value": "conv5x5", "_idx": 1},
        "skip": {"_value": ["in1", "in3"], "_idx": [0, 2]},
        "two": {"_value": ["in2", "in3"], "_idx": [1, 2]},
        "unnamed": {"_value": [""], "_idx": [2]},
        "lr": 0.01,
        "batch": 32,
    }
    architecture = space.architecture(parameters)
    assert architecture["unnamed"] == (2,)
    assert space.parameters(architecture) == parameters
    rng = random.Random(0)
    seen = set()
    for _ in range(100):
        proposed = space.parameters(space.space.sample(rng))
        assert space.parameters(space.architecture(json.loads(json.dumps(proposed)))) == proposed
        seen.add(len(proposed["skip"]["_idx"]))
        assert len(proposed["two"]["_idx"]) == 2
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("conv", {"_idx": 1}, "conv5x5"),
        ("conv", {"_value": "conv5x5"}, "conv5x5"),
        ("skip", {"_value": ["in2"], "_idex": [1]}, ("in2",)),
        ("skip", {"_value": ["in3", "in1"], "_idx": [2, 0]}, ("in1", "in3")),
        ("skip", {"_value": [], "_idx": []}, ()),
        ("unnamed", {"_idx": [1]}, (1,)),
    ],
)
def test_forms_of_layers_and_inputs(name, given, meant):
    assert ParameterSpace({name: NAS[name]}).architecture({name: given})[name] == meant


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("conv", {"_value": "conv5x5", "_idx": 0}),
        ("conv", {"_value": "conv5x5", "_idx": 2}),
        ("conv", {"_value": "conv5x5", "_idx": -1}),
        ("conv", {"_value": "conv5x5", "_idx": True}),
        ("conv", {}),
        ("skip", {"_value": ["in1"], "_idx": [1]}),
        ("skip", {"_value": ["in1", "in1"], "_idx": [0, 0]}),
        ("two", {"_value": ["in1"], "_idx": [0]}),
        ("unnamed", {"_value": [""]}),
        ("unnamed", {"_value": ["", ""], "_idx": [0, 1]}),
    ],
)
def test_forms_that_contradict_themselves_or_the_space_are_refused(name, given):
    with pytest.raises(ArchitectureError, match=f"'{name}'"):
        ParameterSpace({name: NAS[name]}).architecture({name: given})


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "space.json"
    for content, message in (("{", "cannot be read"), ('{"x": 1}', "'_type'"), (None, "No such file")):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigError, match=message) as caught:
            ParameterSpace.from_file(path)
        assert "space.json" in str(caught.value)


def test_values_of_numpy_are_those_of_python():
    space = ParameterSpace(
        {
            "lr": {"_type": "uniform", "_value": [0, 1]},
            "sizes": {"_type": "choice", "_value": [[1, 2], [3, 4]]},
            "flag": {"_type": "choice", "_value": [True, False]},
            "op": {"_type": "layer_choice", "_value": ["a", "b"]},
            "inputs": {"_type": "input_choice", "_value": {"candidates": ["x", "y", "z"], "n_chosen": 2}},
        }
    )
    drawn = {
        "lr": np.float32(0.5),
        "sizes": np.array([3, 4]),
        "flag": np.bool_(False),
        "op": {"_value": np.str_("b"), "_idx": np.int64(1)},
        "inputs": {"_value": ("x", "z"), "_idx": np.array([0, 2])},
    }
    assert space.parameters(space.architecture(drawn)) == {
        "lr": 0.5,
        "sizes": [3, 4],
        "flag": False,
        "op": {"_value": "b", "_idx": 1},
        "inputs": {"_value": ["x", "z"], "_idx": [0, 2]},
    }
