"""`Copier`: builds the fixed model anew, and leaves the base model as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.namespace import Position
from retiarii.nn.pytorch._freezing.attributes import ChosenValue
from retiarii.nn.pytorch._freezing.building import build_fixed
from retiarii.nn.pytorch._freezing.cloning import Replicator, empty_clone
from retiarii.nn.pytorch._freezing.constructor_plan import ConstructorPlan
from retiarii.nn.pytorch._freezing.fresh_layers import RESETTABLE, can_reset, fresh_layer
from retiarii.nn.pytorch._freezing.kept_weights import TensorCopies, carry_over
from retiarii.nn.pytorch._freezing.lost_weights import LostWeights, Suspect
from retiarii.nn.pytorch._labels.weight_origins import module_origins, note_origin
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, forget_call, is_made_of_layers, module_call
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable
from retiarii.space import Expression
from retiarii.space.construction import replace_leaves

Weights = Literal["fresh", "keep"] | None


class Copier(Freezer):
    """Copies the active part of a model with the values of an architecture.

    Modules that are shared in the base model are shared in the copy, and parameters that are tied stay tied.

    Args:
        values: The architecture.
        root: The base model.
        weights: Which weights are copied: see `freeze`.
        warns: Whether there is a warning of weights that get lost.
    """

    def __init__(self, values: ChosenValues, root: nn.Module, weights: Weights = None, *, warns: bool = True) -> None:
        super().__init__(values)
        self._warns = warns
        self._root = root
        self._weights = weights
        self._frozen: dict[int, Frozen] = {}
        self._memo: dict[int, Any] = {}  # from the id of a part of the base model to its copy, as for deepcopy
        self._arguments_of = Replicator(self._memo, lambda module: self.module(module).module, self.evaluate)
        self._attributes_of = Replicator(self._memo, self._referred_module, self.evaluate)
        self._unfinished: list[tuple[nn.Module, nn.Module, str]] = []
        self._plan: ConstructorPlan | None = None  # of the outermost recorded constructor
        self._lost = LostWeights(is_all_kept=weights == "keep")
        self._tensors = TensorCopies(self._memo, self._lost)

    def model(self) -> Frozen:
        """Return the fixed model.

        Raises:
            ArchitectureError: The architecture does not fit the model.
            FreezeError: The model would have to be built again, which is not possible.
        """
        frozen = self.module(self._root)
        self.finish()
        return frozen

    def finish(self) -> None:
        """Copy the attributes that wait for all modules, and warn of lost weights."""
        while self._unfinished:
            self._finish_attribute(*self._unfinished.pop())
        if self._warns:
            self._lost.warn()

    def form_of(self, module: nn.Module) -> nn.Module | None:
        """Return what became of a module of the base model; None where it is not a part of the fixed model."""
        known = self._frozen.get(id(module))
        return None if known is None else known.module

    def module(self, module: nn.Module) -> Frozen:
        """Return the fixed copy of a module."""
        known = self._frozen.get(id(module))
        if known is None:
            known = module.freeze_by(self) if isinstance(module, Mutable) else Frozen(self._copy(module))
            self._frozen[id(module)] = known
            self._memo[id(module)] = known.module
        return known

    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        """Build a part of the model with the values of the architecture, and fix it."""
        return build_fixed(make, start, self.values)

    def need_constructor(self, reason: str) -> None:
        """Raise an error: where a constructor can run again, it did so before its parts were copied."""
        raise FreezeError(
            f"{reason} at {self.place}, which depends on the architecture, so the model has to be built again. "
            f"Decorate {type(self._root).__name__} with @model_wrapper, or build it inside 'with fixed_arch(...)'."
        )

    def _copy(self, module: nn.Module) -> nn.Module:
        call = module_call(module)
        if call is None:
            return self._clone(module)
        if call.role is Role.LAYER:
            return self._layer(module, call)
        return self._unit(module, call) if call.role is Role.UNIT else self._model(module, call)

    # Recorded modules.

    def _layer(self, layer: nn.Module, call: ModuleCall) -> nn.Module:
        if call.differs(self.values, self.place):
            return self._resized(layer, call)
        if not layer._parameters and not layer._modules:
            return self._clone(layer, is_fresh=True)
        is_fresh = self._is_fresh(layer, call)
        if not is_fresh or can_reset(layer, call) or call.changed_since(layer):
            return self._clone(layer, is_fresh)
        return self._constructed(layer, call)

    def _is_fresh(self, layer: nn.Module, call: ModuleCall) -> bool:
        """Return whether a layer with the same arguments gets a new initialisation."""
        return not call.changed_weights(layer) if self._weights is None else self._weights == "fresh"

    def _resized(self, layer: nn.Module, call: ModuleCall) -> nn.Module:
        """Return a layer with other arguments than those in the base model."""
        suspect = self._lost.suspect(self.place, layer, call) if self._weights is None else None
        return self._constructed(layer, call, suspect)

    def _constructed(self, layer: nn.Module, call: ModuleCall, suspect: Suspect | None = None) -> nn.Module:
        args, kwargs = self._arguments(call)
        new = fresh_layer(call.cls, args, kwargs)
        if call.modules:
            for module in new.modules():
                forget_call(module)
            self._note_arguments(call, new)
        if self._weights == "keep":
            suspect = self._carry_over(layer, new, call, None)
        self._tensors.adopt(layer, new, suspect)
        return new

    def _unit(self, unit: nn.Module, call: ModuleCall) -> nn.Module:
        if call.differs(self.values, self.place):
            if self._weights is None and call.changes(unit) == []:
                self._lost.suspect(self.place, unit, call)
        elif not self._runs_again(unit, call):
            return self._clone_recorded(unit, call)
        return self._rebuilt(unit, call)

    def _runs_again(self, unit: nn.Module, call: ModuleCall) -> bool:
        """Return whether the constructor of a unit with the same arguments runs again, to initialise its weights."""
        if not call.needs_constructor or self._weights == "keep":
            return False
        return self._weights == "fresh" or (not call.has_choices_inside and call.changes(unit) is None)

    def _model(self, model: nn.Module, call: ModuleCall) -> nn.Module:
        if call.parameters_differ(self.values, self.place) or (
            self._weights == "fresh" and not is_made_of_layers(model)
        ):
            return self._rebuilt(model, call)
        return self._clone_recorded(model, call)

    def _clone_recorded(self, module: nn.Module, call: ModuleCall) -> nn.Module:
        """Copy a unit or a model, unless something inside requires that its constructor runs again."""
        outermost = self._plan is None
        if outermost and call.may_run_again:
            self._plan = ConstructorPlan(self.values, is_initialisation_repeated=self._weights is None)
            self._plan.module(module)
        try:
            is_planned = self._plan is not None and call in self._plan.calls
            return self._rebuilt(module, call) if is_planned else self._clone(module)
        finally:
            if outermost:
                self._plan = None

    def _rebuilt(self, module: nn.Module, call: ModuleCall) -> nn.Module:
        """Run the constructor of a unit or a model again, with its recorded arguments, inside the architecture.

        Raises:
            FreezeError: Children were added, removed or replaced since the constructor ran, which it cannot repeat.
        """
        snapshot = call.snapshot
        if snapshot is not None and snapshot.changed_children(module):
            raise FreezeError(
                f"{self.place or 'The model'} ({type(module).__name__}) has to be built again, because its constructor "
                "depends on the architecture, but its children were changed after construction, which would be lost. "
                "Make these changes in the constructor, or fix the model first and change it then."
            )
        args, kwargs = self._arguments(call)
        new = build_fixed(lambda: call.cls(*args, **kwargs), call.start, self.values).module
        new.train(module.training)
        self._note_arguments(call, new)
        changed = set(snapshot.changed_tensors(module)) if snapshot is not None and self._weights is None else set()
        suspect = self._carry_over(module, new, call, None if self._weights == "keep" else changed)
        self._tensors.adopt_rebuilt(module, new, suspect)
        for old_part, new_part in module_origins(module, new):
            self._frozen[id(old_part)] = Frozen(new_part)
            self._memo[id(old_part)] = new_part
        return new

    def _carry_over(self, old: nn.Module, new: nn.Module, call: ModuleCall, changed: set[str] | None) -> Suspect | None:
        lost = carry_over(old, new, changed)
        return self._lost.suspect(self.place, old, call, lost) if lost else None

    def _arguments(self, call: ModuleCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments for the constructor: that of a model gets choices as they are, others get values."""
        if call.role is Role.MODEL:
            args, kwargs = replace_leaves((call.args, call.kwargs), self._kept_choice)
            return args, kwargs
        replicate = self._arguments_of.replicate
        return tuple(map(replicate, call.args)), {name: replicate(value) for name, value in call.kwargs.items()}

    def _note_arguments(self, call: ModuleCall, new: nn.Module) -> None:
        """Note where children of a constructed module come from that replace primitives in its arguments."""
        frozen = [self._frozen[id(module)] for module in call.modules if id(module) in self._frozen]
        inner = {id(argument.module): argument.inner for argument in frozen if argument.inner}
        for parent in new.modules() if inner else ():
            for name, child in parent._modules.items():
                if id(child) in inner:
                    note_origin(parent, name, inner[id(child)])

    def _kept_choice(self, leaf: Any) -> Any:
        return leaf if isinstance(leaf, Expression) else self._arguments_of.replicate(leaf)

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
        if unfinished:
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
