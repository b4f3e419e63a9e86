"""`Copier`: builds the fixed model anew, and leaves the base model as it is."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._attributes import chosen_attribute
from retiarii.nn.pytorch._chosen import ChosenValues
from retiarii.nn.pytorch._cloning import RESETTABLE, empty_clone, is_shared
from retiarii.nn.pytorch._freezer import Freezer, Frozen
from retiarii.nn.pytorch._losses import Losses
from retiarii.nn.pytorch._rebuilding import rebuild
from retiarii.nn.pytorch._recording import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch._replicating import Replicator
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space import Expression


class _ConstructorNeeded(Exception):
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
        if not self._arguments_differ(call):
            if not layer._parameters and not layer._modules:
                return self._clone(layer, is_fresh=True)
            is_fresh = not call.changed_weights(layer)
            if not is_fresh or can_reset(layer, call) or call.changed_since(layer):
                return self._clone(layer, is_fresh)
        else:
            self._give_up_changes(layer, call)
        args, kwargs = self._arguments(call)
        new: nn.Module = call.cls(*args, **kwargs)
        if call.modules:
            for module in new.modules():
                forget_call(module)
        self._adopt(layer, new)
        return new

    def _unit(self, unit: nn.Module, call: ModuleCall) -> nn.Module:
        if not self._arguments_differ(call):
            if not call.needs_constructor or call.has_choices_inside or call.changes(unit) is not None:
                return self._clone_or_rebuild(unit, call)
        else:
            self._give_up_changes(unit, call)
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

    def _give_up_changes(self, module: nn.Module, call: ModuleCall) -> None:
        """Have the constructor run again that made changes to a module with another shape now, or note their loss."""
        changes = call.changes(module)
        if changes is None:
            return
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

    def _clone(self, module: nn.Module, is_fresh: bool = False) -> nn.Module:
        """Copy a module: its tensors, its children fixed, its attributes to be finished later.

        Args:
            module: A module of the base model.
            is_fresh: Whether its parameters are to be initialised anew, if it is a layer that can do that.
        """
        if hasattr(type(module), "__deepcopy__"):  # made by torch.fx or torch.jit: has its own way, and no choices
            return copy.deepcopy(module, self._memo)
        new, unfinished = empty_clone(module)
        self._memo[id(module)] = new
        self._frozen[id(module)] = Frozen(new)
        self._unfinished.extend((module, new, name) for name in unfinished)
        is_reset = is_fresh and type(module) in RESETTABLE
        for name, parameter in module._parameters.items():
            new._parameters[name] = self._parameter(parameter, is_reset)
        for name, buffer in module._buffers.items():
            new._buffers[name] = torch.empty_like(buffer) if is_reset and buffer is not None else self._buffer(buffer)
        if is_reset:
            new.reset_parameters()  # type: ignore[operator]  # all resettable layers have it
        for name, child in module._modules.items():
            if child is None:
                new._modules[name] = None
            else:
                self.attach(new, name, self.child(module, name))
        return new

    def _parameter(self, parameter: nn.Parameter | None, is_reset: bool) -> nn.Parameter | None:
        if parameter is None:
            return None
        self._losses.meet(parameter)
        known = self._memo.get(id(parameter))
        if known is None and type(parameter) is nn.Parameter:
            values = torch.empty_like(parameter) if is_reset else parameter.detach().clone()
            known = self._memo[id(parameter)] = nn.Parameter(values, parameter.requires_grad)
        elif known is None:
            known = copy.deepcopy(parameter, self._memo)
        return known

    def _buffer(self, buffer: Tensor | None) -> Tensor | None:
        if type(buffer) is not Tensor:
            return copy.deepcopy(buffer, self._memo)
        if id(buffer) not in self._memo:
            self._memo[id(buffer)] = buffer.detach().clone()
        known: Tensor = self._memo[id(buffer)]
        return known

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


def can_reset(layer: nn.Module, call: ModuleCall) -> bool:
    """Return whether a layer that is unchanged can be copied and reset instead of being constructed."""
    if type(layer) not in RESETTABLE or not all(map(is_shared, (*call.args, *call.kwargs.values()))):
        return False  # weights may be arguments, too
    tensor = _first_tensor(layer)
    return tensor is None or not tensor.is_meta


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
