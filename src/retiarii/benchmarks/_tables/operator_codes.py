"""`OperatorCodes`: spaces with one operator at each of several places, whose architectures are numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retiarii.errors import ArchitectureError
from retiarii.space import nearest


@dataclass(frozen=True)
class OperatorCodes:
    """All architectures that have an operator of one list at each place.

    The number of an architecture has the positions of its operators as digits, the first place first.

    Attributes:
        places: The names of the places, such as the edges of a cell.
        operators: The names of the operators.
        word: What a place is, for messages.
    """

    places: Sequence[str]
    operators: Sequence[str]
    word: str

    @cached_property
    def size(self) -> int:
        """How many architectures there are."""
        return int(len(self.operators) ** len(self.places))

    def number(self, arch: Mapping[str, str]) -> int:
        """Return the number of an architecture.

        Args:
            arch: The operator of each place.

        Raises:
            ArchitectureError: Places are missing or unknown, or an operator is unknown.
        """
        number, codes = 0, self._codes
        try:
            for place in self.places:
                number = number * len(codes) + codes[arch[place]]
        except (KeyError, TypeError):
            raise self._misfit(arch) from None
        if len(arch) != len(self.places):
            raise self._misfit(arch)
        return number

    def arch(self, number: int) -> dict[str, str]:
        """Return the operator of each place of the architecture with a number."""
        operators = []
        for _ in self.places:
            number, code = divmod(number, len(self.operators))
            operators.append(self.operators[code])
        return dict(zip(self.places, reversed(operators), strict=True))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.operators)}

    def _misfit(self, arch: Any) -> ArchitectureError:
        """Return the error of an architecture that is not in the space."""
        places = ", ".join(self.places)
        if not isinstance(arch, Mapping):
            return ArchitectureError(
                f"The architecture is {arch!r}, expected a dict with an operator for each of {places}, or None for "
                "all.",
                got=arch,
            )
        if missing := [place for place in self.places if place not in arch]:
            return ArchitectureError(
                f"The architecture has no operator for {', '.join(missing)}: it is {dict(arch)!r}, expected one for "
                f"each of {places}.",
                label=missing[0],
            )
        if unknown := [place for place in arch if place not in self.places]:
            return ArchitectureError(
                f"The architecture has the {self.word} {unknown[0]!r}, expected only {places}.", label=str(unknown[0])
            )
        place = next(p for p in self.places if not isinstance(arch[p], str) or arch[p] not in self._codes)
        return ArchitectureError(
            f"The operator of the {self.word} {place} is {arch[place]!r}, expected one of {list(self.operators)}."
            f"{nearest(arch[place], self.operators)}",
            label=place,
            got=arch[place],
            expected=list(self.operators),
        )
