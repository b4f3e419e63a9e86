"""`takes_class`: let a function get the model's class as its first argument, as NNI 2.x calls it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


class _TakesModelClass:
    """A function with a first parameter called ``model_cls``: `FunctionalEvaluator` passes the model's class to it."""

    def __init__(self, function: Callable[..., Any], signature: inspect.Signature) -> None:
        functools.update_wrapper(self, function, updated=())
        first, *others = signature.parameters.values()
        self.__signature__ = signature.replace(parameters=[first.replace(name="model_cls"), *others])
        self.function = function

    def __call__(self, model_cls: Callable[[], Any], /, **arguments: Any) -> Any:
        return self.function(model_cls, **arguments)


def takes_class(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a first parameter called ``model_cls``, so that it gets the model's class."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # the evaluator explains the error
        return function
    return _TakesModelClass(function, signature) if signature.parameters else function
