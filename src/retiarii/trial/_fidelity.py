"""`Fidelity`: how much training one trial gets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from retiarii.errors import ConfigError


class Fidelity(Mapping[str, float]):
    """An immutable mapping from the name of a resource to the amount that a trial gets: ``{"epochs": 27}``.

    If it is empty, the evaluator decides. For a trial that continues another one, the amount is the total: with
    ``{"epochs": 27}`` and a parent of 9 epochs, the trial trains for 18 more.

    Args:
        amounts: Names and amounts; each amount is a finite number above 0.
        **more: Further amounts, by name.

    Raises:
        ConfigError: A name is not a text, or an amount is not a finite number above 0.
    """

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Mapping[str, float] | None = None, **more: float) -> None:
        merged = {**(amounts or {}), **more}
        for name, amount in merged.items():
            _check(name, amount)
        self._amounts = dict(sorted(merged.items()))

    def __getitem__(self, name: str) -> float:
        return self._amounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __eq__(self, other: object) -> bool:
        return self._amounts == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._amounts.items()))

    def __repr__(self) -> str:
        return f"Fidelity({', '.join(f'{name}={amount!r}' for name, amount in self._amounts.items())})"

    def __str__(self) -> str:
        return ", ".join(f"{name}={amount:g}" for name, amount in self._amounts.items())

    def __reduce__(self) -> tuple[Any, ...]:
        return Fidelity, (self._amounts,)


FULL = Fidelity()
"""No fidelity: the evaluator decides how long it trains."""


def _check(name: Any, amount: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"A fidelity has the name {name!r}, expected a text such as 'epochs'.")
    is_number = isinstance(amount, (int, float)) and not isinstance(amount, bool)
    if not is_number or not math.isfinite(amount) or amount <= 0:
        raise ConfigError(f"The fidelity {name!r} is {amount!r}, expected a finite number above 0.")
