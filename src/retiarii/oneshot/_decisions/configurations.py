"""`Configurations`: the sets of arguments that a layer with choices can be built with, and their probabilities."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.label_lookup import (
    Lookup,
    check_combinations,
    distinct_values,
    grouped_probabilities,
    joint_probabilities,
)
from retiarii.space.construction import ConstructorCall, evaluate, find_expressions

_MAX_ENUMERATED = 100_000

Config: TypeAlias = "Mapping[str, Any]"
"""Arguments of a constructor, by name."""


@dataclass(frozen=True)
class Grid:
    """All distinct configurations, and the configuration of each combination of values.

    Attributes:
        configs: The ``C`` distinct configurations.
        of_combination: ``[N]``, the configuration of each combination; the last decision changes fastest.
        index: The configuration of each combination, by the positions of the values.
    """

    configs: Sequence[Config]
    of_combination: Tensor
    index: Mapping[tuple[int, ...], int]


class Configurations:
    """The constructor call of one layer, whose arguments contain expressions.

    Args:
        call: The recorded call.
        lookup: The decisions of the supernet.
        path: The path of the layer, for messages.
        positional: The names of positional arguments, if the signature hides them.
    """

    def __init__(self, call: ConstructorCall, lookup: Lookup, path: str, positional: Sequence[str] = ()) -> None:
        self.cls = call.cls
        self.path = path
        self._lookup = lookup
        self._arguments = _bound(call, positional)
        self.decisions = lookup.decisions_in((call.args, call.kwargs))

    @property
    def key(self) -> Hashable:
        """A key of the values on the current path; equal keys mean equal configurations."""
        return tuple([d.index if d.index >= 0 else d.value for d in self.decisions])

    @property
    def is_mixed(self) -> bool:
        """Whether a mixture is active, not a path."""
        return self.decisions[0].weights is not None

    def current(self) -> Config:
        """Return the arguments of the current path."""
        config: Config = evaluate(self._arguments, self._lookup.values(self.decisions))
        return config

    def shown(self, config: Config) -> str:
        """Return a constructor call for messages, with the arguments that choices are in."""
        varied = [name for name, argument in self._arguments.items() if find_expressions(argument)]
        return f"{self.cls.__name__}({', '.join(f'{name}={config[name]!r}' for name in varied)})"

    def possible(self) -> dict[str, tuple[Any, ...]]:
        """Return the distinct values of each argument; of ranges too long to list, the first and the last value.

        Raises:
            SupernetError: An argument has too many combinations.
        """
        return {name: self._values_of(name, argument) for name, argument in self._arguments.items()}

    def probabilities(self) -> Tensor:
        """Return the probability of each configuration, ``[C]``: the exact joint distribution of the decisions."""
        count, numbers = len(self.grid.configs), self.grid.of_combination
        if count == len(numbers):
            return joint_probabilities(self.decisions)
        return grouped_probabilities(self.decisions, numbers, count)

    def supported(self) -> list[int]:
        """Return the configurations whose probability may differ from 0."""
        if all(decision.support is None for decision in self.decisions):
            return list(range(len(self.grid.configs)))
        combinations = itertools.product(*(decision.positions for decision in self.decisions))
        return sorted({self.grid.index[combination] for combination in combinations})

    @cached_property
    def grid(self) -> Grid:
        """All distinct configurations.

        Raises:
            SupernetError: There are too many combinations to weigh them.
        """
        check_combinations(self.decisions, self.path)
        configs, numbers = distinct_values(self._arguments, self._lookup, self.decisions)
        positions = itertools.product(*(range(len(decision.values)) for decision in self.decisions))
        return Grid(configs, torch.tensor(numbers), dict(zip(positions, numbers, strict=True)))

    def _values_of(self, name: str, argument: Any) -> tuple[Any, ...]:
        decisions = self._lookup.decisions_in(argument)
        domains = [decision.values or _ends(decision) for decision in decisions]
        if math.prod(map(len, domains)) > _MAX_ENUMERATED:
            raise SupernetError(
                f"The argument {name!r} of {self.path!r} has more than {_MAX_ENUMERATED:,} combinations of values, so "
                "its largest one cannot be found. Use fewer candidates.",
                path=self.path,
            )
        values: dict[str, Any] = {}
        for chosen in itertools.product(*domains):
            value = evaluate(argument, self._lookup.values(decisions, chosen))
            values.setdefault(repr(value), value)
        return tuple(values.values())


def _ends(decision: Decision) -> tuple[Any, ...]:
    return decision.choice.from_unit(0.0), decision.choice.from_unit(1 - 2**-53)


def _bound(call: ConstructorCall, positional: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a call by name, defaults included."""
    if positional:
        return {**dict(zip(positional, call.args, strict=False)), **call.kwargs}
    bound = inspect.signature(call.cls).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    named = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= named.pop(parameter.name, {})
    return named
