"""`SearchRecord`: what a search looked like in one epoch, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from retiarii.space import Architecture

MAX_SAMPLED = 10_000
"""How many sampled paths of an epoch a record keeps."""


@dataclass(frozen=True)
class SearchRecord:
    """One epoch of a one-shot search.

    Attributes:
        epoch: From 0.
        probabilities: For each label, the probability of each value.
        entropy: For each label, the entropy of these in nats.
        temperature: Of the strategies that have one.
        sampled: The paths of the weight steps, in order, where single paths are trained; at most `MAX_SAMPLED`.
    """

    epoch: int
    probabilities: Mapping[str, Mapping[Any, float]]
    entropy: Mapping[str, float]
    temperature: float | None = None
    sampled: tuple[Architecture, ...] = ()

    @property
    def mean_entropy(self) -> float:
        """The mean entropy over labels, in nats; 0 where there are none."""
        return math.fsum(self.entropy.values()) / len(self.entropy) if self.entropy else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; values become their JSON text."""
        return {
            "epoch": self.epoch,
            "probabilities": {
                label: {json.dumps(value): share for value, share in values.items()}
                for label, values in self.probabilities.items()
            },
            "entropy": dict(self.entropy),
            "temperature": self.temperature,
            "sampled": [architecture.to_json() for architecture in self.sampled],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchRecord:
        """Read what `to_json` returned."""
        probabilities = {
            label: {_value(text): share for text, share in values.items()}
            for label, values in data["probabilities"].items()
        }
        sampled = tuple(Architecture.from_json(architecture) for architecture in data["sampled"])
        return cls(data["epoch"], probabilities, data["entropy"], data["temperature"], sampled)

    def scalars(self) -> dict[str, float]:
        """Return the numbers by name, for loggers such as TensorBoard."""
        named = {
            f"search/{label}/{value}": share
            for label, values in self.probabilities.items()
            for value, share in values.items()
        }
        named |= {f"search/entropy/{label}": value for label, value in self.entropy.items()}
        named["search/entropy"] = self.mean_entropy
        if self.temperature is not None:
            named["search/temperature"] = self.temperature
        return named


def _value(text: str) -> Any:
    """Return the value of a choice from its JSON text: lists are tuples."""
    return _tuples(json.loads(text))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def entropy_of(probabilities: Iterable[float]) -> float:
    """Return the entropy of a distribution in nats."""
    return -math.fsum(share * math.log(share) for share in probabilities if share > 0)
