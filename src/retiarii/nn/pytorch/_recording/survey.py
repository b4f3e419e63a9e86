"""`extract_space`: the search space that is written into a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from retiarii.errors import SpaceError
from retiarii.nn._labels.final_labels import check_numbering, final_label, first_number_of, with_final_labels
from retiarii.nn._values.candidates import ContentsCheck
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, module_call
from retiarii.nn.pytorch._recording.snapshot import TORCH_STATE
from retiarii.nn.pytorch.mutation_utils import Constraint, MakeConstraint, Mutable, Survey
from retiarii.space import (
    ALWAYS,
    Choice,
    Condition,
    Expression,
    SearchSpace,
    both,
)
from retiarii.space.construction import CALL_ATTRIBUTE, leaves

_first_numbers: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def extract_space(model: nn.Module, constraints: Sequence[Constraint] = ()) -> SearchSpace:
    """Return the search space that is written into a model.

    The space has the choices of primitives, of the arguments of layers and basic units, and of attributes of modules,
    also in nested lists, tuples, dicts and dataclasses. A choice inside a candidate of another choice, or inside a
    block of a `Repeat`, is active only if the candidate is chosen or the depth reaches the block.

    Args:
        model: The base model; it is not changed.
        constraints: Functions that return whether an architecture is allowed, for `SearchSpace`.

    Raises:
        LabelConflictError: One label has two domains, or an automatic label was given twice.
        UnknownInputsError: An `InputChoice` has no ``n_candidates``, and the model never ran.
        TypeError: ``model`` is no module.
        SpaceError: The depth of a `Repeat` depends on too many combinations of choices.
    """
    survey = ModelSurvey(require_module(model, "extract_space"))
    return SearchSpace(survey.result(), (*survey.constraints(), *constraints))


def first_number(model: nn.Module) -> int:
    """Return the creation number of the first choice of a model that was numbered outside of a namespace."""
    if model not in _first_numbers:
        return ModelSurvey(model).first_number()
    return _first_numbers[model]


def require_module(model: Any, function: str) -> nn.Module:
    """Return the model.

    Raises:
        TypeError: The model is no module; often it is the class of one.
    """
    if not isinstance(model, nn.Module):
        hint = f" Build it first: {model.__name__}(...)." if isinstance(model, type) else ""
        raise TypeError(f"{function}() got {model!r}, expected a model, an instance of nn.Module.{hint}")
    return model


class ModelSurvey(Survey):
    """A walk over a model that collects its choices.

    Args:
        root: The model.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._path = [type(root).__name__]
        self._condition: Condition = ALWAYS
        self._found: list[Choice] = []
        self._constraints: list[MakeConstraint] = []
        self._contents = ContentsCheck()
        self._unknown: list[tuple[str, SpaceError]] = []
        self._registered = {id(module) for module in root.modules()}
        self.module(root)

    @property
    def place(self) -> str:
        """Where the walk is, as a path from the model."""
        return ".".join(self._path)

    def choice(self, choice: Choice, argument: str = "") -> None:
        """Report a choice of the module that is being visited."""
        place = f"{self.place}.{argument}" if argument else self.place
        self._found.append(replace(choice, condition=self._condition, declared_at=place))

    def unknown(self, label: str, error: SpaceError) -> None:
        """Report a choice whose domain is not known; there is a space only when all domains are."""
        self._unknown.append((label, error))

    def constraint(self, make: MakeConstraint) -> None:
        """Report a constraint on the choices of the module that is being visited."""
        self._constraints.append(make)

    def expression(self, value: Any, argument: str) -> None:
        """Report the choices in an argument or attribute of the module that is being visited."""
        for where, leaf in leaves(value, argument):
            if isinstance(leaf, Expression):
                for variable in leaf.variables():
                    self.choice(variable.choice(), where)
                    self._contents.check(variable, self._found[-1].declared_at)
            elif isinstance(leaf, nn.Module) and id(leaf) not in self._registered:
                self.module(leaf, where)  # the others are visited where they are registered, with their conditions

    def child(self, parent: nn.Module, name: str) -> None:
        """Visit a child of the module that is being visited."""
        module = parent._modules[name]
        if module is not None:
            self.module(module, name)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Add a name to the path inside the block."""
        self._path.append(name)
        yield
        self._path.pop()

    @contextmanager
    def under(self, condition: Condition) -> Iterator[None]:
        """Make choices that are reported inside the block conditional; labels are those of the declarations."""
        outer = self._condition
        self._condition = both(outer, condition)
        yield
        self._condition = outer

    def module(self, module: nn.Module, name: str = "") -> None:
        """Visit a module and its children."""
        if name:
            self._path.append(name)
        call = module_call(module)
        if isinstance(module, Mutable):
            module.declare_choices(self)
        elif call is not None and call.role is Role.LAYER:
            self._arguments(call)
        else:
            if call is not None:
                self._recorded(call)
            self._inside(module)
        if name:
            self._path.pop()

    def _recorded(self, call: ModuleCall) -> None:
        for variable, _ in call.parameters:
            self.choice(variable.choice(), "__init__")
        if call.role is Role.UNIT:
            self._arguments(call)

    def _arguments(self, call: ModuleCall) -> None:
        if call.variables or call.modules:
            for name, value in call.named_arguments():
                self.expression(value, name)

    def _inside(self, module: nn.Module) -> None:
        for name, value in vars(module).items():
            if name not in TORCH_STATE and name != CALL_ATTRIBUTE:
                self.expression(value, name)
        for name in module._modules:
            self.child(module, name)

    def result(self) -> list[Choice]:
        """Return the choices with their final labels.

        Raises:
            LabelConflictError: Two numberings gave the same automatic label.
            SpaceError: There is a choice whose domain is not known.
        """
        if self._unknown:
            raise self._unknown[0][1]
        first = self.first_number()
        return [with_final_labels(choice, first) for choice in self._found]

    def constraints(self) -> tuple[Constraint, ...]:
        """Return the constraints that modules reported, each once."""
        first = self.first_number()
        return tuple(dict.fromkeys(make(lambda label: final_label(label, first)) for make in self._constraints))

    def first_number(self) -> int:
        """Return the creation number of the first choice that was numbered outside of a namespace.

        Raises:
            LabelConflictError: Two numberings gave the same automatic label.
        """
        labels = [choice.label for choice in self._found] + [label for label, _ in self._unknown]
        first = first_number_of(labels)
        advice = (
            f"Decorate {type(self._root).__name__} with @model_wrapper, so that one numbering covers all of it, or "
            "give these choices labels."
        )
        check_numbering(self._found, first, advice)
        _first_numbers[self._root] = first
        return first
