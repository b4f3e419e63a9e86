"""`SimulatedSearch`: how the incumbent of one search changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SimulatedSearch:
    """The incumbents of one search, and when each became the incumbent.

    Attributes:
        strategy: The name of the strategy in the comparison.
        seed: The seed of the search.
        num_trials: How many trials ended within the limit.
        seconds: The simulated times at which the incumbent changed, ascending.
        trials: How many trials had ended then, ascending from 1.
        scores: The scores of the incumbents.
        num_failed: How many of the trials failed.
        failure: Why the first of them failed; empty if none did.
    """

    strategy: str
    seed: int
    num_trials: int
    seconds: tuple[float, ...]
    trials: tuple[int, ...]
    scores: tuple[float, ...]
    num_failed: int = 0
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the search as plain data."""
        return {**vars(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SimulatedSearch:
        """Read the data that `to_json` returned."""
        series = {name: tuple(data[name]) for name in ("seconds", "trials", "scores")}
        return cls(**{**data, **series})
