from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field

import pytest

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError
from retiarii.space.construction import (
    CALL_ATTRIBUTE,
    ConstructorCall,
    call_of,
    evaluate,
    find_expressions,
    locate_expressions,
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
