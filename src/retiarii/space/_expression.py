"""`Expression`: arithmetic on values that are not chosen yet; `Variable`: the value of one choice.

An expression is a graph of operations over variables. It is evaluated without recursion and each shared part once, so
the cost of long sums and of widths that depend on each other is linear.
"""

from __future__ import annotations

import inspect
import itertools
import math
import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

from retiarii.errors import ArchitectureError, ChoiceMisuseError, SpaceError
from retiarii.space._choice import Choice
from retiarii.space._plain_value import Value, distinct, nearest

_MAX_SHOWN_DEPTH = 8


class ChoiceMisuseWarning(UserWarning):
    """A choice was used as an integer; torch may replace the error that follows by one without its name."""


def _unary(function: Callable[..., Any], template: str) -> Callable[[Expression], Expression]:
    return lambda self: _Operation(function, (self,), template)


def _binary(function: Callable[..., Any], symbol: str) -> Callable[[Expression, Any], Any]:
    return lambda self, other: _operation(function, (self, other), f"({{}} {symbol} {{}})")


def _reflected(function: Callable[..., Any], symbol: str) -> Callable[[Expression, Any], Any]:
    return lambda self, other: _operation(function, (other, self), f"({{}} {symbol} {{}})")


def _operation(function: Callable[..., Any], operands: tuple[Any, Any], template: str) -> Any:
    """Return the expression, or its value in a forward pass that computes with a tensor or an array."""
    if any(map(_is_tensor, operands)) and _is_in_forward():
        return function(*(each() if isinstance(each, Expression) else each for each in operands))
    return _Operation(function, operands, template)


def _is_tensor(value: Any) -> bool:
    return hasattr(type(value), "__torch_function__") or hasattr(type(value), "__array__")


