"""`StandIn`: a callable that stands where a class stands, and does more than build objects of it."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Any


class StandIn:
    """Stands for a class, or for a function that builds models.

    It can be subclassed, asked with ``isinstance``, compared with ``type(layer) == nn.Conv2d``, and has the class's
    attributes. Subclasses say what a call does.

    Args:
        target: The class or function.
        module: Where users find the stand-in, for pickling.
    """

    # Abstract, but without ABCMeta, which would call __subclasscheck__ as the class's own.

    def __init__(self, target: Callable[..., Any], module: str) -> None:
        # In the instance, so that ``nn.Linear.__init__(self, ...)`` of old-style subclasses means the class's.
        vars(self).update(__init__=target.__init__, __name__=target.__name__, __qualname__=target.__qualname__)
        vars(self).update(__module__=module, __doc__=target.__doc__, __wrapped__=target)

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Build an object."""

    def __getattr__(self, name: str) -> Any:
        target = vars(self)["__wrapped__"]
        return inspect.signature(target) if name == "__signature__" else getattr(target, name)

    def __dir__(self) -> list[str]:
        return dir(vars(self)["__wrapped__"])

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any]:
        return (vars(self)["__wrapped__"],)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, vars(self)["__wrapped__"])

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(stood_for(subclass), vars(self)["__wrapped__"])

    def __or__(self, other: Any) -> Any:
        return vars(self)["__wrapped__"] | stood_for(other)

    def __ror__(self, other: Any) -> Any:
        return stood_for(other) | vars(self)["__wrapped__"]

    def __eq__(self, other: object) -> bool:
        return stood_for(other) is vars(self)["__wrapped__"]

    def __hash__(self) -> int:
        return hash(vars(self)["__wrapped__"])


def stood_for(obj: Any) -> Any:
    """Return the class that a stand-in stands for, and anything else as it is."""
    return vars(obj)["__wrapped__"] if isinstance(obj, StandIn) else obj
