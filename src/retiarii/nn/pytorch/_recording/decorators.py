"""`basic_unit` and `model_wrapper`: classes whose constructor calls are recorded."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar, cast

from torch import nn

from retiarii.nn._labels.chosen_values import FixingContext
from retiarii.nn._labels.namespace import ModelNamespace
from retiarii.nn.pytorch._recording.layer_factories import PACKAGE, ForeignUnit, LayerFactory
from retiarii.nn.pytorch._recording.misuse import explaining_misuse
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, note_changes

ModuleClass = TypeVar("ModuleClass", bound=type[nn.Module])

_ROLE = "_retiarii_role"
_TAG = "_retiarii_basic_unit"


def basic_unit(cls: ModuleClass, basic_unit_tag: bool = True) -> ModuleClass:
    """Let choices be passed to the constructor of a module class; it gets the chosen values.

    As a decorator, and for a class of the module that calls this, the class stays the same class, whose constructor
    records its calls. A class of another module or library is not touched, because others use it, too: the result is
    a substitute for it, as ``retiarii.nn.pytorch.Conv2d`` is for ``torch.nn.Conv2d``, so use the result:
    ``Block = basic_unit(library.Block)``. Subclasses are not basic units unless they are decorated too.

    Args:
        cls: A subclass of ``nn.Module``.
        basic_unit_tag: Whether graphs show the module as one node, without looking inside.

    Returns:
        The class, or its substitute.

    Raises:
        TypeError: This is no module class.

    Examples:
        >>> @basic_unit
        ... class Scale(nn.Module):
        ...     def __init__(self, factor):
        ...         super().__init__()
        ...         self.factor = factor
        >>> Scale(nn.ValueChoice([1.0, 2.0]))
    """
    if isinstance(cls, LayerFactory):
        return cls  # layers of this package are basic units
    if isinstance(cls, type) and issubclass(cls, nn.Module) and _is_foreign(cls, sys._getframe(1)):
        return cast(ModuleClass, _stand_in(cls, basic_unit_tag))
    _patch(cls, Role.UNIT, "basic_unit")
    setattr(cls, _TAG, (cls, basic_unit_tag))
    return cls


def is_basic_unit(cls: type) -> bool:
    """Return whether graphs show modules of exactly this class as one node because of `basic_unit`."""
    return getattr(cls, _TAG, None) == (cls, True)


def model_wrapper(cls: ModuleClass) -> ModuleClass:
    """Mark the class of a base model.

    Its constructor calls are recorded, so that the model can be built again, which `ModelParameterChoice` and weights
    that the constructor initialises itself need; and automatic labels count from ``model_1`` in each model.

    The class stays the same class. Subclasses are not wrapped unless they are decorated too.

    Args:
        cls: A subclass of ``nn.Module``, but none of PyTorch itself.

    Raises:
        TypeError: This is no module class, or one of PyTorch, which would change for the whole process.
    """
    _patch(cls, Role.MODEL, "model_wrapper")
    return cls


def _is_foreign(cls: type[nn.Module], caller: FrameType) -> bool:
    """Return whether a class is another module's, complete and in use there, and not being defined right now."""
    if cls.__module__ == caller.f_globals.get("__name__") or _ROLE in vars(cls):
        return False
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _stand_in(cls: type[nn.Module], is_node: bool) -> Any:
    if getattr(nn, cls.__name__, None) is cls:
        return getattr(sys.modules[PACKAGE], cls.__name__)
    return ForeignUnit(cls, is_node)


def _patch(cls: type[nn.Module], role: Role, decorator: str) -> None:
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise TypeError(f"@{decorator} got {cls!r}, expected a class that derives from nn.Module.")
    if cls.__module__.partition(".")[0] == "torch":
        raise TypeError(
            f"@{decorator} got PyTorch's own class {cls.__module__}.{cls.__qualname__}, which it would change for the "
            "whole process. Derive a class of your own from it."
        )
    is_patched = _ROLE in vars(cls)
    setattr(cls, _ROLE, role)
    if is_patched:
        return
    original: Callable[..., None] = cls.__init__

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(self) is not cls:  # a subclass calls super().__init__()
            original(self, *args, **kwargs)
        elif vars(cls)[_ROLE] is Role.UNIT:
            _init_unit(self, original, args, kwargs)
        else:
            _init_model(self, original, args, kwargs)

    cls.__init__ = __init__  # type: ignore[method-assign]  # in place, so that the class stays the same class


def _init_unit(unit: nn.Module, original: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    call = ModuleCall.of(type(unit), args, kwargs, Role.UNIT)
    nn.Module.__init__(unit)  # small units often forget it
    plain_args, plain_kwargs = call.plain_arguments()
    with explaining_misuse(), call.explaining_division(plain_args, plain_kwargs):
        original(unit, *plain_args, **plain_kwargs)
    _finish_record(unit, call)


def _init_model(model: nn.Module, original: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    call = ModuleCall.of(type(model), args, kwargs, Role.MODEL)
    with ModelNamespace() as namespace, explaining_misuse():
        original(model, *args, **kwargs)
    call.parameters = tuple(namespace.parameters)
    _finish_record(model, call)
    fixing = FixingContext.current()
    if fixing is not None and namespace.is_outermost:
        fixing.finish(model)


def _finish_record(module: nn.Module, call: ModuleCall) -> None:
    if FixingContext.current() is None:
        note_changes(module, call)
    call.finish(module)
