"""Models that are built with the values of an architecture: `Fixing`, and `Finisher` for the choices that are left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from retiarii.errors import ArchitectureError, SpaceError
from retiarii.nn._labels.chosen_values import FIXED_KEY, ChosenValues, FixingContext
from retiarii.nn._labels.context_stack import ContextStack
from retiarii.nn._labels.namespace import Position, numbering_from
from retiarii.nn.pytorch._freezing.attributes import fix_attributes
from retiarii.nn.pytorch._labels.weight_origins import note_origin, note_whole, noted_origin
from retiarii.nn.pytorch._recording.module_call import forget_call, module_call
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey
from retiarii.space import Choice
from retiarii.space.construction import find_expressions, variables_in


class Fixing(FixingContext):
    """A block in which models are built with the values of an architecture: a primitive is replaced when it is added.

    Args:
        values: The architecture.

    Attributes:
        replaced: The primitives that became something else.
        parents: The modules that got children inside the block.
        children: These children.
    """

    def __init__(self, values: ChosenValues) -> None:
        super().__init__(values)
        self.replaced: WeakKeyDictionary[Mutable, Frozen] = WeakKeyDictionary()  # so that dropped candidates go early
        self.parents: WeakSet[nn.Module] = WeakSet()
        self.children: WeakSet[nn.Module] = WeakSet()
        _install_hook()

    def finish(self, model: nn.Module) -> nn.Module:
        """Fix a whole model in place; return it, or its replacement if the model is a primitive."""
        frozen = Finisher(self).module(model)
        note_whole(frozen.module, frozen.inner)
        return frozen.module

    def claim(self, module: nn.Module) -> None:
        """Note that a module is not a model of its own, although it is no child: only copies of it are used."""
        self.children.add(module)

    def roots(self) -> list[nn.Module]:
        """Return the modules that have children and are no children themselves."""
        return [parent for parent in self.parents if parent not in self.children]

    def built_in(self, root: nn.Module) -> list[nn.Module]:
        """Return the part of a root that was built inside the block: the root itself, or some of its children.

        A trainer may be built outside, and open a block only for the network that is its child.
        """
        children = [child for child in root.children() if child in self.children]
        return [root] if len(children) == len(list(root.children())) else children

    def register(self, parent: nn.Module, name: str, child: nn.Module) -> nn.Module | None:
        """Return the module that replaces a primitive that becomes a child, or None for other modules."""
        self.parents.add(parent)
        self.children.add(child)
        if not isinstance(child, Mutable):
            note_origin(parent, name, ())
            return None
        self._declare_labels(child)
        try:
            frozen = Finisher(self).module(child)
        except ArchitectureError as err:
            if err.label not in self.values.missing:
                raise
            return None  # it is inside a candidate that is not chosen, or the end of the block will tell
        note_origin(parent, name, frozen.inner)
        self.children.add(frozen.module)
        return frozen.module

    def _declare_labels(self, primitive: Mutable) -> None:
        """Note the labels of a primitive, unless all labels of the architecture are known already."""
        if not self.values.declared.issuperset(self.values.architecture):
            with suppress(SpaceError):  # a condition that is too long to be written down
                primitive.declare_choices(_LabelSurvey(self.values))


class _LabelSurvey(Survey):
    """Notes the labels of one primitive."""

    def __init__(self, values: ChosenValues) -> None:
        self._values = values

    def choice(self, choice: Choice, argument: str = "") -> None:
        self._values.declare(choice.label)

    def expression(self, value: Any, argument: str) -> None:
        for variable in variables_in(find_expressions(value)):
            self._values.declare(variable.label)

    def child(self, parent: nn.Module, name: str) -> None:
        pass


class Finisher(Freezer):
    """Replaces the remaining choices in a model whose constructors ran inside a `Fixing` block.

    Layers have their values already. Records are removed, primitives are replaced, and choices in attributes become
    values. A second run changes nothing.
    """

    def __init__(self, fixing: Fixing) -> None:
        super().__init__(fixing.values)
        self._fixing = fixing
        self._finished: set[int] = set()

    def module(self, module: nn.Module) -> Frozen:
        """Fix a module in place, or replace it if it is a primitive."""
        if isinstance(module, Mutable):
            replaced = self._fixing.replaced
            if module not in replaced:
                replaced[module] = module.freeze_by(self)
            return replaced[module]
        if id(module) not in self._finished:
            self._finished.add(id(module))
            self._plain(module)
        return Frozen(module)

    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        """Build a part of the model with the values of the architecture, and fix it."""
        return build_fixed(make, start, self.values)

    def child(self, parent: nn.Module, name: str, path: str | None = None) -> Frozen:
        """Fix the child of a module; it may have been replaced already when it became a child."""
        frozen = super().child(parent, name, path)
        return Frozen(frozen.module, noted_origin(parent, name) + frozen.inner)

    def attach(self, parent: nn.Module, name: str, frozen: Frozen) -> None:
        """Make a fixed module the child of a module that is being built."""
        parent._modules[name] = frozen.module
        note_origin(parent, name, frozen.inner)

    def _plain(self, module: nn.Module) -> None:
        call = module_call(module)
        if call is not None:
            for variable in call.variables:
                self.value(variable.choice())  # raises where the module was built with a default for want of a value
            forget_call(module)
        for name, child in list(module._modules.items()):
            if child is not None:
                self.attach(module, name, self.child(module, name))
        fix_attributes(module, self.evaluate, self._referred_module)

    def _referred_module(self, module: nn.Module) -> nn.Module:
        is_elsewhere = module in self._fixing.children and module not in self._fixing.replaced
        return module if is_elsewhere else self.module(module).module


def build_fixed(make: Callable[[], nn.Module], start: Position, values: ChosenValues) -> Frozen:
    """Build a part of a model with the values of an architecture, and fix it.

    Args:
        make: Builds the part.
        start: Where the numbering of labels stood when the part was built for the base model.
        values: The architecture.

    Raises:
        ArchitectureError: The architecture does not fit the part.
    """
    fixing = Fixing(values)
    with numbering_from(start), ContextStack(FIXED_KEY, fixing):
        return Finisher(fixing).module(make())


def _fix_on_registration(parent: nn.Module, name: str, child: nn.Module | None) -> nn.Module | None:
    fixing = FixingContext.current()
    return None if not isinstance(fixing, Fixing) or child is None else fixing.register(parent, name, child)


_hooks: list[Any] = []


def _install_hook() -> None:
    """Register a hook for new children. It is never removed, because other threads may be building models."""
    if not _hooks:
        _hooks.append(register_module_module_registration_hook(_fix_on_registration))  # type: ignore[arg-type]  # what it returns replaces the child, says torch's documentation
