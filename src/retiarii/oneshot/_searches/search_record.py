"""`SearchRecord`: the state of a search in one epoch, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retiarii.errors import CorruptStoreError, RetiariiError
from retiarii.space import Architecture

MAX_SAMPLED = 10_000
"""How many sampled paths of an epoch a record keeps."""

UNDECIDED_FROM = 0.99
"""A label is undecided from this share of the largest entropy on: two values of 0.55 and 0.45, say."""

_MAX_SHOWN = 8


@dataclass(frozen=True)
class SearchRecord:
    """One epoch of a one-shot search.

    Attributes:
        epoch: The number of the epoch, from 0.
        probabilities: For each label, the probability of each value; for labels in ``num_values``, the probability that
            each candidate is among those chosen.
        entropy: For each label, the entropy of its distribution in nats.
        temperature: The temperature, for strategies that have one.
        sampled: The paths of the weight steps, in order, where single paths are trained; at most `MAX_SAMPLED`.
        is_learnt: Whether the probabilities were learnt; those of `RandomOneShot` are the priors of the space.
        num_values: The number of subsets of each label that has too many to list a probability for each.
    """

    epoch: int
    probabilities: Mapping[str, Mapping[Any, float]]
    entropy: Mapping[str, float]
    temperature: float | None = None
    sampled: tuple[Architecture, ...] = ()
    is_learnt: bool = True
    num_values: Mapping[str, int] = field(default_factory=dict)

    @property
    def max_entropy(self) -> dict[str, float]:
        """For each label, the entropy that it has where all its values are equally probable, in nats."""
        counts = {label: self.num_values.get(label, len(values)) for label, values in self.probabilities.items()}
        return {label: math.log(count) if count else 0.0 for label, count in counts.items()}

    @property
    def undecided(self) -> tuple[str, ...]:
        """The labels whose values are all about equally probable, so that the search has not chosen one.

        The entropy is at least `UNDECIDED_FROM` of the largest one. Labels of a single value are decided; where nothing
        is learnt, none is undecided.
        """
        largest = self.max_entropy if self.is_learnt else {}
        return tuple(label for label, limit in largest.items() if 0 < UNDECIDED_FROM * limit <= self.entropy[label])

    def warning_about(self, labels: Collection[str]) -> str | None:
        """Return a warning that names the undecided labels of an architecture; None if there are none.

        Args:
            labels: Those of the architecture.
        """
        undecided = [label for label in self.undecided if label in labels]
        if not undecided:
            return None
        largest = self.max_entropy
        num_open = sum(largest.get(label, 0) > 0 for label in labels)
        shown = [f"{label!r} ({self.entropy[label]:.4g} of {largest[label]:.4g})" for label in undecided[:_MAX_SHOWN]]
        more = f" and {len(undecided) - _MAX_SHOWN} more" if len(undecided) > _MAX_SHOWN else ""
        which = f"{len(undecided)} of the {num_open} labels" if num_open > 1 else "the only label"
        return (
            f"The search has not decided {which} of its architecture: all values of such a label are about equally "
            "probable, so that the one in the architecture is as good as random. Entropy in nats, of the largest "
            f"possible: {', '.join(shown)}{more}. Train longer, raise arc_learning_rate or lower warmup_epochs, and "
            "compare with random architectures before you use this one."
        )

    @property
    def mean_max_entropy(self) -> float:
        """The mean of `max_entropy` over labels: the value of `mean_entropy` before anything is learnt."""
        return math.fsum(self.max_entropy.values()) / len(self.probabilities) if self.probabilities else 0.0

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
            "max_entropy": self.max_entropy,
            "undecided": list(self.undecided),
            "is_learnt": self.is_learnt,
            "temperature": self.temperature,
            "sampled": [architecture.to_json() for architecture in self.sampled],
            **({"num_values": dict(self.num_values)} if self.num_values else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchRecord:
        """Read what `to_json` returned.

        Raises:
            CorruptStoreError: The data are not a record of this version.
        """
        try:
            return cls._read(data)
        except (AttributeError, LookupError, RecursionError, RetiariiError, TypeError, ValueError) as error:
            raise CorruptStoreError(
                "The record of an epoch of a one-shot search cannot be read "
                f"({type(error).__name__}: {error}): it is damaged or of another version."
            ) from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> SearchRecord:
        probabilities = {
            label: {_value(text): float(share) for text, share in values.items()}
            for label, values in data["probabilities"].items()
        }
        entropy = {label: float(data["entropy"][label]) for label in probabilities}
        temperature = None if data["temperature"] is None else float(data["temperature"])
        sampled = tuple(Architecture.from_json(architecture) for architecture in data["sampled"])
        num_values = {label: int(count) for label, count in data.get("num_values", {}).items()}
        if any(count < 1 for count in num_values.values()):
            raise ValueError(f"num_values is {num_values}, expected numbers of at least 1")
        is_learnt = bool(data.get("is_learnt", True))
        return cls(int(data["epoch"]), probabilities, entropy, temperature, sampled, is_learnt, num_values)

    def scalars(self) -> dict[str, float]:
        """Return the numbers by name, for loggers such as TensorBoard."""
        named = {
            f"search/{label}/{value}": share
            for label, values in self.probabilities.items()
            for value, share in values.items()
        }
        named |= {f"search/entropy/{label}": value for label, value in self.entropy.items()}
        named["search/entropy"] = self.mean_entropy
        named["search/max_entropy"] = self.mean_max_entropy
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
