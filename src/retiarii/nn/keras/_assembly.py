"""`Assembly`: builds blueprints for one architecture."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from retiarii.errors import FreezeError
from retiarii.nn._labels.context_stack import ContextStack, stack_of
from retiarii.nn._labels.final_labels import final_label
from retiarii.nn._labels.namespace import ModelNamespace, Position, numbering_from, position
from retiarii.nn._stand_in import StandIn, stood_for
from retiarii.nn.keras._blueprints import Blueprint
from retiarii.nn.keras.installed import keras
from retiarii.space import Choice, Expression, Value
from retiarii.space.construction import replace_leaves

ASSEMBLY_KEY = "retiarii.nn.keras"

Made = TypeVar("Made")


class Assembly:
    """Builds blueprints, each once, with the values of an architecture.

    While the code of a function or class runs in it, layers of `retiarii.nn.keras` are built where they are written.

    Args:
        architecture: Labels with values, in any spelling. Choices that are missing in it take their defaults; these are
            choices inside candidates that are not chosen, which the user's code makes all the same.
        first: The creation number of the first choice that was numbered outside of a namespace.
        known: The labels that choices may have; None for any.

    Attributes:
        roots: The blueprints made here that are not part of another one.
    """

    def __init__(self, architecture: Mapping[str, Any], first: int = 1, *, known: Container[str] | None = None) -> None:
        self._architecture, self._first, self._known = architecture, first, known
        self._built: dict[int, tuple[Blueprint, Any]] = {}  # by id of the blueprint; both stay alive
        self._sources: dict[int, tuple[Any, Blueprint]] = {}  # by id of what was built
        self._given: dict[int, Any] = {}  # layers that the running code made without us
        self._inside: dict[int, list[Blueprint]] = {}  # by id of a blueprint of code, what the code made
        self._starts: dict[int, Position] = {}
        self._copy = 0  # of a block that is repeated
        self.roots: list[Blueprint] = []
        self._frames = [self.roots]

    @staticmethod
    def current() -> Assembly | None:
        """Return the assembly in which the calling code runs, or None."""
        stack = stack_of(ASSEMBLY_KEY)
        return stack[-1] if stack else None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let layers be built where they are written, inside the block."""
        with ContextStack(ASSEMBLY_KEY, self):
            yield

    def value(self, choice: Choice) -> Value:
        """Return the chosen value of a choice.

        Raises:
            ArchitectureError: The architecture has a wrong value.
            FreezeError: The choice is not known.
        """
        label = final_label(choice.label, self._first)
        if label in self._architecture:
            return choice.parse(self._architecture[label])
        if self._known is not None and label not in self._known:
            raise FreezeError(
                f"The code of the model makes the choice {label!r}, which it does not make with the default of every "
                "choice. Let it make the same choices whatever the values are: LayerChoice and Repeat choose what is "
                "used."
            )
        return choice.default()

    def evaluate(self, expression: Expression | Any) -> Any:
        """Return the value of an expression, and anything else as it is."""
        if not isinstance(expression, Expression):
            return expression
        return expression.evaluate(
            {variable.label: self.value(variable.choice()) for variable in expression.variables()}
        )

    def build(self, blueprint: Blueprint) -> Any:
        """Return the layer or model that a blueprint builds; the same object on each call."""
        if id(blueprint) not in self._built:
            self._built[id(blueprint)] = (blueprint, blueprint.build(self))
        return self._built[id(blueprint)][1]

    def build_copy(self, blueprint: Any, number: int) -> Any:
        """Return a separate copy of a repeated block.

        Args:
            blueprint: The block: a blueprint, or a layer that is built already and is copied.
            number: The number of the copy, from 0.
        """
        outer, self._built, self._copy = (self._built, self._copy), {}, number
        try:
            return self.arguments((blueprint,), {})[0][0]
        finally:
            self._built, self._copy = outer

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, with expressions replaced by values and blueprints by built objects."""
        if self._copy and isinstance(kwargs.get("name"), str):  # names of layers are unique
            kwargs = {**kwargs, "name": f"{kwargs['name']}_{self._copy}"}
        return replace_leaves(args, self._leaf), replace_leaves(kwargs, self._leaf)

    def _leaf(self, leaf: Any) -> Any:
        if isinstance(leaf, Blueprint):
            return self.build(leaf)
        if isinstance(leaf, Expression):
            leaf = self.evaluate(leaf)
        if isinstance(leaf, StandIn):
            return stood_for(leaf)
        if isinstance(leaf, keras.Layer) and (self._copy or id(leaf) not in self._given):
            return _copy_of(leaf, self._copy)
        return leaf

    # The user's code, which runs in this assembly.

    def run(self, blueprint: Blueprint, code: Callable[[], Made]) -> Made:
        """Run the code of a function or class, and record the blueprints that it makes.

        If it runs again, for a copy, its choices have the same labels.
        """
        frame: list[Blueprint] = []
        self._frames.append(frame)
        try:
            with self.active(), self._numbering(blueprint), ModelNamespace():
                made = code()
        finally:
            self._frames.pop()
        self._inside.setdefault(id(blueprint), frame)
        return made

    @contextmanager
    def _numbering(self, blueprint: Blueprint) -> Iterator[None]:
        start = self._starts.get(id(blueprint))
        if start is None:
            self._starts[id(blueprint)] = position()
            yield
        else:
            with numbering_from(start):
                yield

    def inside(self, blueprint: Blueprint) -> list[Blueprint]:
        """Return the outermost blueprints that the code of a blueprint has made."""
        self.build(blueprint)
        return self._inside[id(blueprint)]

    def adopt(self, value: Any) -> Any:
        """Return an argument that running code passes on, with its layers replaced by their blueprints."""
        return replace_leaves(value, self._source_of)

    def _source_of(self, leaf: Any) -> Any:
        if id(leaf) in self._sources:
            return self._sources[id(leaf)][1]
        if isinstance(leaf, keras.Layer):
            self._given[id(leaf)] = leaf
        return leaf

    def make(self, blueprint: Blueprint) -> Any:
        """Build what running code asks for."""
        made = self.build(blueprint)
        self._sources[id(made)] = (made, blueprint)
        parts = {id(part) for part in blueprint.parts}
        frame = self._frames[-1]
        frame[:] = [known for known in frame if id(known) not in parts]
        frame.append(blueprint)
        return made


def _copy_of(layer: Any, number: int) -> Any:
    """Return a layer like one that was built without this package, with the weights that it has."""
    config = layer.get_config()
    if number and "name" in config:
        config["name"] = f"{config['name']}_{number}"
    copy = type(layer).from_config(config)
    if layer.built:
        copy.build_from_config(layer.get_build_config() or {})
        copy.set_weights(layer.get_weights())
    return copy
