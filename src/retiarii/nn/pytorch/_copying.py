"""`Copier`: builds the fixed model anew, and leaves the base model as it is."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._attributes import chosen_attribute
from retiarii.nn.pytorch._chosen import ChosenValues
from retiarii.nn.pytorch._construction import CALL_ATTRIBUTE
from retiarii.nn.pytorch._freezer import Freezer, Frozen
from retiarii.nn.pytorch._losses import Losses
from retiarii.nn.pytorch._rebuilding import rebuild
from retiarii.nn.pytorch._recording import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch._replicating import SHARED, Replicator
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space import Expression


class _ConstructorNeeded(Exception):  # noqa: N818 - a signal to the copier further out, not an error
    """Something depends on what a constructor computes with the architecture, so the constructor has to run again."""

    def __init__(self, call: ModuleCall) -> None:
        super().__init__()
        self.call = call


class Copier(Freezer):
    """Copies the active part of a model with the values of an architecture.

    Modules that are shared in the base model are shared in the copy, and parameters that are tied stay tied.

    Args:
        values: The architecture.
        root: The base model.
    """

    def __init__(self, values: ChosenValues, root: nn.Module) -> None:
        super().__init__(values)
        self._root = root
        self._frozen: dict[int, Frozen] = {}
        self._memo: dict[int, Any] = {}  # from the id of a part of the base model to its copy, as for deepcopy
        self._replicator = Replicator(self._memo, self._copied_module, self.evaluate)
        self._unfinished: list[tuple[nn.Module, nn.Module, str]] = []
        self._constructors: list[ModuleCall] = []
        self._losses = Losses()

    def model(self) -> Frozen:
        """Return the fixed model.

        Raises:
            ArchitectureError: The architecture does not fit the model.
            FreezeError: The model would have to be built again, which is not possible.
        """
        frozen = self.module(self._root)
        while self._unfinished:
            self._finish_attribute(*self._unfinished.pop())
        self._losses.warn()
        return frozen

    def module(self, module: nn.Module) -> Frozen:
        """Return the fixed copy of a module."""
        known = self._frozen.get(id(module))
        if known is None:
            known = module.freeze_by(self) if isinstance(module, Mutable) else Frozen(self._copy(module))
            self._frozen[id(module)] = known
            self._memo[id(module)] = known.module
        return known

    def need_constructor(self, reason: str) -> None:
        """Have the outermost constructor run again, because it used something that the architecture changes."""
        if not self._constructors:
            raise FreezeError(
                f"{reason} at {self.place}, which depends on the architecture, so the model has to be built again. "
                f"Decorate {type(self._root).__name__} with @model_wrapper, or build it inside 'with fixed_arch(...)'."
            )
        raise _ConstructorNeeded(self._constructors[0])

    def _copy(self, module: nn.Module) -> nn.Module:
        call = module_call(module)
        if call is None:
            return self._clone(module)
        if call.role is Role.LAYER:
            return self._layer(module, call)
        return self._unit(module, call) if call.role is Role.UNIT else self._model(module, call)

    # Recorded modules.

    def _layer(self, layer: nn.Module, call: ModuleCall) -> nn.Module:
        differs = self._arguments_differ(call)
        changes = call.changes(layer)
        if changes is not None:
            if not differs:
                return self._clone(layer)
            self._give_up(layer, call, changes)
        args, kwargs = self._arguments(call)
        new: nn.Module = call.cls(*args, **kwargs)
        if call.modules:
            for module in new.modules():
                forget_call(module)
        self._adopt(layer, new)
        return new

    def _unit(self, unit: nn.Module, call: ModuleCall) -> nn.Module:
        differs = self._arguments_differ(call)
        changes = call.changes(unit)
        if not differs and (changes is not None or call.has_choices_inside):
            return self._clone_or_rebuild(unit, call)
        if changes is not None:
            self._give_up(unit, call, changes)
        return self._rebuilt(unit, call)

    def _model(self, model: nn.Module, call: ModuleCall) -> nn.Module:
        if not self.parameters_differ(call):
            return self._clone_or_rebuild(model, call)
        if self._constructors:
            raise _ConstructorNeeded(self._constructors[0])
        return self._rebuilt(model, call)

    def _clone_or_rebuild(self, module: nn.Module, call: ModuleCall) -> nn.Module:
        depth = len(self._path)
        self._constructors.append(call)
        try:
            return self._clone(module)
        except _ConstructorNeeded as signal:
            if signal.call is not call:
                raise
        finally:
            self._constructors.pop()
        del self._path[depth:]
        return self._rebuilt(module, call)

    def _rebuilt(self, module: nn.Module, call: ModuleCall) -> nn.Module:
        args, kwargs = (call.args, call.kwargs) if call.role is Role.MODEL else self._arguments(call)
        new = rebuild(module, call, args, kwargs, self.values, self.place, self._losses)
        match_placement(module, new)
        return new

    def _arguments_differ(self, call: ModuleCall) -> bool:
        return self.differs(call) if call.variables else call.has_choices_in_modules

    def _arguments(self, call: ModuleCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        replicate = self._replicator.replicate
        return tuple(map(replicate, call.args)), {name: replicate(value) for name, value in call.kwargs.items()}

    def _give_up(self, module: nn.Module, call: ModuleCall, changes: list[str]) -> None:
        """Have the constructor run again that made the changes to a module with another shape, or note the loss."""
        if not call.changed_since(module):
            for constructor in self._constructors:
                if constructor.serial == call.changed_by:
                    raise _ConstructorNeeded(constructor)
        self._losses.note(self.place, module, changes)

    def _adopt(self, old: nn.Module, new: nn.Module) -> None:
        """Carry over to a layer that was built anew what it shares with others, and what is no argument."""
        pairs = zip(old.modules(), new.modules(), strict=False) if old._modules else ((old, new),)
        for before, after in pairs:
            after.training = before.training
            for name, parameter in before._parameters.items():
                fresh = after._parameters.get(name)
                if parameter is not None and fresh is not None:
                    after._parameters[name] = self._adopted(parameter, fresh)
        match_placement(old, new)

    def _adopted(self, parameter: nn.Parameter, fresh: nn.Parameter) -> nn.Parameter:
        self._losses.meet(parameter)
        known: nn.Parameter = self._memo.setdefault(id(parameter), fresh)
        if known is fresh and not parameter.requires_grad:
            fresh.requires_grad_(False)
        return known

    # Everything else.

    def _clone(self, module: nn.Module) -> nn.Module:
        """Copy a module as it is: copies of its tensors, its children fixed, its attributes to be finished later."""
        cls = type(module)
        if hasattr(cls, "__deepcopy__"):  # made by torch.fx or torch.jit: no choices inside, and its own way to copy
            return copy.deepcopy(module, self._memo)
        new: nn.Module = object.__new__(cls)
        self._memo[id(module)] = new
        self._frozen[id(module)] = Frozen(new)
        state = vars(new)
        for name, value in vars(module).items():
            if type(value) in SHARED:
                state[name] = value
            elif type(value) is OrderedDict and not value:  # hooks
                state[name] = OrderedDict()
            elif name not in _CONTENTS:
                state[name] = value
                self._unfinished.append((module, new, name))
        state["_parameters"] = {name: self._tensor(value) for name, value in module._parameters.items()}
        state["_buffers"] = {name: self._tensor(value) for name, value in module._buffers.items()}
        state["_modules"] = {}
        for name, child in module._modules.items():
            if child is None:
                new._modules[name] = None
            else:
                self.attach(new, name, self.child(module, name))
        return new

    def _tensor(self, tensor: Tensor | None) -> Any:
        if isinstance(tensor, nn.Parameter):
            self._losses.meet(tensor)
        return copy.deepcopy(tensor, self._memo)

    def _finish_attribute(self, module: nn.Module, new: nn.Module, name: str) -> None:
        value = vars(module)[name]
        copied = self._replicator.replicate(value)
        vars(new)[name] = chosen_attribute(type(new), name, copied) if isinstance(value, Expression) else copied

    def _copied_module(self, module: nn.Module) -> nn.Module | None:
        """Return the copy of a module that is referred to; a candidate that is not chosen has none."""
        known = self._frozen.get(id(module))
        if known is None and any(module is other for other in self._root.modules()):
            return None
        return self.module(module).module


_CONTENTS = frozenset({"_parameters", "_buffers", "_modules", CALL_ATTRIBUTE})


def match_placement(old: nn.Module, new: nn.Module) -> None:
    """Move a module that was built anew to the device and data type of the old one."""
    before, after = _first_tensor(old), _first_tensor(new)
    if before is None or after is None or before.is_meta:
        return
    if before.device != after.device or before.dtype != after.dtype:
        new.to(device=before.device, dtype=before.dtype if before.is_floating_point() else None)


def _first_tensor(module: nn.Module) -> Tensor | None:
    for owner in module.modules():
        for tensor in (*owner._parameters.values(), *owner._buffers.values()):
            if tensor is not None:
                return tensor
    return None
