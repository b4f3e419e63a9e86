"""`Row`: one row of the table of names. `Adapted`: one of our objects, called with NNI's arguments."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retiarii._lazy import load
from retiarii.errors import ConfigError


@dataclass(frozen=True)
class Row:
    """The equivalent of one of NNI's names whose arguments differ from ours.

    Attributes:
        target: Our object, as ``"module:attribute"``.
        renamed: NNI's names of arguments, with our names.
        defaults: Arguments that have another default in NNI, with that default.
        ignored: NNI's arguments without effect, with the reason; using one gives a warning.
        refused: NNI's arguments that cannot be translated, with advice; using one is an error.
        converted: Arguments (in our spelling) whose values are converted, with the function as ``"module:attribute"``.
    """

    target: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    converted: Mapping[str, str] = field(default_factory=dict)

    def translated(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return keyword arguments in our spelling, without the defaults.

        Args:
            name: The object's name in messages.
            given: Keyword arguments in NNI's spelling.

        Raises:
            ConfigError: An argument cannot be translated, or is given in both spellings.
        """
        arguments: dict[str, Any] = {}
        for argument, value in given.items():
            if argument in self.refused and value is not None:
                raise ConfigError(
                    f"{name} got {argument}={value!r}, which has no equivalent: {self.refused[argument]}."
                )
            if argument in self.ignored:
                warnings.warn(f"{name}({argument}={value!r}) has no effect: {self.ignored[argument]}.", stacklevel=3)
            elif argument not in self.refused:
                ours = self.renamed.get(argument, argument)
                if ours in arguments:
                    raise ConfigError(f"{name} got the argument {ours!r} twice, in two spellings. Give one.")
                arguments[ours] = self.value(ours, value)
        return arguments

    def value(self, argument: str, value: Any) -> Any:
        """Return the value of an argument (in our spelling), converted if this row has a conversion for it."""
        return load(self.converted[argument])(value) if argument in self.converted else value


class Adapted:
    """One of our classes or functions, called with NNI's arguments.

    It can be called, used as a base class, and given to ``isinstance``.

    Args:
        module: NNI's module.
        name: The name in that module.
        row: The row of the table.
    """

    __wrapped__: Callable[..., Any]

    def __init__(self, module: str, name: str, row: Row) -> None:
        target = load(row.target)
        vars(self).update(__wrapped__=target, __name__=name, __qualname__=name, __module__=module)
        vars(self).update(__doc__=target.__doc__, _row=row)
        if inspect.isclass(target):  # so that Base.__init__(self, ...) in old-style subclasses means the class's
            vars(self)["__init__"] = target.__init__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        row, target = vars(self)["_row"], self.__wrapped__
        arguments = row.translated(self.__name__, kwargs)
        positional = [*inspect.signature(target).parameters][: len(args)]
        defaults = {name: value for name, value in row.defaults.items() if name not in positional}
        values = [row.value(name, value) for name, value in zip(positional, args, strict=False)]
        return target(*values, *args[len(values) :], **{**defaults, **arguments})

    def __getattr__(self, name: str) -> Any:
        if "__wrapped__" not in vars(self):
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.__wrapped__,)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.__wrapped__)  # type: ignore[arg-type]  # a function raises TypeError, rightly

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self.__wrapped__)  # type: ignore[arg-type]  # as above

    def __reduce__(self) -> tuple[Any, ...]:
        return Adapted, (self.__module__, self.__name__, vars(self)["_row"])

    def __repr__(self) -> str:
        return f"<{self.__module__}.{self.__name__} of NNI: {vars(self)['_row'].target.replace(':', '.')}>"
