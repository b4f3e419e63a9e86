"""`Expression`: arithmetic on values that are not chosen yet, and `Variable`, a value that a choice decides."""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NoReturn

from retiarii.errors import ArchitectureError, ChoiceMisuseError, SpaceError
from retiarii.space._choice import Choice
from retiarii.space._value import Value, identity, nearest

Resolve = Callable[["Variable"], Any]


class ChoiceMisuseWarning(UserWarning):
    """A choice was used where an integer is needed; the caller may replace the error that follows by its own."""


class Expression(ABC):
    """A value that is known once its variables are.

    The operators of Python give new expressions: ``+ - * / // % ** << >> & | ^ ~``, ``abs``, ``round``, ``math.floor``,
    ``math.ceil``, ``math.trunc``, all comparisons (also ``==``) and indexing. On booleans ``~`` is "not". `max`, `min`,
    `condition`, `to_int`, `to_float` and `apply` do what has no operator. An expression hashes and is found in sets by
    identity, because ``==`` does not compare.

    What needs the value now (``if``, ``int()``, ``range()``, ``len()``, ``for``, ``in``) raises `ChoiceMisuseError`.
    """

    __array_ufunc__ = None  # NumPy scalars then leave the operation to us

    @abstractmethod
    def _evaluate(self, resolve: Resolve) -> Any:
        """Compute the value, asking ``resolve`` for each variable."""

    @abstractmethod
    def _walk(self) -> Iterator[Variable]:
        """Yield the variables, from left to right, repeated ones too."""

    def evaluate(self, lookup: Mapping[str, Any]) -> Any:
        """Return the value that follows from the values of the variables.

        Args:
            lookup: Label to chosen value; an `Architecture` for example.

        Raises:
            ArchitectureError: A label that is needed is missing.
        """

        def resolve(variable: Variable) -> Any:
            label = variable.label
            if label not in lookup:
                raise ArchitectureError(
                    f"{self!r} needs a value for the label {label!r}, which is not among the {len(lookup)} labels given."
                    f"{nearest(label, lookup)}",
                    label=label,
                )
            return variable.value_of(lookup[label])

        return self._evaluate(resolve)

    def default(self) -> Any:
        """Return the value with every variable at its default, the first candidate."""
        return self._evaluate(lambda variable: variable.value_of(variable.choice().default()))

    def variables(self) -> tuple[Variable, ...]:
        """Return the variables, one per label, in the order in which they are written."""
        return tuple({variable.label: variable for variable in reversed(list(self._walk()))}.values())[::-1]

    def possible_values(self, limit: int = 100_000) -> tuple[Any, ...]:
        """Return the distinct values over all combinations of the variables' values.

        Args:
            limit: How many combinations may be tried.

        Raises:
            SpaceError: There are more combinations.
        """
        variables = self.variables()
        choices = [variable.choice() for variable in variables]
        combinations = math.prod(choice.cardinality for choice in choices)
        if combinations > limit:
            raise SpaceError(
                f"{self!r} has {combinations} combinations of values, more than the limit of {limit}. Raise the "
                "limit, or give its choices fewer candidates."
            )
        domains = [
            [variable.value_of(choice.value_at(index)) for index in range(int(choice.cardinality))]
            for variable, choice in zip(variables, choices, strict=True)
        ]
        labels = [variable.label for variable in variables]
        results = []
        for values in itertools.product(*domains):
            chosen = dict(zip(labels, values, strict=True))
            results.append(self._evaluate(lambda variable, chosen=chosen: chosen[variable.label]))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        return _distinct(results)

    # The functions that have no operator.

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
        """Return the largest of several values, or of one list, tuple or expression that stands for one."""
        return _extreme(max, values)

    @staticmethod
    def min(*values: Any) -> Expression:
        """Return the smallest of several values, or of one list, tuple or expression that stands for one."""
        return _extreme(min, values)

    @staticmethod
    def apply(function: Callable[..., Any], *arguments: Any) -> Expression:
        """Return ``function(*arguments)`` as an expression; give it a named function if it must travel by pickle."""
        name = getattr(function, "__name__", type(function).__name__)
        return _Operation(function, arguments, name + "(" + ", ".join(["{}"] * len(arguments)) + ")")

    # Arithmetic.

    def __add__(self, other: Any) -> Expression:
        return _Operation(operator.add, (self, other), "({} + {})")

    def __radd__(self, other: Any) -> Expression:
        return _Operation(operator.add, (other, self), "({} + {})")

    def __sub__(self, other: Any) -> Expression:
        return _Operation(operator.sub, (self, other), "({} - {})")

    def __rsub__(self, other: Any) -> Expression:
        return _Operation(operator.sub, (other, self), "({} - {})")

    def __mul__(self, other: Any) -> Expression:
        return _Operation(operator.mul, (self, other), "({} * {})")

    def __rmul__(self, other: Any) -> Expression:
        return _Operation(operator.mul, (other, self), "({} * {})")

    def __truediv__(self, other: Any) -> Expression:
        return _Operation(operator.truediv, (self, other), "({} / {})")

    def __rtruediv__(self, other: Any) -> Expression:
        return _Operation(operator.truediv, (other, self), "({} / {})")

    def __floordiv__(self, other: Any) -> Expression:
        return _Operation(operator.floordiv, (self, other), "({} // {})")

    def __rfloordiv__(self, other: Any) -> Expression:
        return _Operation(operator.floordiv, (other, self), "({} // {})")

    def __mod__(self, other: Any) -> Expression:
        return _Operation(operator.mod, (self, other), "({} % {})")

    def __rmod__(self, other: Any) -> Expression:
        return _Operation(operator.mod, (other, self), "({} % {})")

    def __pow__(self, other: Any) -> Expression:
        return _Operation(operator.pow, (self, other), "({} ** {})")

    def __rpow__(self, other: Any) -> Expression:
        return _Operation(operator.pow, (other, self), "({} ** {})")

    def __lshift__(self, other: Any) -> Expression:
        return _Operation(operator.lshift, (self, other), "({} << {})")

    def __rlshift__(self, other: Any) -> Expression:
        return _Operation(operator.lshift, (other, self), "({} << {})")

    def __rshift__(self, other: Any) -> Expression:
        return _Operation(operator.rshift, (self, other), "({} >> {})")

    def __rrshift__(self, other: Any) -> Expression:
        return _Operation(operator.rshift, (other, self), "({} >> {})")

    def __and__(self, other: Any) -> Expression:
        return _Operation(operator.and_, (self, other), "({} & {})")

    def __rand__(self, other: Any) -> Expression:
        return _Operation(operator.and_, (other, self), "({} & {})")

    def __or__(self, other: Any) -> Expression:
        return _Operation(operator.or_, (self, other), "({} | {})")

    def __ror__(self, other: Any) -> Expression:
        return _Operation(operator.or_, (other, self), "({} | {})")

    def __xor__(self, other: Any) -> Expression:
        return _Operation(operator.xor, (self, other), "({} ^ {})")

    def __rxor__(self, other: Any) -> Expression:
        return _Operation(operator.xor, (other, self), "({} ^ {})")

    def __neg__(self) -> Expression:
        return _Operation(operator.neg, (self,), "(-{})")

    def __pos__(self) -> Expression:
        return _Operation(operator.pos, (self,), "(+{})")

    def __invert__(self) -> Expression:
        return _Operation(_invert, (self,), "(~{})")

    def __abs__(self) -> Expression:
        return _Operation(abs, (self,), "abs({})")

    def __round__(self, digits: Any = None) -> Expression:
        if digits is None:
            return _Operation(round, (self,), "round({})")
        return _Operation(round, (self, digits), "round({}, {})")

    def __floor__(self) -> Expression:
        return _Operation(math.floor, (self,), "floor({})")

    def __ceil__(self) -> Expression:
        return _Operation(math.ceil, (self,), "ceil({})")

    def __trunc__(self) -> Expression:
        return _Operation(math.trunc, (self,), "trunc({})")

    def __getitem__(self, key: Any) -> Expression:
        return _Operation(operator.getitem, (self, key), "{}[{}]")

    # Comparisons.

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]  # builds an expression, as the user wrote it
        return _Operation(operator.eq, (self, other), "({} == {})")

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]  # builds an expression, as the user wrote it
        return _Operation(operator.ne, (self, other), "({} != {})")

    def __lt__(self, other: Any) -> Expression:
        return _Operation(operator.lt, (self, other), "({} < {})")

    def __le__(self, other: Any) -> Expression:
        return _Operation(operator.le, (self, other), "({} <= {})")

    def __gt__(self, other: Any) -> Expression:
        return _Operation(operator.gt, (self, other), "({} > {})")

    def __ge__(self, other: Any) -> Expression:
        return _Operation(operator.ge, (self, other), "({} >= {})")

    def __hash__(self) -> int:
        return id(self) >> 4

    # Uses that need the value now.

    def _misused(self, used_as: str) -> ChoiceMisuseError:
        return ChoiceMisuseError(
            f"{self!r} was used as a plain value ({used_as}), but its value is chosen only when an architecture is "
            "fixed. Pass it to a module of retiarii.nn.pytorch, mark your own module class with @basic_unit, use "
            "ModelParameterChoice for a value that __init__ itself computes with, or ValueChoice.to_int, to_float, "
            "condition, max, min and apply for what has no operator."
        )

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


