"""`trace` and `serialize`: objects with a record of their constructor calls."""

from __future__ import annotations

import copy
import inspect
import pickle
from fractions import Fraction

import pytest
from torch.utils.data import DataLoader, Dataset, TensorDataset

import retiarii.nn.pytorch as rnn
from retiarii.errors import EvaluatorError
from retiarii.evaluator import FunctionalEvaluator, dumps, loads, serialize, trace

_built = []


class Data(Dataset):
    """Counts how often it is built, and forgets what it was told."""

    def __init__(self, size, scale=1):
        _built.append(size)
        self.items = [scale * i for i in range(size)]

    def __getitem__(self, index):
        return self.items[index]

    def __len__(self):
        return len(self.items)


@trace
class Marked(Data):
    """A decorated class."""

    def __init__(self, size, **kwargs):
        super(Marked, self).__init__(size, **kwargs)  # noqa: UP008 - the old spelling must work, too


class Child(Marked):
    def __init__(self):
        super().__init__(3)
        self.extra = 1


@trace
def load(size, scale=1):
    return Data(size, scale)


@trace
def sizes(count):
    return list(range(count))


def scaled(parts, by, of=None):
    return by["factor"] * sum(parts if of is None else map(of, parts))


@trace
def hand_through(data, flag=None):
    return data


@pytest.fixture(autouse=True)
def _count_from_zero():
    _built.clear()


def travel(obj):
    return loads(dumps(obj, "object"))


@pytest.mark.parametrize("make", [trace(Data), Marked, load, lambda *args: serialize(Data, *args)])
def test_a_traced_object_is_real_and_travels_as_its_constructor_call(make):
    data = make(5, 2) if make is not Marked else make(5, scale=2)
    assert isinstance(data, Data)
    assert type(data) in (Data, Marked)
    assert data.items == [0, 2, 4, 6, 8]
    data.items = None  # what is changed later does not travel
    assert travel(data).items == [0, 2, 4, 6, 8]
    assert _built == [5, 5]


def test_a_size_of_the_payload_is_that_of_the_arguments():
    assert len(dumps(trace(Data)(100_000), "data")) < 1000


def test_what_is_used_twice_is_built_once():
    data = trace(Data)(4)
    first, second = travel([trace(DataLoader)(data), trace(DataLoader)(data, batch_size=2)])
    assert first.dataset is second.dataset
    assert _built == [4, 4]


def test_an_instance_is_passed_through():
    instance = Data(3)
    assert serialize(instance) is instance
    with pytest.raises(EvaluatorError, match="expected a class or a function"):
        serialize(instance, 3)


def test_an_existing_class_is_left_alone():
    factory = trace(Data)
    assert Data(2).__dict__.keys() == {"items"}
    assert isinstance(Data(2), factory)
    assert issubclass(Data, factory)
    assert factory.__name__ == "Data"
    assert factory.__getitem__ is Data.__getitem__
    assert inspect.signature(factory) == inspect.signature(Data)
    assert (factory | None) == (Data | None)

    class Sub(factory):
        pass

    assert Sub.__mro__[1] is Data

    class OldStyle(factory):
        def __init__(self):
            factory.__init__(self, 4)

    assert len(OldStyle()) == 4


def test_a_decorated_class_stays_itself():
    assert inspect.isclass(Marked)
    assert Marked.__doc__ == "A decorated class."
    assert list(inspect.signature(Marked).parameters) == ["size", "kwargs"]
    assert pickle.loads(pickle.dumps(Marked)) is Marked
    assert trace(Marked) is Marked
    assert trace()(Marked) is Marked
    assert trace(load) is load


def test_a_subclass_that_is_not_traced_travels_with_its_state():
    child = Child()
    child.extra = 7
    assert travel(child).extra == 7
    assert _built == [3]


def test_copies_are_independent_and_traced():
    data = Marked(3)
    other = copy.deepcopy(data)
    other.items.append(9)
    assert len(data) == 3
    assert len(travel(other)) == 3


def test_choices_count_as_their_defaults_until_they_are_fixed():
    data = trace(Data)(rnn.ValueChoice([2, 4], label="size") + 1)
    assert len(data) == 3
    assert len(travel(data)) == 3
    evaluator = FunctionalEvaluator(lambda model, data: len(data), data=data)
    assert evaluator.search_space.size == 2
    assert len(evaluator.fix({"size": 4}).arguments["data"]) == 5
    assert len(travel(evaluator).fix({"size": 4}).arguments["data"]) == 5


