"""`Blueprint`: a layer or model with choices, which is built once an architecture is given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol

from retiarii._lazy import load
from retiarii.errors import ChoiceMisuseError, FreezeError
from retiarii.nn._stand_in import stood_for
from retiarii.nn.keras.installed import keras
from retiarii.space import Choice, Condition, Engine, Expression, Searchable, Value
from retiarii.space.construction import ConstructorCall, leaves


class BlueprintWalk(Protocol):
    """The interface to which a blueprint reports its choices; `ChoiceWalk` documents each method."""

    def visit(self, blueprint: Blueprint, name: str) -> None:
        """Visit a blueprint."""

    def inside(self, blueprint: Blueprint) -> list[Blueprint]:
        """Return the blueprints that the code of a blueprint makes."""

    def choice(self, choice: Choice, argument: str = "") -> None:
        """Report a choice."""

    def argument(self, value: Any, name: str) -> None:
        """Report the choices in an argument."""

    def under(self, condition: Condition) -> AbstractContextManager[None]:
        """Make what is reported inside the block conditional."""


class BlueprintBuilder(Protocol):
    """The interface that builds the parts of a blueprint; `Assembly` documents each method."""

    def value(self, choice: Choice) -> Value:
        """Return the chosen value of a choice."""

    def evaluate(self, expression: Expression | Any) -> Any:
        """Return the value of an expression."""

    def build_copy(self, blueprint: Any, number: int) -> Any:
        """Return a separate copy of a repeated block."""

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call with values and built objects."""

    def run(self, blueprint: Blueprint, code: Callable[[], Any]) -> Any:
        """Run the code of a function or class."""


class Blueprint(Searchable):
    """How to build a Keras layer or model from the values of its choices.

    Layers of `retiarii.nn.keras` and functions and classes marked with `model_wrapper` return blueprints where no
    architecture is given. A blueprint holds no weights, pickles, and can be built any number of times:
    ``freeze(blueprint, architecture)``.
    """

    @abstractmethod
    def declare(self, walk: BlueprintWalk) -> None:
        """Report the choices to a walk."""

    @abstractmethod
    def build(self, assembly: BlueprintBuilder) -> Any:
        """Return a new Keras object."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Blueprint, ...]:
        """The blueprints that are parts of this one."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in messages."""

    def engine(self, input_shape: Sequence[int] | None = None) -> Engine:
        """Return the engine that builds the networks of an experiment.

        Args:
            input_shape: The shape of a batch of input. If given, each network is built for this shape immediately.
        """
        engine: Engine = load("retiarii.nn.keras:KerasEngine")(self, input_shape)
        return engine

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise an error, because a blueprint cannot compute.

        Raises:
            ChoiceMisuseError: Always.
        """
        raise ChoiceMisuseError(
            f"{self!r} was called, but it is not built yet, because nothing is chosen. Write what calls layers "
            "as a function that returns a keras.Model, or as a subclass of keras.Model, mark it with "
            "@retiarii.nn.keras.model_wrapper, and create the layers inside of it. To build one architecture: "
            "freeze(model, extract_space(model).default())."
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # pickle and copy ask for them
            raise AttributeError(name)
        raise AttributeError(
            f"{self!r} has no attribute {name!r}: it is a blueprint, not built yet. Give all layers and arguments to "
            "its constructor, or work with what freeze(model, architecture) returns."
        )

    def __repr__(self) -> str:
        return f"<blueprint of {self.name}>"


class CallBlueprint(Blueprint):
    """A recorded call of a class or function.

    Args:
        call: The call; its arguments may hold expressions, blueprints and built layers.
    """

    def __init__(self, call: ConstructorCall) -> None:
        self.call = call

    @property
    def name(self) -> str:
        """The name of the class or function."""
        return str(getattr(self.call.cls, "__qualname__", self.call.cls))

    @property
    def parts(self) -> tuple[Blueprint, ...]:
        """The blueprints among the arguments."""
        found = leaves((self.call.args, self.call.kwargs))
        return tuple(leaf for _, leaf in found if isinstance(leaf, Blueprint))

    def declare(self, walk: BlueprintWalk) -> None:
        """Report the choices among the arguments."""
        for name, value in self.call.named_arguments():
            walk.argument(value, name)

    def build(self, assembly: BlueprintBuilder) -> Any:
        """Call the class or function with values."""
        args, kwargs = assembly.arguments(self.call.args, self.call.kwargs)
        return self.call.cls(*args, **kwargs)


class CodeBlueprint(CallBlueprint):
    """A recorded call of the user's own class or function, whose code makes layers with choices."""

    def declare(self, walk: BlueprintWalk) -> None:
        """Report the choices among the arguments, and those of the layers that the code makes."""
        super().declare(walk)
        for blueprint in walk.inside(self):
            walk.visit(blueprint, blueprint.name)

    def build(self, assembly: BlueprintBuilder) -> Any:
        """Run the code; layers that it makes are built at once.

        Raises:
            FreezeError: It returns something else than a layer or model of Keras.
        """
        args, kwargs = assembly.arguments(self.call.args, self.call.kwargs)
        target: Callable[..., Any] = stood_for(self.call.cls)
        made = assembly.run(self, lambda: target(*args, **kwargs))
        if not isinstance(made, keras.Layer):
            raise FreezeError(
                f"{self.name}() is marked with @model_wrapper and returned an object of type {type(made).__name__}, "
                "expected a keras.Model or another layer of Keras."
            )
        return made
