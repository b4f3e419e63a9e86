"""`FunctionalEvaluator`: the arguments of its function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Type  # noqa: UP035 - users annotate with it

import pytest
import torch
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.errors import ArchitectureError, EvaluatorError
from retiarii.evaluator import FunctionalEvaluator, TrialContext, run_evaluation


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)


def evaluate(function, model, **arguments):
    return run_evaluation(FunctionalEvaluator(function, **arguments), model, TrialContext())["default"]


def test_the_function_gets_the_model_itself():
    net = Net()
    assert evaluate(lambda model: float(model is net), net) == 1.0


def by_name(model_cls):
    return model_cls


def by_short_name(cls):
    return cls


def by_suffix(net_class):
    return net_class


def by_annotation(m: type[nn.Module]):
    return m


def by_old_annotation(m: Type[nn.Module]):  # noqa: UP006 - as above
    return m


def by_callable(m: Callable[[], nn.Module]):
    return m


@pytest.mark.parametrize(
    "identity",
    [by_name, by_short_name, by_suffix, by_annotation, by_old_annotation, by_callable],
    ids=lambda f: f.__name__,
)
def test_a_function_that_asks_for_a_class_gets_a_builder_of_independent_models(identity):
    net = Net()
    expected = net.linear.weight.detach().clone()

    @functools.wraps(identity)  # wraps keeps names and annotations
    def function(source):
        model_cls = identity(source)
        first, second = model_cls(), model_cls()
        with torch.no_grad():
            first.linear.weight.zero_()
        assert isinstance(second, Net)
        assert torch.equal(second.linear.weight, expected)
        assert torch.equal(model_cls().linear.weight, expected)
        return 1.0

    assert evaluate(function, net) == 1.0
    assert torch.equal(net.linear.weight, expected)


@pytest.mark.parametrize("name", ["model", "classifier", "clsnet", "net", "typed"])
def test_other_names_get_a_model(name):
    namespace: dict = {}
    exec(f"def function({name}): return float(isinstance({name}, Net))", {"Net": Net}, namespace)
    assert evaluate(namespace["function"], Net()) == 1.0


def test_extra_arguments_come_by_name_or_as_a_mapping():
    def function(model, epochs, *, scale=1.0):
        return epochs * scale

    assert evaluate(function, Net(), epochs=3, scale=0.5) == 1.5
    assert run_evaluation(FunctionalEvaluator(function=function, arguments={"epochs": 2}), Net(), TrialContext()) == {
        "default": 2.0
    }


@pytest.mark.parametrize("arguments", [{}, {"epochs": 1, "epoch": 2}])
def test_arguments_that_do_not_fit_are_found_at_once(arguments):
    with pytest.raises(EvaluatorError, match="epoch"):
        FunctionalEvaluator(lambda model, epochs: 0.0, **arguments)


def test_a_function_must_be_callable():
    with pytest.raises(EvaluatorError, match="expected a function"):
        FunctionalEvaluator("accuracy")


def test_choices_in_arguments_are_a_space_and_are_fixed_by_an_architecture():
    def function(model, learning_rate, schedule):
        return learning_rate * schedule["warmup"]

    evaluator = FunctionalEvaluator(
        function,
        learning_rate=rnn.ValueChoice([0.1, 0.2], label="lr"),
        schedule={"warmup": rnn.ValueChoice([1, 10], label="warmup") + 1},
    )
    space = evaluator.search_space
    assert space.size == 4
    assert {choice.label for choice in space} == {"lr", "warmup"}
    assert evaluate_with(evaluator.fix({"lr": 0.2, "warmup": 10})) == 0.2 * 11
    assert evaluate_with(evaluator.fix({"lr": 0.1, "warmup": 1, "conv/kernel": 3})) == 0.1 * 2  # the model's label
    assert evaluator.arguments["schedule"]["warmup"].default() == 2  # fixing changes nothing in the evaluator itself


def evaluate_with(evaluator):
    return run_evaluation(evaluator, Net(), TrialContext())["default"]


def test_choices_that_nobody_fixed_take_their_default():
    evaluator = FunctionalEvaluator(lambda model, lr: lr, lr=rnn.ValueChoice([0.5, 0.2]))
    assert evaluator.evaluate(Net()) == 0.5


def test_unlabelled_choices_are_numbered_in_order_of_appearance():
    shared = rnn.ValueChoice([1, 2])
    evaluator = FunctionalEvaluator(
        lambda model, **kwargs: sum(kwargs.values()), a=shared, b=rnn.ValueChoice([3, 4]), c=shared
    )
    assert [choice.label for choice in evaluator.search_space] == ["param_1", "param_2"]
    assert evaluate_with(evaluator.fix({"param_1": 2, "param_2": 3})) == 2 + 3 + 2


def test_a_value_outside_the_choice_is_named():
    evaluator = FunctionalEvaluator(lambda model, lr: lr, lr=rnn.ValueChoice([0.1, 0.2], label="lr"))
    with pytest.raises(ArchitectureError, match="lr"):
        evaluator.fix({"lr": 0.3})
    with pytest.raises(ArchitectureError, match="lr"):
        evaluator.fix({})


def test_without_choices_an_evaluator_is_already_fixed():
    evaluator = FunctionalEvaluator(lambda model: 0.0)
    assert evaluator.search_space.size == 1
    assert evaluator.fix({"conv": 3}) is evaluator


def test_execute_takes_a_class_an_instance_or_a_factory():
    evaluator = FunctionalEvaluator(lambda model, lr: lr * model.linear.in_features, lr=rnn.ValueChoice([0.5, 1.0]))
    assert evaluator._execute(Net) == 1.0
    assert evaluator._execute(Net()) == 1.0
    assert evaluator._execute(lambda: Net()) == 1.0


class Space(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = rnn.Linear(2, rnn.ValueChoice([3, 5], label="width"))


def test_execute_fixes_a_space_to_its_first_candidates():
    evaluator = FunctionalEvaluator(lambda model: model.linear.out_features + len(rnn.extract_space(model)))
    assert evaluator._execute(Space) == 3
    assert evaluator._execute(Space()) == 3


def test_arguments_are_a_mapping():
    with pytest.raises(EvaluatorError, match=r"arguments=\[1\], expected a mapping"):
        FunctionalEvaluator(lambda model, lr: lr, [1])
