import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.errors import ConfigError
from retiarii.space import Architecture, Integer, SearchSpace
from retiarii.trial import Constraint, at_least, at_most, violation

BOUNDS = st.floats(-1e9, 1e9)
VALUES = st.floats(-1e9, 1e9)


def width(architecture):
    return architecture["width"]


@given(BOUNDS, VALUES)
def test_a_violation_is_the_excess_relative_to_the_bound(bound, value):
    upper, lower = at_most("x", bound), at_least("x", bound)
    assert (upper.violation_of(value) == 0) is (value <= bound)
    assert (lower.violation_of(value) == 0) is (value >= bound)
    assert upper.violation_of(value) >= 0 <= lower.violation_of(value)
    assert lower.violation_of(value) == at_most("x", -bound).violation_of(-value)


@given(BOUNDS, VALUES, VALUES)
def test_what_is_farther_off_breaks_more(bound, one, other):
    near, far = sorted((abs(one), abs(other)))
    assert at_most("x", bound).violation_of(bound + near) <= at_most("x", bound).violation_of(bound + far)


def test_violations_by_hand():
    assert at_most("params", 100).violation_of(150) == 0.5
    assert at_least("accuracy", 0.5).violation_of(0.25) == 0.5
    assert at_most("x", -4).violation_of(-3) == 0.25
    assert at_most("x", 100).violation_of(math.nan) == math.inf
    assert at_least("x", 100).violation_of(math.inf) == 0
    assert at_most("x", 100).violation_of(math.inf) == math.inf
    assert 0 < at_most("x", 0).violation_of(1e-300) < math.inf


def test_metrics_sum_up_what_they_break():
    constraints = [at_most("latency", 10), at_least("accuracy", 0.5), at_most(width, 3)]
    assert violation({"latency": 10, "accuracy": 0.5}, constraints) == 0
    assert violation({"latency": 15, "accuracy": 0.5}, constraints) == 0.5
    assert violation({"latency": 15, "accuracy": 0.25}, constraints) == 1.0
    assert violation({"latency": 1}, constraints) == violation(None, constraints) == math.inf
    assert violation(None, []) == violation({"latency": 99}, [at_most(width, 3)]) == 0


def test_on_architectures_they_constrain_spaces():
    space = SearchSpace([Integer("width", 1, 9)]).constrained(at_most(width, 5), at_least(width, 3))
    assert [architecture["width"] for architecture in space.grid()] == [3, 4, 5]
    assert at_most(width, 5)(Architecture({"width": 5}))
    assert not at_most(width, 5)(Architecture({"width": 6}))


def test_names_are_resolved_to_costs_or_stay_names_of_metrics():
    costs = {"params": width}
    assert at_most("params", 5).resolved(costs) == at_most(width, 5)
    assert at_least("params", 5).resolved(costs)(Architecture({"width": 5}))
    for constraint in (at_most("latency", 5), at_most(width, 5)):
        assert constraint.resolved(costs) is constraint
    with pytest.raises(ConfigError, match="params <= 5 cannot be checked on an architecture: only an experiment"):
        at_most("params", 5)(Architecture({"width": 5}))


def test_they_are_values_with_a_text():
    assert pickle.loads(pickle.dumps(at_most(width, 5))) == at_most(width, 5) == Constraint(width, 5)
    assert (str(at_most("params", 1e6)), str(at_least(width, 0.5))) == ("params <= 1e+06", "width >= 0.5")


@pytest.mark.parametrize("quantity", ["", None, 3, ["params"]])
def test_a_quantity_is_a_name_or_a_function(quantity):
    with pytest.raises(ConfigError, match=r"at_most\(.*expected the name of a metric or cost, or a function"):
        at_most(quantity, 3)


@pytest.mark.parametrize("bound", [math.nan, math.inf, None, "3", True])
def test_a_bound_is_a_finite_number(bound):
    with pytest.raises(ConfigError, match=r"at_least\('params', .*expected a finite number as the bound"):
        at_least("params", bound)
