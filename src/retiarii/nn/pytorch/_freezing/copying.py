"""`Copier`: builds the fixed model anew, and leaves the base model as it is."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._freezing.attributes import ChosenValue
from retiarii.nn.pytorch._freezing.cloning import RESETTABLE, empty_clone
from retiarii.nn.pytorch._freezing.freezer import Freezer, Frozen
from retiarii.nn.pytorch._freezing.lost_weights import Losses
from retiarii.nn.pytorch._freezing.origins import module_origins
from retiarii.nn.pytorch._freezing.rebuilding import rebuild
from retiarii.nn.pytorch._freezing.replicating import Replicator
from retiarii.nn.pytorch._freezing.tensor_copies import TensorCopies, first_tensor
from retiarii.nn.pytorch._labels.chosen_values import ChosenValues
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space import Expression
from retiarii.space.construction import replace_leaves


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
        self._arguments_of = Replicator(self._memo, lambda module: self.module(module).module, self.evaluate)
        self._attributes_of = Replicator(self._memo, self._referred_module, self.evaluate)
        self._unfinished: list[tuple[nn.Module, nn.Module, str]] = []
        self._constructors: list[ModuleCall] = []
        self._losses = Losses()
        self._tensors = TensorCopies(self._memo, self._losses)

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
            is_owner = not call.changed_weights(layer)
            if not is_owner or can_reset(layer, call) or call.changed_since(layer):
                return self._clone(layer, is_fresh=is_owner)
        else:
            is_owner = self._give_up_changes(layer, call)
        args, kwargs = self._arguments(call)
        new: nn.Module = call.cls(*args, **kwargs)
        if call.modules:
            for module in new.modules():
                forget_call(module)
        self._tensors.adopt(layer, new, is_owner)
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
        before: tuple[list[Any] | dict[Any, Any], ...] = (self._path, self._frozen, self._memo, self._unfinished)
        lengths = [len(each) for each in before]
        num_losses = len(self._losses)
        self._constructors.append(call)
        try:
            return self._clone(module)
        except _ConstructorNeeded as signal:
            if signal.call is not call:
                raise
        finally:
            self._constructors.pop()
        for each, length in zip(before, lengths, strict=True):
            _shorten(each, length)
        self._losses.forget_after(num_losses)
        return self._rebuilt(module, call)

    def _rebuilt(self, module: nn.Module, call: ModuleCall) -> nn.Module:
        args, kwargs = self._arguments(call)
        new, lost = rebuild(module, call, args, kwargs, self.values, self.place)
        if lost:
            self._losses.note(self.place, module, lost)
        self._tensors.adopt_rebuilt(module, new, lost)
        for old_part, new_part in module_origins(module, new):
            self._frozen[id(old_part)] = Frozen(new_part)
            self._memo[id(old_part)] = new_part
        return new

    def _arguments_differ(self, call: ModuleCall) -> bool:
        return self.differs(call) if call.variables else call.has_choices_in_modules

    def _arguments(self, call: ModuleCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments for the constructor: that of a model gets choices as they are, others get values."""
        if call.role is Role.MODEL:
            args, kwargs = replace_leaves((call.args, call.kwargs), self._kept_choice)
            return args, kwargs
        replicate = self._arguments_of.replicate
        return tuple(map(replicate, call.args)), {name: replicate(value) for name, value in call.kwargs.items()}

    def _kept_choice(self, leaf: Any) -> Any:
        return leaf if isinstance(leaf, Expression) else self._arguments_of.replicate(leaf)

    def _give_up_changes(self, module: nn.Module, call: ModuleCall) -> bool:
        """Have the constructor run again that made changes to a module with another shape now, or note their loss.

        Returns:
            Whether there was nothing to give up.
        """
        changes = call.changes(module)
        if changes is None:
            return True
        if not call.changed_since(module):
            for constructor in self._constructors:
                if constructor.serial == call.changed_by:
                    raise _ConstructorNeeded(constructor)
        if call.role is Role.LAYER or not changes:  # weights that still fit a unit are carried over
            self._losses.note(self.place, module, changes)
        return False

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
            new._parameters[name] = None if parameter is None else self._tensors.parameter(parameter, is_reset)
        for name, buffer in module._buffers.items():
            new._buffers[name] = self._tensors.buffer(buffer, is_reset)
        if is_reset:
            new.reset_parameters()  # type: ignore[operator]  # all resettable layers have it
        for name, child in module._modules.items():
            if child is None:
                new._modules[name] = None
            else:
                self.attach(new, name, self.child(module, name))
        return new

    def _finish_attribute(self, module: nn.Module, new: nn.Module, name: str) -> None:
        value = vars(module)[name]
        copied = self._attributes_of.replicate(value)
        vars(new)[name] = ChosenValue.in_attribute(type(new), name, copied) if isinstance(value, Expression) else copied

    def _referred_module(self, module: nn.Module) -> nn.Module | None:
        """Return the copy of a module that is referred to; a candidate that is not chosen has none."""
        known = self._frozen.get(id(module))
        if known is None and any(module is other for other in self._root.modules()):
            return None
        return self.module(module).module


def can_reset(layer: nn.Module, call: ModuleCall) -> bool:
    """Return whether a layer that is unchanged can be copied and reset instead of being constructed."""
    if type(layer) not in RESETTABLE or type(layer) is not call.cls or call.has_tensors:
        return False  # it was lazy, or its weights are arguments
    tensor = first_tensor(layer)
    return tensor is None or not tensor.is_meta


def _shorten(container: list[Any] | dict[Any, Any], length: int) -> None:
    """Take back what was added last."""
    if isinstance(container, list):
        del container[length:]
    else:
        for key in list(container)[length:]:
            del container[key]
