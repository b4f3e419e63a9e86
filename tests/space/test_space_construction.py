from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field

import pytest

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError
from retiarii.space import AutomaticLabel, Categorical, ChoiceVariable
from retiarii.space.construction import (
    CALL_ATTRIBUTE,
    ConstructorCall,
    call_of,
    evaluate,
    find_expressions,
    leaves,
    locate_expressions,
    parts_of,
    rebuilt_from,
    replace_expressions,
    replace_leaves,
    variables_in,
)

Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Settings:
    depth: object
    width: int = 1
    computed: int = field(default=0, init=False)


class Thing:
    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs


@pytest.fixture
def a():
    return nn.ValueChoice([1, 2], label="a")


def test_a_call_builds_what_it_evaluates(a):
    call = ConstructorCall(Thing, ([a, 5],), {"x": a * 10})
    thing = Thing()
    vars(thing)[CALL_ATTRIBUTE] = call
    assert call_of(thing) is call
    assert len(call.expressions) == 2
    again = call.build({"a": 2})
    assert (again.args, again.kwargs) == (([2, 5],), {"x": 20})
    assert call_of(again) is None
    assert call.build().kwargs == {"x": 10}


@pytest.mark.parametrize("thing", [3, None, "x", [], Thing(), object()])
def test_nothing_was_recorded(thing):
    assert call_of(thing) is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda a: a, 2),
        (lambda a: [a, [a]], [2, [2]]),
        (lambda a: (1, a), (1, 2)),
        (lambda a: Point(a, 3), Point(2, 3)),
        (lambda a: {"k": a}, {"k": 2}),
        (lambda a: OrderedDict(k=a), OrderedDict(k=2)),
        (lambda a: defaultdict(int, k=a), defaultdict(int, k=2)),
        (lambda a: Settings(a), Settings(2)),
        (lambda a: [Settings({"x": (a,)})], [Settings({"x": (2,)})]),
        (lambda a: "text", "text"),
    ],
)
def test_containers(a, make, expected):
    value = make(a)
    result = evaluate(value, {"a": 2})
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [[1, [2]], {"a": (1, 2)}, Settings(3), Point(1, 2), range(3), object()])
def test_what_has_no_expression_is_not_copied(value):
    assert evaluate(value, {}) is value
    assert find_expressions(value) == ()


def test_a_class_is_no_container():
    assert evaluate(Settings, {}) is Settings


def test_places(a):
    value = [1, {"k": (a, Settings(a))}]
    assert [place for place, _ in locate_expressions(value, "arg")] == ["arg[1]['k'][0]", "arg[1]['k'][1].depth"]


def test_missing_label(a):
    with pytest.raises(ArchitectureError, match="'a'"):
        evaluate([a], {"b": 1})


def test_parts_of_containers_and_back():
    value = Settings({"x": 1})
    parts = parts_of(value)
    assert parts == {"depth": {"x": 1}, "width": 1}
    assert rebuilt_from(value, {**parts, "depth": 5}) == Settings(5)
    assert parts_of(3) is None


def test_leaves_with_their_places():
    assert list(leaves([1, {"k": (2,)}], "arg")) == [("arg[0]", 1), ("arg[1]['k'][0]", 2)]


def test_leaves_are_replaced_and_containers_kept_where_nothing_changes():
    inner = [1, 2]
    replaced = replace_leaves([inner, ["a"]], lambda leaf: leaf.upper() if isinstance(leaf, str) else leaf)
    assert replaced == [[1, 2], ["A"]]
    assert replaced[0] is inner


def test_expressions_are_replaced_by_what_a_function_makes_of_them(a):
    assert replace_expressions([a + 1, "text"], lambda found: "expression") == ["expression", "text"]


def test_variables_of_several_expressions_once_each(a):
    assert [variable.label for variable in variables_in((a + 1, a * a))] == ["a"]


def test_a_choice_is_a_value_in_expressions():
    variable = ChoiceVariable(Categorical("width", (8, 16)))
    assert (variable.label, (variable * 2).evaluate({"width": 16}), variable()) == ("width", 32, 8)
    assert copy.deepcopy(variable) is variable


def test_an_automatic_label_is_numbered_within_its_model():
    label = AutomaticLabel("model_7", origin=1, number=7, rest="/op")
    assert label == "model_7"
    assert label.relative_to(5) == "model_3/op"
    assert pickle.loads(pickle.dumps(label)).relative_to(5) == "model_3/op"
