"""`Snippet`: Python source as a tree, in which constants can be replaced and long calls broken into lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retiarii.graph._operations.safe_names import keyword_argument
from retiarii.graph._operations.torch_layers import constructor_signature
from retiarii.graph._source.literals import Literals

LINE_LENGTH = 100
_INDENT = "    "


class Snippet(ABC):
    """A piece of Python source."""

    @abstractmethod
    def render(self, names: Mapping[str, str], indent: int, room: int) -> str:
        """Return the source.

        Args:
            names: Key of a constant to the parameter that replaces it.
            indent: The indentation of the following lines.
            room: The number of characters that fit on the first line.
        """

    @abstractmethod
    def skeleton(self) -> str:
        """Return the source without constants."""

    def constants(self) -> Iterator[Constant]:
        """Yield the constants inside, in order."""
        return iter(())

    def calls(self) -> Iterator[Call]:
        """Yield the calls inside, outer ones first."""
        return iter(())


@dataclass
class Text(Snippet):
    """Source text that stays as it is."""

    source: str

    def render(self, names: Mapping[str, str], indent: int, room: int) -> str:
        """Return the source."""
        return self.source

    def skeleton(self) -> str:
        """Return the source."""
        return self.source


@dataclass
class Constant(Snippet):
    """The value of one argument, which a constructor parameter may replace.

    Attributes:
        key: Its path in the class: ``conv1.in_channels``.
        name: The name of the argument: ``in_channels``.
        source: The source of the value.
    """

    key: str
    name: str
    source: str

    def render(self, names: Mapping[str, str], indent: int, room: int) -> str:
        """Return the name of the parameter that replaces the constant, or the constant."""
        return names.get(self.key, self.source)

    def skeleton(self) -> str:
        """Return a mark."""
        return "?"

    def constants(self) -> Iterator[Constant]:
        """Yield itself."""
        yield self


@dataclass
class Call(Snippet):
    """A call, or (with ``function`` empty or ``"["``) a tuple or list.

    Attributes:
        function: The source of the called function.
        args: Positional arguments.
        kwargs: Keyword arguments.
        suffix: Method calls on the result.
        cls: The class that is constructed; None for other calls.
    """

    function: str
    args: list[Snippet]
    kwargs: dict[str, Snippet]
    suffix: str = ""
    cls: type | None = field(default=None, repr=False)

    def render(self, names: Mapping[str, str], indent: int, room: int) -> str:
        """Return the call in one line, or if it does not fit, with one argument per line."""
        opening, closing = ("[", "]") if self.function == "[" else (f"{self.function}(", ")")
        closing += self.suffix
        wide = 10**6
        parts = [argument.render(names, 0, wide) for argument in self.args]
        parts += [keyword_argument(name, argument.render(names, 0, wide)) for name, argument in self.kwargs.items()]
        line = f"{opening}{', '.join(parts)}{closing}"
        if len(line) <= room or not parts:
            return line
        inner = LINE_LENGTH - len(_INDENT) * (indent + 1) - 1
        parts = [argument.render(names, indent + 1, inner) for argument in self.args]
        for name, argument in self.kwargs.items():
            source = argument.render(names, indent + 1, inner - len(name) - 1)
            parts.append(keyword_argument(name, source))
        if len(parts) == 1 and isinstance(self.args[0] if self.args else None, Call):
            hugged = self.args[0].render(names, indent, room - len(opening))
            return f"{opening}{hugged}{closing}"
        body = "".join(f"{_INDENT * (indent + 1)}{part},\n" for part in parts)
        return f"{opening}\n{body}{_INDENT * indent}{closing}"

    def skeleton(self) -> str:
        """Return the call without constants; optional arguments of a constructor are left out."""
        if self.cls is not None:
            fixed = sorted(set(self.kwargs) - self._optional)
            return f"{self.function}({len(self.args)}, {fixed}){self.suffix}"
        parts = [argument.skeleton() for argument in self.args]
        parts += [f"{name}={argument.skeleton()}" for name, argument in self.kwargs.items()]
        return f"{self.function}({', '.join(parts)}){self.suffix}"

    @property
    def _optional(self) -> set[str]:
        assert self.cls is not None
        parameters = constructor_signature(self.cls).parameters.values()
        return {parameter.name for parameter in parameters if parameter.default is not parameter.empty}

    def constants(self) -> Iterator[Constant]:
        """Yield the constants of all arguments."""
        for argument in (*self.args, *self.kwargs.values()):
            yield from argument.constants()

    def calls(self) -> Iterator[Call]:
        """Yield this call and those among its arguments."""
        yield self
        for argument in (*self.args, *self.kwargs.values()):
            yield from argument.calls()

    def add_defaults(self, names: set[str]) -> None:
        """Add the defaults of missing arguments, in the order of the constructor."""
        if self.cls is None or names <= set(self.kwargs):
            return
        parameters: Mapping[str, Any] = constructor_signature(self.cls).parameters
        key = next(self.constants()).key.rpartition(".")[0] if any(self.constants()) else self.function
        for name in names - set(self.kwargs):
            self.kwargs[name] = Constant(f"{key}.{name}", name, Literals().value(parameters[name].default))
        order = list(parameters)
        self.kwargs = dict(sorted(self.kwargs.items(), key=lambda item: order.index(item[0])))
