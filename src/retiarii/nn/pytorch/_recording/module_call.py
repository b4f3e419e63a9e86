"""Modules that remember how they were built: layers, basic units and models."""

from __future__ import annotations

import copy
import enum
import itertools
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from retiarii.nn._labels.chosen_values import UNKNOWN, ChosenValues
from retiarii.nn._labels.namespace import Position, position
from retiarii.nn.pytorch._recording.deferred_layers import deferred_layer
from retiarii.nn.pytorch._recording.misuse import explaining_division, explaining_misuse, explaining_values
from retiarii.nn.pytorch._recording.snapshot import TORCH_STATE, Snapshot
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space import Value, Variable
from retiarii.space.construction import (
    CALL_ATTRIBUTE,
    ConstructorCall,
    evaluate,
    find_expressions,
    leaves,
    variables_in,
)

_serials = itertools.count(1)


class Role(enum.Enum):
    """What a recorded module is to the framework."""

    LAYER = "layer"  # of torch.nn: its children are not looked at
    UNIT = "unit"  # @basic_unit: gets plain values instead of choices
    MODEL = "model"  # @model_wrapper: gets its arguments as they are


@dataclass(eq=False)
class ModuleCall(ConstructorCall):
    """How a module was built.

    Attributes:
        role: Layer, basic unit or model.
        start: Where the numbering of labels stood, so that the module can be built again with the same labels.
        variables: The choices in the arguments that became plain values.
        values: The values that they had, by label.
        modules: The modules in the arguments.
        has_tensors: Whether there are tensors in the arguments.
        parameters: The choices of `ModelParameterChoice` inside the constructor, with the values that they had.
        snapshot: The state right after construction; None for layers that get their parameters later.
        serial: Tells calls apart, also after the module was copied.
        changed_by: The serial of the outermost constructor that changed the module after it was built, if any.
        has_choices_inside: Whether there are choices in the children or attributes of a basic unit.
        needs_constructor: Whether only the constructor can give a basic unit a fresh initialisation, because it has
            parameters of its own or initialises those of its layers.
        has_choices_in_modules: Whether there are choices in the modules in the arguments.
        may_run_again: Whether architectures may require that this constructor runs again, for something inside: see
            `note_changes`.
    """

    role: Role
    start: Position
    variables: tuple[Variable, ...] = ()
    values: dict[str, Value] = field(default_factory=dict)
    modules: tuple[nn.Module, ...] = ()
    has_tensors: bool = False
    parameters: tuple[tuple[Variable, Value], ...] = ()
    snapshot: Snapshot | None = None
    serial: int = field(default_factory=lambda: next(_serials))
    changed_by: int | None = None
    has_choices_inside: bool = False
    needs_constructor: bool = False
    has_choices_in_modules: bool = False
    may_run_again: bool = False

    @classmethod
    def of(cls, made_by: Any, args: tuple[Any, ...], kwargs: dict[str, Any], role: Role) -> ModuleCall:
        """Start the record of a call; the values of its choices are those of this moment."""
        call = cls(made_by, args, kwargs, role, position())
        contents = [leaf for _, leaf in leaves((args, kwargs))]
        call.modules = tuple(leaf for leaf in contents if isinstance(leaf, nn.Module))
        call.has_tensors = any(isinstance(leaf, Tensor) for leaf in contents)
        call.has_choices_in_modules = any(map(has_choices, call.modules))
        if role is not Role.MODEL:
            call.variables = variables_in(find_expressions((args, kwargs)))
            call.values = {variable.label: current_choice(variable) for variable in call.variables}
        return call

    def plain_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that the constructor gets."""
        if not self.variables:
            return self.args, self.kwargs
        return evaluate(self.args, self.values), evaluate(self.kwargs, self.values)

    def explaining_division(self, args: Any, kwargs: dict[str, Any]) -> AbstractContextManager[None]:
        """Refuse sizes that are floats, as choices divided by ``/`` are, given the plain arguments."""
        if not self.variables:
            return nullcontext()
        return explaining_division(self.cls, (self.args, self.kwargs), (args, kwargs))

    def finish(self, module: nn.Module) -> None:
        """Put the record on the module that was built."""
        if ChosenValues.current() is None and not isinstance(module, LazyModuleMixin):
            self.snapshot = Snapshot(module)
            self.has_choices_inside = self.role is Role.UNIT and has_choices(module)
            self.needs_constructor = self.role is Role.UNIT and not is_made_of_layers(module)
        vars(module)[CALL_ATTRIBUTE] = self

    def differs(self, values: ChosenValues, place: str) -> bool:
        """Return whether the architecture gives other arguments than those that the module was built with."""
        if not self.variables:
            return self.has_choices_in_modules
        for variable, before in zip(self.variables, self.values.values(), strict=True):
            if _differs(values.of(variable.choice(), place), before):
                return True
        return False

    def parameters_differ(self, values: ChosenValues, place: str) -> bool:
        """Return whether a `ModelParameterChoice` in the constructor has another value in the architecture."""
        return any(_differs(values.of(variable.choice(), place), before) for variable, before in self.parameters)

    def changes(self, module: nn.Module) -> list[str] | None:
        """Return which tensors of the module are not as its own constructor left them; None if nothing was changed.

        The list is empty where only attributes, hooks or children were changed.
        """
        if self.changed_by is None and not self.changed_since(module):
            return None
        assert self.snapshot is not None
        return self.snapshot.changed_tensors(module)

    def changed_weights(self, module: nn.Module) -> bool:
        """Return whether there are weights in the module that its own constructor did not put there."""
        if self.changed_by is not None or self.snapshot is None:
            return self.changed_by is not None
        return bool(self.snapshot.changed_tensors(module))

    def changed_since(self, module: nn.Module) -> bool:
        """Return whether the module was changed after the last recorded constructor around it ended."""
        snapshot = self.snapshot
        return snapshot is not None and (bool(snapshot.changed_tensors(module)) or snapshot.changed_structure(module))

    def __deepcopy__(self, memo: dict[int, Any]) -> ModuleCall:
        """Copy the arguments; the snapshot also holds for the copy of the module."""
        other = copy.copy(self)
        memo[id(self)] = other
        for name in ("args", "kwargs", "modules"):
            setattr(other, name, copy.deepcopy(getattr(self, name), memo))
        return other


def _differs(now: Value, before: Value) -> bool:
    return type(now) is not type(before) or bool(now != before)


def current_choice(variable: Variable) -> Value:
    """Return the value of a choice here: that of the architecture that is being fixed, or its default."""
    values = ChosenValues.current()
    choice = variable.choice()
    return choice.default() if values is None or variable.label not in values else values.of(choice)


def module_call(module: Any) -> ModuleCall | None:
    """Return how a module was built, if that was recorded."""
    call = getattr(module, "__dict__", {}).get(CALL_ATTRIBUTE)
    return call if isinstance(call, ModuleCall) else None


def has_choices(root: nn.Module) -> bool:
    """Return whether there is a choice in a module, its children, their recorded arguments or their attributes."""
    for module in root.modules():
        call = module_call(module)
        if isinstance(module, Mutable) or (call is not None and (call.variables or call.has_choices_in_modules)):
            return True
        if any(find_expressions(value) for name, value in vars(module).items() if name not in TORCH_STATE):
            return True
    return False


def is_made_of_layers(unit: nn.Module) -> bool:
    """Return whether all parameters and buffers belong to recorded layers that are as they were built.

    A fresh initialisation of these layers is then one of the whole module.
    """
    for child in unit._modules.values():
        if child is None:
            continue
        call = module_call(child)
        if call is None and not is_made_of_layers(child):
            return False
        if call is not None and (call.changed_by is not None or call.snapshot is None or call.needs_constructor):
            return False
    return not unit._parameters and not unit._buffers


def forget_call(module: nn.Module) -> None:
    """Take the record off a module."""
    vars(module).pop(CALL_ATTRIBUTE, None)


def build_layer(
    cls: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any], role: Role = Role.LAYER
) -> nn.Module:
    """Build a layer of torch.nn, or of another library, with values in the place of choices, and record the call on it.

    Raises:
        ChoiceMisuseError: A choice is hidden where it cannot be replaced.
        DomainError: A layer of torch.nn takes none of these values, or not together.
    """
    values = ChosenValues.current()
    deferred = _deferred(cls, args, kwargs, values) if values is not None and role is Role.LAYER else None
    if deferred is not None:
        return deferred
    call = ModuleCall.of(cls, args, kwargs, role)
    plain_args, plain_kwargs = call.plain_arguments()
    explained = call.values if role is Role.LAYER else {}
    explaining = explaining_values(cls.__name__, explained), call.explaining_division(plain_args, plain_kwargs)
    with explaining_misuse(), explaining[0], explaining[1]:
        module = cls(*plain_args, **plain_kwargs)
    call.finish(module)
    return module


def _deferred(
    cls: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any], values: ChosenValues
) -> nn.Module | None:
    """Return a layer with the values of an architecture that is constructed when it is used, if it can be deferred."""
    plain_args = [values.quick(arg) for arg in args]
    plain_kwargs = {name: values.quick(value) for name, value in kwargs.items()}
    if UNKNOWN in plain_args or UNKNOWN in plain_kwargs.values():
        return None
    return deferred_layer(cls, tuple(plain_args), plain_kwargs)


def note_changes(root: nn.Module, by: ModuleCall) -> None:
    """Mark the recorded modules inside ``root`` that its constructor changed after they were built.

    A weight that was only tied to that of another module, which has it from its own constructor, is no change.
    Also note whether the constructor may have to run again for an architecture: it initialised a layer that has
    choices in its arguments, or something inside depends on values that constructors compute with.
    """
    changed: list[tuple[nn.Module, ModuleCall, list[str]]] = []
    own: set[int] = set()
    for module in root.modules():
        call = module_call(module)
        if module is root:
            continue
        if _may_need_constructor(module, call):
            by.may_run_again = True
        if call is None or call.snapshot is None:
            continue
        names = call.snapshot.changed_tensors(module)
        if names or call.snapshot.changed_structure(module):
            changed.append((module, call, names))
        own.update(id(tensor) for name, tensor in module.named_parameters() if name not in names)
    for module, call, names in changed:
        parameters = dict(module.named_parameters(remove_duplicate=False))
        if not names or any(id(parameters.get(name)) not in own for name in names):
            call.changed_by = by.serial
            call.snapshot = Snapshot(module)
            if call.variables or call.has_choices_in_modules:
                by.may_run_again = True


def _may_need_constructor(module: nn.Module, call: ModuleCall | None) -> bool:
    if call is not None:
        return call.may_run_again or bool(call.parameters)
    return isinstance(module, Mutable) and module.may_need_constructor
