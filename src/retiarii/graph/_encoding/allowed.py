"""`Allowed`: the names that a graph from a file may use; other names are refused when the file is read.

Allowed are the operators in `allowed_names`, the layers of ``torch.nn`` and ``retiarii.nn.pytorch``, and the classes,
functions and enumerations that are defined in modules that the caller names. Only these modules are imported.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

import retiarii.nn.pytorch as own_layers
from retiarii.errors import GraphError
from retiarii.graph._encoding.allowed_names import ATTRIBUTES, FUNCTIONS, METHODS
from retiarii.graph._operations.qualified_names import resolve_any, type_name
from retiarii.graph._operations.safe_names import is_name
from retiarii.nn.pytorch.constructor_calls import layer_class

_LAYERS = {"torch.nn": nn, "retiarii.nn.pytorch": own_layers}


class Allowed:
    """Turns names from a file into classes and functions.

    Args:
        modules: Names of modules and packages whose classes and functions may be used.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._modules = (modules,) if isinstance(modules, str) else tuple(modules)

    def layer(self, name: str) -> type[nn.Module]:
        """Return a module class.

        Raises:
            GraphError: It is not allowed, or there is no such class.
        """
        parent, _, short = name.rpartition(".")
        found = getattr(_LAYERS.get(parent), short, None) if not short.startswith("_") else None
        found = layer_class(found) if found is not None else self._named(name)
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise self._refusal("build", name)
        return found

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function.

        Raises:
            GraphError: It is not allowed, or there is no such function.
        """
        parent, _, short = name.rpartition(".")
        if short in FUNCTIONS.get(parent, ()):
            found = resolve_any(name)
        else:
            found = self._named(name)
        if not callable(found) or (parent not in FUNCTIONS and not inspect.isfunction(found)):
            raise self._refusal("call", name)
        return found  # type: ignore[no-any-return] # checked to be callable

    def class_or_function(self, name: str) -> Any:
        """Return a module class or a function that is an argument.

        Raises:
            GraphError: It is not allowed, or there is no such object.
        """
        parent, _, short = name.rpartition(".")
        if name == "builtins.getattr":  # nodes that call it have their attribute checked
            raise self._refusal("pass on", name)
        if short in FUNCTIONS.get(parent, ()):
            return self.function(name)
        if parent in _LAYERS or isinstance(self._named(name), type):
            return self.layer(name)
        return self.function(name)

    def member(self, name: str, member: str) -> enum.Enum:
        """Return a member of an enumeration.

        Raises:
            GraphError: It is not allowed, or there is no such member.
        """
        found = self._named(name)
        if not (isinstance(found, type) and issubclass(found, enum.Enum)) or member not in found.__members__:
            raise self._refusal("use", f"{name}.{member}")
        return found[member]

    def check_method(self, name: str) -> None:
        """Check the name of a method.

        Raises:
            GraphError: It is not allowed.
        """
        if name not in METHODS:
            raise self._refusal("call the method", name)

    def check_attribute(self, name: Any) -> None:
        """Check the name of an attribute that is read.

        With modules of the caller, any public name is allowed: named tuples have their own attributes.

        Raises:
            GraphError: It is not allowed.
        """
        is_own = bool(self._modules) and isinstance(name, str) and is_name(name) and not name.startswith("_")
        if not is_own and not (isinstance(name, str) and name in ATTRIBUTES):
            raise self._refusal("read the attribute", name)

    def _named(self, name: str) -> Any:
        """Return an object that is defined, not just imported, in a module that the caller named."""
        if not any(name.startswith(f"{module}.") for module in self._modules):
            raise self._refusal("use", name)
        found = resolve_any(name)
        home = getattr(found, "__module__", None) or ""
        if type_name(found) != name or not any(f"{home}.".startswith(f"{module}.") for module in self._modules):
            raise self._refusal("use", name)
        return found

    def _refusal(self, what: str, name: Any) -> GraphError:
        named = f", and what is defined in {', '.join(self._modules)}" if self._modules else ""
        return GraphError(
            f"A graph from a file may not {what} {name!r}. Allowed are operators of PyTorch and Python that compute, "
            f"layers of torch.nn{named}. If you trust the code of your own modules with this graph, name them: "
            'model_from_json(data, modules=["my_package.layers"]).'
        )
