"""`Snippet`: Python source as a tree, in which constants can be replaced and long calls broken into lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from retiarii.graph._operations.safe_names import keyword_argument
from retiarii.graph._operations.torch_layers import constructor_signature
from retiarii.graph._source.literals import Literals

LINE_LENGTH = 100
_INDENT = "    "


@dataclass
class Constant:
    """The value of one argument, which a constructor parameter may replace.

    Attributes:
        key: Its path in the class: ``conv1.in_channels``.
        name: The name of the argument: ``in_channels``.
        source: The source of the value.
    """

    key: str
    name: str
    source: str


@dataclass
class Call:
    """A call, or (with ``function`` empty or ``"["``) a tuple or list.

    Attributes:
        function: The source of the called function.
        args: Positional arguments.
        kwargs: Keyword arguments.
        suffix: Method calls on the result.
        cls: The class that is constructed; None for other calls.
    """

    function: str
    args: Sequence[Snippet]
    kwargs: Mapping[str, Snippet] = field(default_factory=dict)
    suffix: str = ""
    cls: type | None = field(default=None, repr=False)

    def add_defaults(self, names: set[str]) -> None:
        """Add the defaults of missing arguments, in the order of the constructor."""
        if self.cls is None or names <= set(self.kwargs):
            return
        parameters: Mapping[str, Any] = constructor_signature(self.cls).parameters
        key = next((constant.key.rpartition(".")[0] for constant in constants(self)), self.function)
        added = {
            name: Constant(f"{key}.{name}", name, Literals().value(parameters[name].default))
            for name in names - set(self.kwargs)
        }
        order = list(parameters)
        self.kwargs = dict(sorted({**self.kwargs, **added}.items(), key=lambda item: order.index(item[0])))


Snippet: TypeAlias = str | Constant | Call
"""A piece of Python source; a text stays as it is."""


def render(snippet: Snippet, names: Mapping[str, str], indent: int, room: int) -> str:
    """Return the source of a snippet: calls in one line, or if they do not fit, with one argument per line.

    Args:
        snippet: The snippet.
        names: Key of a constant to the parameter that replaces it.
        indent: The indentation of the following lines.
        room: The number of characters that fit on the first line.
    """
    if isinstance(snippet, str):
        return snippet
    if isinstance(snippet, Constant):
        return names.get(snippet.key, snippet.source)
    opening, closing = ("[", "]") if snippet.function == "[" else (f"{snippet.function}(", ")")
    closing += snippet.suffix
    wide = 10**6
    parts = [render(argument, names, 0, wide) for argument in snippet.args]
    parts += [keyword_argument(name, render(argument, names, 0, wide)) for name, argument in snippet.kwargs.items()]
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= room or not parts:
        return line
    if len(parts) == 1 and snippet.args and isinstance(snippet.args[0], Call):
        return f"{opening}{render(snippet.args[0], names, indent, room - len(opening))}{closing}"
    inner = LINE_LENGTH - len(_INDENT) * (indent + 1) - 1
    parts = [render(argument, names, indent + 1, inner) for argument in snippet.args]
    for name, argument in snippet.kwargs.items():
        parts.append(keyword_argument(name, render(argument, names, indent + 1, inner - len(name) - 1)))
    body = "".join(f"{_INDENT * (indent + 1)}{part},\n" for part in parts)
    return f"{opening}\n{body}{_INDENT * indent}{closing}"


def skeleton(snippet: Snippet) -> str:
    """Return the source of a snippet without constants; optional arguments of constructors are left out."""
    if isinstance(snippet, str):
        return snippet
    if isinstance(snippet, Constant):
        return "?"
    if snippet.cls is not None:
        parameters = constructor_signature(snippet.cls).parameters.values()
        optional = {parameter.name for parameter in parameters if parameter.default is not parameter.empty}
        return f"{snippet.function}({len(snippet.args)}, {sorted(set(snippet.kwargs) - optional)}){snippet.suffix}"
    parts = [skeleton(argument) for argument in snippet.args]
    parts += [f"{name}={skeleton(argument)}" for name, argument in snippet.kwargs.items()]
    return f"{snippet.function}({', '.join(parts)}){snippet.suffix}"


def constants(snippet: Snippet) -> Iterator[Constant]:
    """Yield the constants in a snippet, in order."""
    if isinstance(snippet, Constant):
        yield snippet
    for argument in _arguments(snippet):
        yield from constants(argument)


def calls(snippet: Snippet) -> Iterator[Call]:
    """Yield the calls in a snippet, outer ones first."""
    if isinstance(snippet, Call):
        yield snippet
    for argument in _arguments(snippet):
        yield from calls(argument)


def _arguments(snippet: Snippet) -> Sequence[Snippet]:
    return (*snippet.args, *snippet.kwargs.values()) if isinstance(snippet, Call) else ()
