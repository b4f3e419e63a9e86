"""`FunctionalEvaluator`: a plain function that trains and measures a model."""

from __future__ import annotations

import copy
import inspect
import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from retiarii.errors import EvaluatorError
from retiarii.evaluator._evaluator import Evaluator
from retiarii.evaluator._trace import as_variables
from retiarii.evaluator._trial_context import CONTEXT, TrialContext, asks_for_context
from retiarii.space.construction import evaluate
from retiarii.trial import MetricValue

_CLASS_NAME = re.compile(r"cls|klass|\w+_(cls|class)")
_CLASS_ANNOTATION = re.compile(r"(<class ')?([\w.]+\.)?(type|Type|Callable)\b")


class FunctionalEvaluator(Evaluator):
    """Evaluates models with a function.

    ::

        def evaluate_model(model, learning_rate):
            ...
            return accuracy  # or report_final_result(accuracy)

        FunctionalEvaluator(evaluate_model, learning_rate=nn.ValueChoice([0.1, 0.01]))

    The function's first argument is the model, or the architecture if a bare search space is searched. A function can
    also get a callable without arguments that returns a new copy of the model on each call: this is so if the name of
    its first parameter is ``cls``, ``model_cls``, ``model_class``, ``..._cls`` or ``..._class``, or if the parameter is
    annotated with ``type[...]`` or ``Callable[..., ...]``.

    A function with a parameter ``context`` gets the `TrialContext`, unless ``context`` is one of the arguments.

    Args:
        function: ``function(model, **arguments)``, which returns the final metric or reports it.
        arguments: Further arguments, as a mapping.
        kwargs: Further arguments, by name. Choices in them are searched jointly with the architecture.

    Attributes:
        function: The function.
        arguments: Its further arguments, including choices.

    Raises:
        EvaluatorError: ``function`` cannot be called with a model and these arguments.
    """

    def __init__(self, function: Callable[..., Any], arguments: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if arguments is not None and not isinstance(arguments, Mapping):
            raise EvaluatorError(
                f"FunctionalEvaluator got arguments={arguments!r}, expected a mapping from names to values, or "
                "keywords: FunctionalEvaluator(function, learning_rate=0.1)."
            )
        self.function = function
        self.arguments: dict[str, Any] = as_variables({**(arguments or {}), **kwargs})
        self._wants_context = CONTEXT not in self.arguments and asks_for_context(function)
        bound = {**self.arguments, CONTEXT: None} if self._wants_context else self.arguments
        self._wants_class = _check_signature(function, bound)
        self.fidelities = None if self._wants_context else ()

    def __repr__(self) -> str:
        arguments = "".join(f", {name}={reprlib.repr(value)}" for name, value in self.arguments.items())
        return f"FunctionalEvaluator({_name(self.function)}{arguments})"

    def evaluate(self, model: Any, context: TrialContext | None = None) -> MetricValue | None:
        """Call the function; choices in the arguments take their defaults.

        Args:
            model: The model. The function gets it, or a callable that copies it if it takes a class.
            context: The trial, for functions with a parameter of this name.

        Returns:
            The value that the function returned.
        """
        argument = _ModelClass(model) if self._wants_class else model
        told = {CONTEXT: context or TrialContext()} if self._wants_context else {}
        result: MetricValue | None = self.function(argument, **evaluate(self.arguments), **told)
        return result


class _ModelClass:
    """A replacement of the model's class: each call returns a new, independent copy of the model."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self) -> Any:
        return copy.deepcopy(self._model)


def _check_signature(function: Any, arguments: Mapping[str, Any]) -> bool:
    """Check that the function takes a model and the arguments; return whether it takes the model's class."""
    if not callable(function):
        raise EvaluatorError(
            f"FunctionalEvaluator got {function!r} of type {type(function).__name__}, expected a function(model, ...)."
        )
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in callables have none
        return False
    try:
        signature.bind(None, **arguments)
    except TypeError as err:
        raise EvaluatorError(
            f"{_name(function)}{signature} cannot be called with a model and the arguments {sorted(arguments)}: {err}. "
            "Its first parameter gets the model, all others are arguments of FunctionalEvaluator."
        ) from err
    first = next(iter(signature.parameters.values()))
    return bool(_CLASS_NAME.fullmatch(first.name) or _CLASS_ANNOTATION.match(str(first.annotation)))


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", repr(function)))
