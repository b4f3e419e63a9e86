"""`takes_class`: functions that NNI 2.x calls with a class of the model, as functions that this package calls so."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


class _TakesModelClass:
    """A function whose first parameter is named so that `FunctionalEvaluator` gives it a class."""

    def __init__(self, function: Callable[..., Any], signature: inspect.Signature) -> None:
        functools.update_wrapper(self, function, updated=())
        first, *others = signature.parameters.values()
        self.__signature__ = signature.replace(parameters=[first.replace(name="model_cls"), *others])
        self.function = function

    def __call__(self, model_cls: Callable[[], Any], /, **arguments: Any) -> Any:
        return self.function(model_cls, **arguments)


def takes_class(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets a class of the model, whatever its first parameter is called, as in NNI 2.x."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # the evaluator says what is wrong with it
        return function
    return _TakesModelClass(function, signature) if signature.parameters else function
