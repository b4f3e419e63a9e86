"""`build_supernet`: makes a supernet of a model with choices."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import extract_space
from retiarii.nn.pytorch.constructor_calls import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch.labels import first_number
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.oneshot._decisions.decision import decisions_of
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.operator import Operator
from retiarii.oneshot._operators.sliced_layer import SlicedLayer
from retiarii.oneshot._supernets.in_place import converted_in_place
from retiarii.oneshot._supernets.rules import DEFAULT_RULES, PRIMITIVE_RULE, WEIGHTLESS_RULE, Rule, Site, separate_rule
from retiarii.oneshot._supernets.slots import Slot
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Constraint
from retiarii.space.construction import find_expressions, replace_leaves


def build_supernet(
    model: nn.Module,
    rules: Mapping[type[nn.Module], Rule] = DEFAULT_RULES,
    *,
    constraints: Sequence[Constraint] = (),
    in_place: bool = False,
) -> Supernet:
    """Make a supernet of a model: every choice becomes an operator, set to the default architecture.

    Candidates keep their weights. So does a layer with choices in its arguments whose default is the largest; otherwise
    the weights of the largest layer are new, drawn from torch's global random generator.

    Args:
        model: The base model.
        rules: For each type of module, the rule that makes its operator.
        constraints: Functions that return whether an architecture is allowed, for the search space.
        in_place: Whether ``model`` itself becomes the supernet's module, until `Supernet.unbind`. Its parameters stay
            the same objects, so that an optimizer of them trains the supernet; a layer that becomes larger gives its
            parameters larger tensors. `Supernet.added_parameters` are those that such an optimizer does not have yet.
            By default the model is copied and stays as it is.

    Raises:
        SupernetError: A part of the model cannot be part of a supernet; the message names it. The model then is as it
            was.
        LabelConflictError: One label stands for two domains.
        UnknownInputsError: An `InputChoice` does not know how many inputs it gets.
    """
    _refuse_supernet(model)
    space = extract_space(model, constraints)
    decisions = decisions_of(space)
    builder = _Builder(rules, Lookup(decisions, first_number(model)))
    copied = copy.deepcopy(model)
    module, base = (model, copied) if in_place else (copied, model)
    builder.note_tensors(module)
    changes = converted_in_place(module, builder.convert_all) if in_place else None
    if changes is None:
        module = builder.convert_all(module)
    supernet = Supernet(module, base, space, decisions, builder.slots, changes)
    supernet.set_architecture(space.default(), check=False)
    if changes is not None:
        changes.keep_differences()
    return supernet


def _refuse_supernet(model: nn.Module) -> None:
    path = next((path for path, module in model.named_modules() if isinstance(module, Operator)), None)
    if path is not None:
        raise SupernetError(
            f"The model is a supernet already: {path!r} is an operator. Unbind that supernet first, or build the new "
            "one of the model that it was made of.",
            path=path,
        )


_TORCH_STATE = frozenset(vars(nn.Module()))  # what torch keeps in every module: no place for choices


class _Builder:
    """A walk over a model that replaces choices by operators."""

    def __init__(self, rules: Mapping[type[nn.Module], Rule], lookup: Lookup) -> None:
        self._rules = rules
        self._lookup = lookup
        self._converted: dict[int, nn.Module] = {}
        self._keep_alive: list[nn.Module] = []
        self._owners: Counter[int] = Counter()
        self._ties: dict[int, list[tuple[nn.Module, str, str]]] = {}
        self._with_attributes: list[tuple[nn.Module, str]] = []
        self.slots: list[Slot] = []

    def note_tensors(self, root: nn.Module) -> None:
        """Count how many modules own each parameter."""
        self._owners.update(id(p) for module in root.modules() for p in module._parameters.values() if p is not None)

    def convert_all(self, model: nn.Module) -> nn.Module:
        """Return the replacement of the model, and look after the attributes of the modules inside.

        Raises:
            SupernetError: A part of the model cannot be part of a supernet.
        """
        converted = self.convert(model, "")
        for module, path in self._with_attributes:
            self._convert_attributes(module, path)
        for parameter, owners in self._ties.items():
            self._refuse_broken_tie(parameter, owners)
        return converted

    def convert(self, module: nn.Module, path: str) -> nn.Module:
        """Return the module's replacement in the supernet: the module itself, with new children, or an operator."""
        if isinstance(module, Operator):
            return module
        known = self._converted.get(id(module))
        if known is None:
            self._keep_alive.append(module)  # as long as its id is a key
            known = self._converted[id(module)] = self._new(module, path)
        return known

    def _new(self, module: nn.Module, path: str) -> nn.Module:
        call = module_call(module)
        if isinstance(module, Mutable):
            return self._operator(module, PRIMITIVE_RULE, call, path)
        if call is not None:
            forget_call(module)
            _refuse_parameters(call, path)
            if call.variables and call.role is not Role.MODEL:
                is_simple = call.role is Role.LAYER and not any(True for _ in module.parameters())
                self._note_ties(module, path)
                return self._operator(module, WEIGHTLESS_RULE if is_simple else separate_rule, call, path)
        return self._inside(module, path)

    def _operator(self, module: nn.Module, default: Rule, call: ModuleCall | None, path: str) -> nn.Module:
        rule = next((self._rules[cls] for cls in type(module).__mro__ if cls in self._rules), default)
        return rule(module, Site(path, self._lookup, self.convert, call))

    def _inside(self, module: nn.Module, path: str) -> nn.Module:
        for name, child in list(module._modules.items()):
            if child is not None:
                module._modules[name] = self.convert(child, f"{path}.{name}" if path else name)
        self._with_attributes.append((module, path))
        return module

    def _convert_attributes(self, module: nn.Module, path: str) -> None:
        """Replace choices that plain attributes refer to, such as those in a list, and note values to be filled in."""
        attributes = vars(module)
        for name in [name for name in attributes if name not in _TORCH_STATE]:
            value = attributes[name] = replace_leaves(attributes[name], self._replacement)
            if find_expressions(value):
                self.slots.append(Slot(module, name, value, self._lookup, path))

    def _replacement(self, leaf: Any) -> Any:
        return self._converted.get(id(leaf), leaf) if isinstance(leaf, nn.Module) else leaf

    def _note_ties(self, module: nn.Module, path: str) -> None:
        """Note the parameters that a layer with choices shares with other modules."""
        for name, parameter in module.named_parameters():
            if self._owners[id(parameter)] > 1:
                self._ties.setdefault(id(parameter), []).append((module, path, name))

    def _refuse_broken_tie(self, parameter: int, owners: Sequence[tuple[nn.Module, str, str]]) -> None:
        """Refuse a shared parameter of which not all owners use the same slices: they would not share it any more."""
        operators = [(self._converted[id(module)], name) for module, _, name in owners]
        slices = [op.slices_of(name) for op, name in operators if isinstance(op, SlicedLayer)]
        is_kept = len(slices) == self._owners[parameter] and slices[0] is not None
        if is_kept and all(others == slices[0] for others in slices):
            return
        _, path, name = owners[0]
        raise SupernetError(
            f"The parameter {name!r} of {path!r} is shared with another module, but {path!r} has choices in its "
            "arguments, and a supernet can share parameters only among layers that cut the same slices of them for "
            "every value of the same choices. Share the module itself.",
            path=path,
        )


def _refuse_parameters(call: ModuleCall, path: str) -> None:
    if call.parameters:
        labels = ", ".join(repr(str(variable.label)) for variable, _ in call.parameters)
        raise SupernetError(
            f"{path or 'The model'} uses ModelParameterChoice ({labels}), whose value is needed while the constructor "
            "runs, so that no single module contains all architectures. Use ValueChoice in layers, LayerChoice or "
            "Repeat, or a multi-trial strategy.",
            path=path,
        )
