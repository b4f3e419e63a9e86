"""`ConstructorPlan`: which recorded constructors run again for an architecture."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.namespace import Position
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, module_call
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable


class ConstructorPlan(Freezer):
    """Finds the recorded constructors that computed with something that the architecture changes.

    It walks over the active part of a model, as the copy of the model will, and copies nothing:

    * If a primitive needs the constructor, or a `ModelParameterChoice` of a part has another value, the outermost
      constructor around it runs again.
    * If a constructor initialised a layer that gets other arguments now, that constructor runs again.

    Args:
        values: The architecture.
        is_initialisation_repeated: Whether the second rule holds; where all weights are kept, it does not.

    Attributes:
        calls: The calls that are made again.
    """

    def __init__(self, values: ChosenValues, is_initialisation_repeated: bool = True) -> None:
        super().__init__(values)
        self.calls: set[ModuleCall] = set()
        self._is_initialisation_repeated = is_initialisation_repeated
        self._constructors: list[ModuleCall] = []
        self._visited: dict[int, Frozen] = {}

    def module(self, module: nn.Module) -> Frozen:
        """Visit a module; a primitive returns its form around the modules of the base model."""
        known = self._visited.get(id(module))
        if known is None:
            if isinstance(module, Mutable):
                known = module.freeze_by(self)
            else:
                known = Frozen(module)
                self._visit(module, module_call(module))
            self._visited[id(module)] = known
        return known

    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        """Build nothing: a part that is built for an architecture needs no other constructor."""
        return Frozen(nn.Identity())

    def need_constructor(self, reason: str) -> None:
        """Have the outermost constructor run again."""
        self.calls.update(self._constructors[:1])

    def _visit(self, module: nn.Module, call: ModuleCall | None) -> None:
        if call is None:
            self._children(module)
        elif call.role is Role.MODEL and call.parameters_differ(self.values, self.place):
            self.calls.add(self._constructors[0] if self._constructors else call)
        elif call.role is not Role.MODEL and call.differs(self.values, self.place):
            self._repeat_initialisation(module, call)
            for argument in call.modules:
                self.module(argument)
        elif call.role is Role.LAYER:
            self._children(module)
        else:
            self._constructors.append(call)
            self._children(module)
            self._constructors.pop()

    def _children(self, module: nn.Module) -> None:
        for name, child in module._modules.items():
            if child is not None:
                self.child(module, name)

    def _repeat_initialisation(self, module: nn.Module, call: ModuleCall) -> None:
        if not self._is_initialisation_repeated or call.changed_by is None or call.changed_since(module):
            return
        self.calls.update(other for other in self._constructors if other.serial == call.changed_by)
