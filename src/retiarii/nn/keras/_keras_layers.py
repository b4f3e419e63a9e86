"""The layers of Keras with choices allowed in their arguments, and `model_wrapper` for code of the user's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from retiarii.nn._stand_in import StandIn
from retiarii.nn.keras._assembly import Assembly
from retiarii.nn.keras._blueprints import Blueprint, CallBlueprint, CodeBlueprint
from retiarii.nn.keras.installed import keras
from retiarii.space.construction import ConstructorCall

PACKAGE = "retiarii.nn.keras"

_PASSED_THROUGH = (keras.Layer, keras.Model)  # what users derive from


def placed(blueprint: Blueprint) -> Any:
    """Return a blueprint; or, where code runs for an architecture, the layer that it builds."""
    assembly = Assembly.current()
    return blueprint if assembly is None else assembly.make(blueprint)


def adopted(value: Any) -> Any:
    """Return the arguments in the form in which a blueprint keeps them."""
    assembly = Assembly.current()
    return value if assembly is None else assembly.adopt(value)


class KerasLayer(StandIn):
    """Replaces a class or function of Keras; its arguments may be choices.

    Args:
        target: The class or function.
        name: The name that it has in this package.
    """

    def __init__(self, target: Callable[..., Any], name: str) -> None:
        super().__init__(target, PACKAGE)
        vars(self).update(_exported=name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = ConstructorCall(vars(self)["__wrapped__"], adopted(args), adopted(kwargs))
        return placed(CallBlueprint(call))

    def __reduce__(self) -> Any:
        return str(vars(self)["_exported"])

    def __repr__(self) -> str:
        return f"<layer {PACKAGE}.{vars(self)['_exported']}>"


class UserCode(StandIn):
    """Replaces a class or function of the user that makes layers; `model_wrapper` returns it.

    Args:
        target: The class or function.
    """

    def __init__(self, target: Callable[..., Any]) -> None:
        super().__init__(target, target.__module__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return placed(CodeBlueprint(ConstructorCall(self, adopted(args), adopted(kwargs))))

    def __reduce__(self) -> Any:
        module, name = vars(self)["__module__"], vars(self)["__qualname__"]
        if module != "__main__" and getattr(sys.modules.get(module), name, None) is self:
            return str(name)  # by reference; code of scripts and notebooks travels by value
        return UserCode, (vars(self)["__wrapped__"],)

    def __repr__(self) -> str:
        return f"<model_wrapper {vars(self)['__module__']}.{vars(self)['__qualname__']}>"


def model_wrapper(target: Callable[..., Any]) -> Any:
    """Decorate a class or function that makes layers with choices and connects them in any way.

    The call is recorded, so that the code can run again for each architecture. In it, layers of this package,
    `LayerChoice`, `InputChoice` and `Repeat` return plain Keras layers with the chosen values. Arguments may be
    choices, too; the code gets the chosen values. The code must make the same choices, whatever the values are.
    Automatic labels count from ``model_1`` in each model.

    Args:
        target: A subclass of ``keras.Model`` or ``keras.Layer``, or a function that returns one built with the
            functional interface.

    Returns:
        A replacement for the class or function; calling it gives a `Blueprint`.

    Raises:
        TypeError: ``target`` is something else, or a class of Keras itself.

    Examples:
        >>> @knn.model_wrapper
        ... def net():
        ...     inputs = keras.Input((28, 28, 1))
        ...     x = knn.Conv2D(knn.ValueChoice([8, 16], label="width"), 3)(inputs)
        ...     return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    """
    if isinstance(target, StandIn):
        return target
    is_class = isinstance(target, type) and issubclass(target, keras.Layer)
    if not (is_class or isinstance(target, FunctionType)):
        raise TypeError(
            f"@model_wrapper got {target!r}, expected a class that derives from keras.Model or keras.Layer, or a "
            "function that returns such a model."
        )
    return UserCode(target)


def keras_name(name: str) -> Any:
    """Return this package's object for a name of ``keras.layers``, or for ``Sequential`` or ``Model`` of ``keras``.

    Raises:
        AttributeError: Keras has no such name.
    """
    if name == "Sequential":
        return KerasLayer(keras.Sequential, name)
    if name == "Model":
        return keras.Model
    found = getattr(keras.layers, name)
    if found is keras.layers.Input or (isinstance(found, type) and issubclass(found, keras.Layer)):
        return found if found in _PASSED_THROUGH else KerasLayer(found, name)
    return found


def keras_names() -> list[str]:
    """Return the names that this package has from Keras."""
    return sorted({"Model", "Sequential", *(name for name in dir(keras.layers) if not name.startswith("_"))})