def _is_in_forward() -> bool:
    """Return whether the innermost ``forward`` or ``__init__`` around is a ``forward``.

    A constructor that computes with tensors gets an expression; a forward pass needs the value.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name not in ("forward", "__init__"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "forward"


class Expression:
    """A value that is computed from the values of its variables.

    The operators of Python give new expressions: ``+ - * / // % ** << >> & | ^ ~``, ``abs``, ``round``, ``math.floor``,
    ``math.ceil``, ``math.trunc``, all comparisons (also ``==``) and indexing. On booleans ``~`` is "not". `max`, `min`,
    `condition`, `to_int`, `to_float` and `apply` are for operations without an operator. Arguments may be plain values,
    expressions,
    and lists or tuples of both. An expression is hashed by identity, because ``==`` does not compare.

    Uses that need the value now (``if``, ``int()``, ``str()``, an f-string, ``range()``, ``len()``, ``for``, ``in``)
    raise `ChoiceMisuseError`; ``repr()`` shows the formula. In ``forward``, an operator with a tensor on its other side
    computes with the value that calling the expression returns.
    """

    # Abstract, but without ABCMeta: its isinstance() is slow, and every argument of every layer goes through it.

    __array_ufunc__ = None  # NumPy then leaves the operation to us

    @abstractmethod
    def _needs(self, known: Mapping[int, Any]) -> Sequence[Expression]:
        """Return the parts that must be computed next; an empty result means that this one can be computed."""

    @abstractmethod
    def _compute(self, known: Mapping[int, Any], resolve: Callable[[Variable], Any]) -> Any:
        """Return the value, given the values of the parts."""

    @property
    @abstractmethod
    def _parts(self) -> tuple[Expression, ...]:
        """All parts, from left to right."""

    @abstractmethod
    def _text(self, depth: int) -> str:
        """Return the formula in parentheses, down to some depth."""

    def __repr__(self) -> str:
        return self._text(_MAX_SHOWN_DEPTH)

    # Values.

    def evaluate(self, lookup: Mapping[str, Any]) -> Any:
        """Return the value that follows from the values of the variables.

        Args:
            lookup: Label to chosen value; an `Architecture` for example.

        Raises:
            ArchitectureError: A required label is missing.
        """

        def resolve(variable: Variable) -> Any:
            label = variable.label
            if label not in lookup:
                raise ArchitectureError(
                    f"{self!r} needs a value for the label {label!r}, which is not among the {len(lookup)} labels "
                    f"given.{nearest(label, lookup)}",
                    label=label,
                )
            return variable.value_of(lookup[label])

        return _evaluated(self, resolve)

    def default(self) -> Any:
        """Return the value with every variable at its default, the first candidate."""
        return _evaluated(self, lambda variable: variable.value_of(variable.choice().default()))

    def __call__(self) -> Any:
        """Return the current value, so that ``self.width()`` in ``forward`` works in a model that is not fixed."""
        return _evaluated(self, lambda variable: variable())

    def variables(self) -> tuple[Variable, ...]:
        """Return the variables, one per label, in the order in which they appear."""
        return self._variables

    @cached_property
    def _variables(self) -> tuple[Variable, ...]:
        found: dict[str, Variable] = {}
        visited: set[int] = set()
        waiting: list[Expression] = [self]
        while waiting:
            node = waiting.pop()
            if id(node) not in visited:
                visited.add(id(node))
                if isinstance(node, Variable):
                    found.setdefault(node.label, node)
                waiting.extend(reversed(node._parts))
        return tuple(found.values())

    def possible_values(self, limit: int = 100_000) -> tuple[Any, ...]:
        """Return the distinct values over all combinations of the variables' values.

        Args:
            limit: The maximum number of combinations.

        Raises:
            SpaceError: There are more combinations, or infinitely many.
        """
        variables = self.variables()
        combinations = math.prod(variable.choice().cardinality for variable in variables)
        if combinations > limit:
            raise SpaceError(
                f"{self!r} has {combinations} combinations of values, more than the limit of {limit}. Raise the "
                "limit, or give its choices fewer candidates."
            )
        labels = [variable.label for variable in variables]
        domains = [list(_domain(variable.choice())) for variable in variables]
        lookups = (dict(zip(labels, values, strict=True)) for values in itertools.product(*domains))
        return distinct(map(self.evaluate, lookups))

    # Functions that have no operator.

    @staticmethod
    def to_int(value: Any) -> Expression:
        """Return ``int(value)`` as an expression."""
        return _Operation(int, (value,), "int({})")

    @staticmethod
    def to_float(value: Any) -> Expression:
        """Return ``float(value)`` as an expression."""
        return _Operation(float, (value,), "float({})")

    @staticmethod
    def condition(predicate: Any, if_true: Any, if_false: Any) -> Expression:
        """Return ``if_true if predicate else if_false``; only the branch that is taken is computed."""
        return _Conditional(predicate, if_true, if_false)

    @staticmethod
    def max(*values: Any) -> Expression:
        """Return the largest of several values, or of one list, tuple or expression that stands for one.

        Raises:
            SpaceError: There is no value.
        """
        return _extreme(max, values)

    @staticmethod
    def min(*values: Any) -> Expression:
        """Return the smallest of several values, or of one list, tuple or expression that stands for one.

        Raises:
            SpaceError: There is no value.
        """
        return _extreme(min, values)

    @staticmethod
    def apply(function: Callable[..., Any], *arguments: Any) -> Expression:
        """Return ``function(*arguments)`` as an expression; ``function`` is called when the values are known."""
        return _called(function, arguments, getattr(function, "__name__", type(function).__name__))

    # Operators.

    __add__, __radd__ = _binary(operator.add, "+"), _reflected(operator.add, "+")
    __sub__, __rsub__ = _binary(operator.sub, "-"), _reflected(operator.sub, "-")
    __mul__, __rmul__ = _binary(operator.mul, "*"), _reflected(operator.mul, "*")
    __truediv__, __rtruediv__ = _binary(operator.truediv, "/"), _reflected(operator.truediv, "/")
    __floordiv__, __rfloordiv__ = _binary(operator.floordiv, "//"), _reflected(operator.floordiv, "//")
    __mod__, __rmod__ = _binary(operator.mod, "%"), _reflected(operator.mod, "%")
    __pow__, __rpow__ = _binary(operator.pow, "**"), _reflected(operator.pow, "**")
    __lshift__, __rlshift__ = _binary(operator.lshift, "<<"), _reflected(operator.lshift, "<<")
    __rshift__, __rrshift__ = _binary(operator.rshift, ">>"), _reflected(operator.rshift, ">>")
    __and__, __rand__ = _binary(operator.and_, "&"), _reflected(operator.and_, "&")
    __or__, __ror__ = _binary(operator.or_, "|"), _reflected(operator.or_, "|")
    __xor__, __rxor__ = _binary(operator.xor, "^"), _reflected(operator.xor, "^")
    __lt__, __le__ = _binary(operator.lt, "<"), _binary(operator.le, "<=")
    __gt__, __ge__ = _binary(operator.gt, ">"), _binary(operator.ge, ">=")
    __neg__, __pos__ = _unary(operator.neg, "(-{})"), _unary(operator.pos, "(+{})")
    __abs__ = _unary(abs, "abs({})")
    __floor__, __ceil__ = _unary(math.floor, "floor({})"), _unary(math.ceil, "ceil({})")
    __trunc__ = _unary(math.trunc, "trunc({})")

    def __eq__(self, other: object) -> Any:
        return _operation(operator.eq, (self, other), "({} == {})")

    def __ne__(self, other: object) -> Any:
        return _operation(operator.ne, (self, other), "({} != {})")

    __hash__ = object.__hash__

    def __invert__(self) -> Expression:
        return _Operation(_inverted, (self,), "(~{})")

    def __round__(self, digits: Any = None) -> Expression:
        return _called(round, (self,) if digits is None else (self, digits), "round")

    def __getitem__(self, key: Any) -> Expression:
        return _Operation(operator.getitem, (self, key), "{}[{}]")

    # Uses that need the value now.

    def _misused(self, used_as: str) -> ChoiceMisuseError:
        return ChoiceMisuseError(
            f"{self!r} was used as a plain value ({used_as}), but its value is chosen only when an architecture is "
            "fixed. Pass it to a module of retiarii.nn.pytorch, mark your own module class with @basic_unit, use "
            "ModelParameterChoice for a value that __init__ itself computes with, or ValueChoice.to_int, to_float, "
            "condition, max, min and apply for what has no operator. In forward, call it: self.width()."
        )

    def _misused_as_text(self) -> ChoiceMisuseError:
        return ChoiceMisuseError(
            f"{self!r} was made a piece of text (by an f-string, str(), % or format()), but its value is chosen only "
            "when an architecture is fixed. For text that depends on it, write "
            "ValueChoice.apply('conv{}'.format, choice); for the name of a file or a key, use its label; in forward, "
            "call it: self.width(); to see what it is, use repr() or {choice!r}."
        )

    def __str__(self) -> NoReturn:
        raise self._misused_as_text()

    def __format__(self, spec: str) -> NoReturn:
        raise self._misused_as_text()

    def __bool__(self) -> NoReturn:
        raise self._misused("as a condition: if, and, or, not")

    def __int__(self) -> NoReturn:
        raise self._misused("by int()")

    def __float__(self) -> NoReturn:
        raise self._misused("by float()")

    def __complex__(self) -> NoReturn:
        raise self._misused("by complex()")

    def __index__(self) -> NoReturn:
        error = self._misused("as an integer: range(), an index, the size of a tensor")
        # torch's argument parser swallows the error and raises a TypeError that names no choice.
        warnings.warn(str(error), ChoiceMisuseWarning, stacklevel=2)
        raise error

    def __len__(self) -> NoReturn:
        raise self._misused("by len()")

    def __iter__(self) -> NoReturn:
        raise self._misused("by iteration or unpacking")

    def __contains__(self, item: object) -> NoReturn:
        raise self._misused("by in")


class Variable(Expression, ABC):
    """An expression whose value is the value of one labelled choice."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The label of the choice."""

    @abstractmethod
    def choice(self) -> Choice:
        """Return the choice: label and domain."""

    def value_of(self, chosen: Value) -> Any:
        """Return the value used in expressions for a chosen value: the chosen value itself, unless overridden."""
        return chosen

    def __call__(self) -> Any:
        """Return the default; a subclass may return the value of the architecture that is being fixed."""
        return self.default()

    def _needs(self, known: Mapping[int, Any]) -> Sequence[Expression]:
        return ()

    def _compute(self, known: Mapping[int, Any], resolve: Callable[[Variable], Any]) -> Any:
        return resolve(self)

    @property
    def _parts(self) -> tuple[Expression, ...]:
        return ()

    def _text(self, depth: int) -> str:
        return f"{type(self).__name__}({self.choice().domain()}, label={self.label!r})"