class Variable(Expression):
    """An expression whose value one labelled choice decides."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The label of the choice."""

    @abstractmethod
    def choice(self) -> Choice:
        """Return the choice: label and domain."""

    def value_of(self, chosen: Value) -> Any:
        """Return what the chosen value stands for in expressions: itself, unless a subclass says otherwise."""
        return chosen

    def _evaluate(self, resolve: Resolve) -> Any:
        return resolve(self)

    def _walk(self) -> Iterator[Variable]:
        yield self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.choice().domain()}, label={self.label!r})"


class _Operation(Expression):
    """A function of arguments of which some are expressions, also inside lists, tuples and slices."""

    __slots__ = ("_arguments", "_function", "_template")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], template: str) -> None:
        self._function = function
        self._arguments = arguments
        self._template = template

    def _evaluate(self, resolve: Resolve) -> Any:
        return self._function(*[_computed(argument, resolve) for argument in self._arguments])

    def _walk(self) -> Iterator[Variable]:
        for argument in self._arguments:
            yield from _variables_in(argument)

    def __repr__(self) -> str:
        text = self._template.format(*map(repr, self._arguments))
        return text[1:-1] if self._template.startswith("(") else text


class _Conditional(Expression):
    """``if_true if predicate else if_false``, lazily."""

    __slots__ = ("_if_false", "_if_true", "_predicate")

    def __init__(self, predicate: Any, if_true: Any, if_false: Any) -> None:
        self._predicate = predicate
        self._if_true = if_true
        self._if_false = if_false

    def _evaluate(self, resolve: Resolve) -> Any:
        return _computed(self._if_true if _computed(self._predicate, resolve) else self._if_false, resolve)

    def _walk(self) -> Iterator[Variable]:
        for part in (self._predicate, self._if_true, self._if_false):
            yield from _variables_in(part)

    def __repr__(self) -> str:
        return f"condition({self._predicate!r}, {self._if_true!r}, {self._if_false!r})"


