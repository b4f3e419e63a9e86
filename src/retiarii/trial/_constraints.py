"""`Constraint`: a bound on architectures or on the metrics of their trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from retiarii.errors import ConfigError
from retiarii.space import Architecture, Cost


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric or on a number that follows from an architecture; made by `at_most` and `at_least`.

    A function of an architecture, or the name of a cost that the experiment can compute (``"params"``, ``"flops"``), is
    checked while sampling, so that no architecture that breaks the bound is proposed. Any other name is a metric that
    trials report: a trial that breaks the bound is stored as infeasible and ranked after all feasible trials.

    Attributes:
        quantity: A function of an architecture, or the name of a cost or metric.
        bound: The bound. A value equal to it is allowed.
        is_upper: Whether values above the bound break the constraint; else those below it do.

    Raises:
        ConfigError: ``quantity`` is neither a name nor a function, or ``bound`` is not a finite number.
    """

    quantity: str | Cost
    bound: float
    is_upper: bool = True

    def __post_init__(self) -> None:
        name = "at_most" if self.is_upper else "at_least"
        if not callable(self.quantity) and not (isinstance(self.quantity, str) and self.quantity):
            raise ConfigError(
                f"{name}({self.quantity!r}, ...): expected the name of a metric or cost, or a function of an "
                "architecture."
            )
        is_number = isinstance(self.bound, (int, float)) and not isinstance(self.bound, bool)
        if not is_number or not math.isfinite(self.bound):
            raise ConfigError(f"{name}({self.name!r}, {self.bound!r}): expected a finite number as the bound.")

    def __call__(self, architecture: Architecture) -> bool:
        """Return whether an architecture keeps the bound. The quantity must be a function.

        Raises:
            ConfigError: ``quantity`` is a name.
        """
        if not callable(self.quantity):
            raise ConfigError(
                f"{self} cannot be checked on an architecture: only an experiment knows what {self.name!r} is. Give it "
                "to the experiment's settings, RetiariiExeConfig(constraints=[...]), or use a function of an "
                "architecture."
            )
        return self.violation_of(self.quantity(architecture)) == 0

    def __str__(self) -> str:
        return f"{self.name} {'<=' if self.is_upper else '>='} {self.bound:g}"

    @property
    def name(self) -> str:
        """The name of the quantity in messages."""
        return (
            self.quantity if isinstance(self.quantity, str) else getattr(self.quantity, "__name__", repr(self.quantity))
        )

    def violation_of(self, value: float) -> float:
        """Return by how much a value breaks the bound, relative to the bound's size; 0 if it keeps it.

        NaN breaks every bound by infinity.
        """
        if math.isnan(value):
            return math.inf
        excess = value - self.bound if self.is_upper else self.bound - value
        return max(excess, 0.0) / max(abs(self.bound), 1e-12)

    def resolved(self, costs: Mapping[str, Cost]) -> Constraint:
        """Return this constraint with its name replaced by the cost of that name, where there is one."""
        cost = costs.get(self.quantity) if isinstance(self.quantity, str) else None
        return self if cost is None else Constraint(cost, self.bound, self.is_upper)


def at_most(quantity: str | Cost, bound: float) -> Constraint:
    """Return an upper bound on a metric or a number of an architecture, see `Constraint`.

    ::

        RetiariiExeConfig(constraints=[at_most("params", 1e6), at_most("latency_ms", 20)])

    Args:
        quantity: A function of an architecture, or the name of a cost or metric.
        bound: The bound; a value equal to it is allowed.

    Raises:
        ConfigError: An argument is impossible.
    """
    return Constraint(quantity, bound, is_upper=True)


def at_least(quantity: str | Cost, bound: float) -> Constraint:
    """Return a lower bound on a metric or a number of an architecture, see `Constraint`.

    Args:
        quantity: A function of an architecture, or the name of a cost or metric.
        bound: The bound; a value equal to it is allowed.

    Raises:
        ConfigError: An argument is impossible.
    """
    return Constraint(quantity, bound, is_upper=False)


def violation(metrics: Mapping[str, float] | None, constraints: Iterable[Constraint]) -> float:
    """Return by how much metrics break constraints on them, summed over the constraints; 0 if they keep all.

    A metric that was not reported breaks its constraint by infinity.

    Args:
        metrics: The metrics that a trial reported.
        constraints: The constraints. Those whose quantity is a function are skipped: they are checked while sampling.
    """
    found = metrics or {}
    return sum(
        constraint.violation_of(found.get(constraint.quantity, math.nan))
        for constraint in constraints
        if isinstance(constraint.quantity, str)
    )
