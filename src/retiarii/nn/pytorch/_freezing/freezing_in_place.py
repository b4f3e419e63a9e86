"""`InPlaceFreezer`: makes the user's own model the fixed model of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.namespace import Position
from retiarii.nn.pytorch._freezing.attributes import fix_attributes
from retiarii.nn.pytorch._freezing.building import build_fixed
from retiarii.nn.pytorch._freezing.constructor_plan import ConstructorPlan
from retiarii.nn.pytorch._freezing.copying import Copier
from retiarii.nn.pytorch._labels.weight_origins import module_origins
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable


class InPlaceFreezer(Freezer):
    """Replaces the choices in a model and leaves all other modules and their parameters the objects that they are.

    A layer or unit that the architecture gives other arguments is built anew by a `Copier`, with its weights cut to
    size. Parameters that keep their shape stay the same objects there, too.

    An error inside a ``with`` block of it makes the model what it was before.

    Args:
        values: The architecture.
        root: The model.
    """

    def __init__(self, values: ChosenValues, root: nn.Module) -> None:
        super().__init__(values)
        self._root = root
        self._copier = Copier(values, root, "keep")
        self._copier._path = self._path  # for messages
        self._states = [(module, dict(vars(module)), dict(module._modules)) for module in root.modules()]
        self._frozen: dict[int, Frozen] = {}
        self._known = {id(module) for module, *_ in self._states}
        self._with_attributes: list[nn.Module] = []

    def __enter__(self) -> InPlaceFreezer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._restore()

    def model(self) -> None:
        """Fix the model.

        Raises:
            ArchitectureError: The architecture does not fit the model.
            FreezeError: The model is itself a choice, or a constructor would have to run again.
        """
        frozen = self.module(self._root)
        if frozen.module is not self._root:
            self._take_over(frozen.module)
        while self._with_attributes:
            fix_attributes(self._with_attributes.pop(), self.evaluate, self._referred_module)
        self._copier.finish()

    def module(self, module: nn.Module) -> Frozen:
        """Return the fixed form of a module: the module itself unless its choices are in its arguments."""
        known = self._frozen.get(id(module))
        if known is None:
            if isinstance(module, Mutable):
                known = module.freeze_by(self)
            elif self._has_other_arguments(module, module_call(module)):
                known = self._rebuilt(module)
            else:
                known = self._frozen[id(module)] = Frozen(module)
                self._fix_inside(module)
            self._frozen[id(module)] = known
        return known

    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        """Build a part of the model with the values of the architecture, and fix it."""
        return build_fixed(make, start, self.values)

    def need_constructor(self, reason: str) -> None:
        """Raise the error of `Copier`: where a constructor can run again, it did so before."""
        self._copier.need_constructor(reason)

    def _has_other_arguments(self, module: nn.Module, call: ModuleCall | None) -> bool:
        if call is None:
            return False
        if call.role is Role.MODEL:
            if call.parameters_differ(self.values, self.place):
                return True
        elif call.differs(self.values, self.place):
            return True
        if not call.may_run_again:
            return False
        plan = ConstructorPlan(self.values, is_initialisation_repeated=False)
        plan.module(module)
        return call in plan.calls

    def _rebuilt(self, module: nn.Module) -> Frozen:
        frozen = self._copier.module(module)
        for old, new in module_origins(module, frozen.module):
            for name, parameter in old._parameters.items():
                fresh = new._parameters.get(name)
                if parameter is not None and fresh is not None and fresh.shape == parameter.shape:
                    new._parameters[name] = parameter
        return frozen

    def _fix_inside(self, module: nn.Module) -> None:
        call = module_call(module)
        if call is not None:
            for variable in call.variables:
                self.value(variable.choice())  # raises where the architecture has none
        forget_call(module)
        for name, child in list(module._modules.items()):
            if child is not None:
                self.attach(module, name, self.child(module, name))
        self._with_attributes.append(module)

    def _referred_module(self, module: nn.Module) -> nn.Module | None:
        """Return the fixed form of a module that is referred to; a candidate that is not chosen has none."""
        if id(module) in self._frozen or id(module) not in self._known:
            return self.module(module).module
        return self._copier.form_of(module)

    def _take_over(self, new: nn.Module) -> None:
        """Give the model the contents of another one of its class, whose constructor ran for the architecture.

        Raises:
            FreezeError: The model is itself a choice, which another module replaces.
        """
        if type(new) is not type(self._root):
            raise FreezeError(
                f"The model is a {type(self._root).__name__} that is itself a choice or has choices in its arguments, "
                "so that another module takes its place. Put it into a module, such as torch.nn.Sequential(model), or "
                "use freeze() without in_place."
            )
        vars(self._root).clear()
        vars(self._root).update(vars(new))

    def _restore(self) -> None:
        for module, state, children in self._states:
            vars(module).clear()
            vars(module).update(state)
            module._modules.clear()
            module._modules.update(children)
