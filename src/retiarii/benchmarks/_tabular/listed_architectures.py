"""`ListedArchitectures`: the architectures of a list, where they are few of those that their choices allow."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import Any

from retiarii.benchmarks._tabular.grouped_keys import GroupedKeys
from retiarii.errors import ArchitectureError, SpaceError
from retiarii.space import Architecture, ArchitectureSet, Choice, SearchSpace, Value

Key = tuple["Value | Inactive", ...]


class Inactive(Enum):
    """Stands for the value of a choice that an architecture does not have, as its condition does not hold."""

    INACTIVE = "inactive"


class ListedArchitectures(ArchitectureSet):
    """The architectures of a list.

    Sampling takes one of the list, uniformly. A mutation goes to another architecture of the list that differs in one
    label: the label is drawn first, among those in which such an architecture exists. With a label on which conditions
    of others depend, these others may differ, too. Crossovers that are not in the list are replaced by a mutation of
    one parent.

    Args:
        choices: A choice for each label; its candidates occur in the list.
        keys: The values of each architecture, in the order of the choices, no two the same; ``Inactive.INACTIVE`` where
            the condition of a choice does not hold.
    """

    has_fixed_labels = True

    def __init__(self, choices: Sequence[Choice], keys: Sequence[Key]) -> None:
        self._product = SearchSpace(choices)  # of all combinations, for checks and encodings
        self._labels = tuple(choice.label for choice in choices)
        self._keys = tuple(keys)
        depending = _depending(choices)
        self._free = tuple(
            frozenset(self._labels.index(label) for label in (choice.label, *depending[choice.label]))
            for choice in choices
        )

    def __repr__(self) -> str:
        return self.summary()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ListedArchitectures):
            return NotImplemented
        return self._product == other._product and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self._keys)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("_product", "_labels", "_keys", "_free")}

    @cached_property
    def _places(self) -> dict[Key, int]:
        return {key: place for place, key in enumerate(self._keys)}

    @cached_property
    def _groups(self) -> GroupedKeys:
        """The architectures by the values that a mutation of each label keeps."""
        return GroupedKeys(self._keys, self._free)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices of the labels."""
        return self._product.choices

    @property
    def size(self) -> int:
        """The length of the list."""
        return len(self._keys)

    @property
    def is_counted(self) -> bool:
        """True."""
        return True

    @property
    def estimated_size(self) -> int:
        """The length of the list."""
        return self.size

    def summary(self) -> str:
        """Return the number of labels and the size, as text."""
        return f"{len(self._labels)} labels, {self.size:,} listed architectures of {self._product.size:,}"

    def default(self) -> Architecture:
        """Return the first architecture of the list."""
        return self.at(0)

    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """Return the canonical form of an architecture of the list.

        Raises:
            ArchitectureError: A label or value is unknown, or the list lacks the architecture.
        """
        architecture = self._product.architecture(raw)
        self._place(architecture)
        return architecture

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index`` of the list."""
        if not 0 <= index < self.size:
            raise SpaceError(f"There is no architecture number {index}: this space has {self.size:,}, from 0 on.")
        values = zip(self._labels, self._keys[index], strict=True)
        return Architecture({label: value for label, value in values if not isinstance(value, Inactive)})

    def every(self) -> Iterator[Architecture]:
        """Return all architectures, in the order of the list."""
        return map(self.at, range(self.size))

    def sample(self, rng: random.Random) -> Architecture:
        """Draw an architecture of the list."""
        return self.at(int(rng.random() * self.size))

    def mutate(self, architecture: Architecture, rng: random.Random, probability: float | None) -> Architecture:
        """Go to an architecture that differs in one label; with a probability, go on with it once for each label.

        Raises:
            SpaceError: There is no probability, and none of the list differs in one label only.
        """
        if probability is None:
            mutant = self._step(architecture, rng)
            if mutant is None:
                raise SpaceError(f"No listed architecture differs from {dict(architecture)!r} in one label only.")
            return mutant
        for _ in self._labels:
            if rng.random() < probability:
                architecture = self._step(architecture, rng) or architecture
        return architecture

    def _step(self, architecture: Architecture, rng: random.Random) -> Architecture | None:
        """Return an architecture that differs in one label; None if there is none."""
        own, left = self._place(architecture), list(range(len(self._labels)))
        while left:  # the first label with another architecture, in a random order
            found = self._changed(own, left.pop(int(rng.random() * len(left))))
            if found:
                return self.at(found[int(rng.random() * len(found))])
        return None

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Take each value from one of two architectures; if the result is not listed, mutate or return one of them."""
        place = self._places.get(self._key(self._product.crossover(first, second, rng)))
        if place is not None:
            return self.at(place)
        parent = first if rng.random() < 0.5 else second
        return self._step(parent, rng) or parent

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield all architectures of the list that differ in one label."""
        own = self._place(architecture)
        for position in range(len(self._labels)):
            yield from map(self.at, self._changed(own, position))

    def _changed(self, own: int, position: int) -> list[int]:
        """Return the places of the architectures to which a mutation of a label may lead, in the order of the list."""
        value = self._keys[own][position]
        if value is Inactive.INACTIVE:
            return []
        return sorted(place for place in self._groups.group_of(own, position) if self._keys[place][position] != value)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features of the choices."""
        return self._product.feature_names

    def encode(self, architecture: Architecture) -> list[float]:
        """Encode an architecture by its choices."""
        return self._product.encode(architecture)

    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """Encode each architecture."""
        return self._product.encode_all(architectures)

    def merge(self, other: ArchitectureSet) -> ArchitectureSet:
        """Return this set, if the other one has no choices.

        Raises:
            SpaceError: The other one has choices.
        """
        if other.choices:
            raise SpaceError(
                "A space of listed architectures cannot be searched together with other choices, such as those of an "
                "evaluator's arguments. Give these arguments values."
            )
        return self

    def _key(self, architecture: Architecture) -> Key:
        return tuple([architecture.get(label, Inactive.INACTIVE) for label in self._labels])

    def _place(self, architecture: Architecture) -> int:
        place = self._places.get(self._key(architecture))
        if place is None:
            raise ArchitectureError(
                f"The architecture {dict(architecture)!r} is not one of the {self.size:,} of this space: its choices "
                f"allow {self._product.size:,} combinations, and not all of them are listed.",
                got=architecture,
            )
        return place


def _depending(choices: Sequence[Choice]) -> dict[str, set[str]]:
    """Return for each label those whose conditions depend on it, directly or through others."""
    depending: dict[str, set[str]] = {choice.label: set() for choice in choices}
    for _ in choices:
        for choice in choices:
            for test in (test for conjunction in choice.condition for test in conjunction):
                depending[test.label] |= {choice.label, *depending[choice.label]}
    return depending