@pytest.mark.parametrize("make", [Marked, load])
def test_every_kind_of_traced_object_can_be_fixed(make):
    evaluator = FunctionalEvaluator(lambda model, parts: 0, parts=[make(rnn.ValueChoice([2, 4], label="size"))])
    assert len(evaluator.fix({"size": 4}).arguments["parts"][0]) == 4
    assert len(evaluator.arguments["parts"][0]) == 2


def test_only_what_depends_on_a_choice_is_built_again():
    data = trace(Data)(8)
    batch_size = rnn.ValueChoice([1, 2], label="batch_size")
    loader = trace(DataLoader)(data, batch_size=batch_size)
    evaluator = FunctionalEvaluator(
        lambda model, **kwargs: 0, first=loader, again=loader, other=trace(DataLoader)(data)
    )
    fixed = evaluator.fix({"batch_size": 2}).arguments
    assert _built == [8]
    assert fixed["first"] is fixed["again"]
    assert fixed["first"] is not loader
    assert fixed["first"].batch_size == 2
    assert fixed["first"].dataset is data
    assert fixed["other"] is evaluator.arguments["other"]


@trace
class Ruler:
    """An evaluator's argument whose arguments are objects with choices."""

    def __init__(self, parts):
        self.total = sum(len(part) for part in parts.values())


def test_choices_are_found_at_any_depth_and_named_by_their_place():
    size = rnn.ValueChoice([2, 4], label="size")
    evaluator = FunctionalEvaluator(lambda model, ruler: 0, ruler=Ruler({"a": trace(Data)(size), "b": Marked(1)}))
    (choice,) = evaluator.search_space
    assert choice.declared_at == "evaluator.arguments['ruler'].parts['a'].size"
    assert evaluator.fix({"size": 4}).arguments["ruler"].total == 5


def test_results_that_cannot_remember_travel_by_value():
    assert travel(sizes(3)) == [0, 1, 2]
    data = TensorDataset()
    assert hand_through(data) is data


def test_functions_that_return_numbers_and_lists_take_choices():
    size = rnn.ValueChoice([1, 2], label="size")
    number = trace(scaled)([size, 3], by={"factor": size * 2})
    made = {"listed": sizes(size), "number": number, "twice": sizes(size + 1)}
    evaluator = travel(FunctionalEvaluator(lambda model, **values: values, **made))
    assert [choice.label for choice in evaluator.search_space] == ["size"]
    assert evaluator.fix({"size": 2}).arguments == {"listed": [0, 1], "number": 20, "twice": [0, 1, 2]}
    assert evaluator.evaluate(None) == {"listed": [0], "number": 8, "twice": [0, 1]}  # the defaults
    assert trace(scaled)([2, 3], by={"factor": 2}) == 10
    assert (number + 1).evaluate({"size": 1}) == 9


def test_choices_inside_traced_arguments_are_not_lost_in_a_number():
    number = trace(scaled)([trace(Data)(rnn.ValueChoice([2, 4], label="size"))], by={"factor": 1}, of=len)
    evaluator = FunctionalEvaluator(lambda model, number: number, number=number)
    assert [evaluator.fix({"size": size}).arguments["number"] for size in (2, 4)] == [2, 4]


def test_an_argument_that_is_handed_through_with_choices_is_an_expression():
    data = TensorDataset()
    evaluator = FunctionalEvaluator(
        lambda model, data: 0, data=hand_through(data, rnn.ValueChoice([1, 2], label="flag"))
    )
    assert [choice.label for choice in evaluator.search_space] == ["flag"]
    assert evaluator.fix({"flag": 2}).arguments["data"] is data


def test_classes_without_a_dict_are_traced_as_far_as_possible():
    assert travel(trace(Fraction)(1, 3)) == Fraction(1, 3)


def test_factories_travel():
    assert isinstance(travel(trace(Data))(2), Data)
    assert travel(load) is load


def test_what_cannot_be_called_is_refused():
    with pytest.raises(EvaluatorError, match="expected a class or a function"):
        trace(3)


@trace
class Scale(FunctionalEvaluator):
    """A traced evaluator: its own arguments are the record."""

    def __init__(self, factor):
        super().__init__(lambda model: factor)
        self.factor = factor


def test_a_traced_evaluator_is_built_again():
    evaluator = Scale(rnn.ValueChoice([2, 3], label="factor"))
    assert evaluator.factor == 2
    assert evaluator.fix({"factor": 3}).factor == 3
    assert travel(evaluator).fix({"factor": 3}).factor == 3
