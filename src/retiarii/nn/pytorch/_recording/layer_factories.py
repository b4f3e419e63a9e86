"""Layer factories: the classes of ``torch.nn``, with choices allowed in their arguments.

``nn.Conv2d`` of this package is no class but a callable that builds plain ``torch.nn.Conv2d`` objects. It stands where
the class stands: it can be subclassed, asked with ``isinstance``, compared with ``type(layer) == nn.Conv2d``, pickled.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from retiarii.nn._stand_in import StandIn, stood_for
from retiarii.nn.pytorch._recording.module_call import Role, build_layer

PACKAGE = "retiarii.nn.pytorch"

# Containers hold what they are given, and Module is what users derive from: choices are no use in their arguments.
_PASSED_THROUGH = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


class LayerFactory(StandIn):
    """Stands for one class of ``torch.nn`` whose constructor arguments may be choices.

    Args:
        cls: The class of ``torch.nn``.
    """

    def __init__(self, cls: type[nn.Module]) -> None:
        super().__init__(cls, PACKAGE)

    def __call__(self, *args: Any, **kwargs: Any) -> nn.Module:
        return build_layer(vars(self)["__wrapped__"], args, kwargs)

    def __reduce__(self) -> Any:
        return str(vars(self)["__name__"])

    def __repr__(self) -> str:
        return f"<layer {PACKAGE}.{vars(self)['__name__']}>"


class ForeignUnit(LayerFactory):
    """Stands for a module class of another module or library, which stays as it is.

    Args:
        cls: The class.
        is_node: Whether graphs show what it builds as one node.
    """

    def __init__(self, cls: type[nn.Module], is_node: bool = True) -> None:
        super().__init__(cls)
        vars(self).update(__module__=cls.__module__, _role=Role.LAYER if is_node else Role.UNIT)

    def __call__(self, *args: Any, **kwargs: Any) -> nn.Module:
        return build_layer(vars(self)["__wrapped__"], args, kwargs, vars(self)["_role"])

    def __reduce__(self) -> Any:
        return ForeignUnit, (vars(self)["__wrapped__"], vars(self)["_role"] is Role.LAYER)

    def __repr__(self) -> str:
        return f"<basic unit {vars(self)['__module__']}.{vars(self)['__qualname__']}>"


def layer_class(obj: Any) -> Any:
    """Return the class that a layer factory stands for, and anything else as it is."""
    return stood_for(obj)


def torch_name(name: str) -> Any:
    """Return what ``retiarii.nn.pytorch`` offers under a name of ``torch.nn``.

    Raises:
        AttributeError: ``torch.nn`` has no such name.
    """
    found = getattr(nn, name)
    if isinstance(found, type) and issubclass(found, nn.Module) and not issubclass(found, _containers()):
        return LayerFactory(found) if found not in _PASSED_THROUGH else found
    return found


def _containers() -> tuple[type, ...]:
    return (*_PASSED_THROUGH[1:], nn.DataParallel, getattr(nn, "Container", nn.Sequential))


def torch_names() -> list[str]:
    """Return the public names of ``torch.nn``."""
    return [name for name in dir(nn) if not name.startswith("_")]