def _computed(argument: Any, resolve: Resolve) -> Any:
    if isinstance(argument, Expression):
        return argument._evaluate(resolve)
    if type(argument) in (tuple, list):
        return type(argument)(_computed(item, resolve) for item in argument)
    if type(argument) is slice:
        return slice(*(_computed(part, resolve) for part in (argument.start, argument.stop, argument.step)))
    return argument


def _variables_in(argument: Any) -> Iterator[Variable]:
    if isinstance(argument, Expression):
        yield from argument._walk()
    elif type(argument) in (tuple, list):
        for item in argument:
            yield from _variables_in(item)
    elif type(argument) is slice:
        yield from _variables_in((argument.start, argument.stop, argument.step))


def _extreme(function: Callable[..., Any], values: tuple[Any, ...]) -> Expression:
    if len(values) == 1 and not isinstance(values[0], Expression):
        values = tuple(values[0])
    if len(values) == 0:
        raise SpaceError(f"{function.__name__}() got nothing to compare. Give it values, or one list of values.")
    if len(values) == 1 and not isinstance(values[0], Expression):
        return _Operation(function, (values,), function.__name__ + "({})")
    return _Operation(function, values, function.__name__ + "(" + ", ".join(["{}"] * len(values)) + ")")


def _invert(value: Any) -> Any:
    return not value if isinstance(value, bool) else ~value


def _distinct(values: list[Any]) -> tuple[Any, ...]:
    """Keep the first of equal values; 1, 1.0 and True are not equal."""
    seen: set[Hashable] = set()
    unhashable: list[Any] = []
    kept = []
    for value in values:
        try:
            key = identity(value)
            new = key not in seen
            seen.add(key)
        except TypeError:  # lists and the like, made by apply()
            new = value not in unhashable
            unhashable.append(value)
        if new:
            kept.append(value)
    return tuple(kept)