class _Operation(Expression):
    """A function of arguments that are or contain expressions."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], template: str) -> None:
        self._function = function
        self._arguments = arguments
        self._template = template

    def _needs(self, known: Mapping[int, Any]) -> Sequence[Expression]:
        return [part for part in self._parts if id(part) not in known]

    def _compute(self, known: Mapping[int, Any], resolve: Callable[[Variable], Any]) -> Any:
        return self._function(*[_filled(argument, known) for argument in self._arguments])

    @cached_property
    def _parts(self) -> tuple[Expression, ...]:
        return tuple(_expressions_in(self._arguments))

    def __repr__(self) -> str:
        text = super().__repr__()
        return text[1:-1] if self._template.startswith("(") else text

    def _text(self, depth: int) -> str:
        return self._template.format(*[_shown(argument, depth) for argument in self._arguments])


class _Conditional(Expression):
    """``if_true if predicate else if_false``; only one branch is computed."""

    def __init__(self, predicate: Any, if_true: Any, if_false: Any) -> None:
        self._predicate = predicate
        self._branches = (if_false, if_true)

    def _taken(self, known: Mapping[int, Any]) -> Any:
        return self._branches[bool(_filled(self._predicate, known))]

    def _needs(self, known: Mapping[int, Any]) -> Sequence[Expression]:
        undecided = [part for part in _expressions_in(self._predicate) if id(part) not in known]
        return undecided or [part for part in _expressions_in(self._taken(known)) if id(part) not in known]

    def _compute(self, known: Mapping[int, Any], resolve: Callable[[Variable], Any]) -> Any:
        return _filled(self._taken(known), known)

    @cached_property
    def _parts(self) -> tuple[Expression, ...]:
        return tuple(_expressions_in((self._predicate, *reversed(self._branches))))

    def _text(self, depth: int) -> str:
        parts = (self._predicate, *reversed(self._branches))
        return f"condition({', '.join(_shown(part, depth) for part in parts)})"


def _evaluated(root: Expression, resolve: Callable[[Variable], Any]) -> Any:
    """Compute an expression: each part once, and only parts that are needed."""
    known: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        node = waiting[-1]
        if id(node) in known:
            waiting.pop()
        elif needed := node._needs(known):
            waiting.extend(reversed(needed))
        else:
            known[id(node)] = node._compute(known, resolve)
    return known[id(root)]


def _expressions_in(argument: Any) -> Iterator[Expression]:
    """Yield the outermost expressions of an argument, also in lists, tuples and slices."""
    if isinstance(argument, Expression):
        yield argument
    elif type(argument) in (tuple, list):
        for item in argument:
            yield from _expressions_in(item)
    elif type(argument) is slice:
        yield from _expressions_in((argument.start, argument.stop, argument.step))


def _filled(argument: Any, known: Mapping[int, Any]) -> Any:
    """Return an argument with its expressions replaced by their values."""
    if isinstance(argument, Expression):
        return known[id(argument)]
    if type(argument) in (tuple, list):
        return type(argument)(_filled(item, known) for item in argument)
    if type(argument) is slice:
        return slice(*(_filled(part, known) for part in (argument.start, argument.stop, argument.step)))
    return argument


def _shown(argument: Any, depth: int) -> str:
    if not isinstance(argument, Expression):
        return repr(argument)
    return argument._text(depth - 1) if depth > 0 else "..."


def _called(function: Callable[..., Any], arguments: tuple[Any, ...], name: str) -> Expression:
    safe_name = name.replace("{", "{{").replace("}", "}}")
    return _Operation(function, arguments, f"{safe_name}({', '.join(['{}'] * len(arguments))})")


def _extreme(function: Callable[..., Any], values: tuple[Any, ...]) -> Expression:
    candidates = values[0] if len(values) == 1 else values
    if not isinstance(candidates, Expression):
        candidates = tuple(candidates)
        if not candidates:
            raise SpaceError(f"{function.__name__}() got no values. Give it several, or one list that is not empty.")
        if len(candidates) > 1:
            return _called(function, candidates, function.__name__)
    return _called(function, (candidates,), function.__name__)


def _inverted(value: Any) -> Any:
    return not value if isinstance(value, bool) else ~value


def _domain(choice: Choice) -> Iterator[Value]:
    return map(choice.value_at, range(int(choice.cardinality)))
