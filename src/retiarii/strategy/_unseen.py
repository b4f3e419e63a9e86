"""`Unseen`: find architectures that were not proposed before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from retiarii._counted import counted
from retiarii.errors import ConstraintError, SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy._permutation import Permutation

ENUMERABLE = 1_000_000
"""Up to this size the rest of a space is found by enumeration, so that exhaustion is exact."""

_TRIES = 20  # if all fail, little is left, and walking finds it in fewer steps than drawing
_TRIES_WHERE_ENUMERATION_IS_IMPOSSIBLE = 10_000


class Unseen:
    """The set of proposed architectures, with a method that finds one that was not proposed before.

    Drawing at random is fast until few architectures are left. Then a space of up to `ENUMERABLE` architectures is
    walked through in a pseudo-random order, which finds the last ones, each with the same probability, and shows for
    certain when none is left. The position of that walk need not be restored: every architecture before it was proposed
    or breaks a constraint.

    Args:
        space: The search space.
        seed: The seed that selects the order of the walk.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._labels = [choice.label for choice in space]
        self._seen: set[bytes] = set()
        self._last: tuple[Architecture | None, bytes] = (None, b"")  # the found architecture is usually added next
        self._place = 0  # in the walk; all architectures before it are seen or break a constraint

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, architecture: Architecture) -> bool:
        return self._digest(architecture) in self._seen

    def add(self, architecture: Architecture) -> None:
        """Add an architecture to the set."""
        self._seen.add(self._digest(architecture))

    def find(self, *draws: Callable[[], Architecture]) -> Architecture:
        """Return an architecture that was not proposed before.

        Args:
            *draws: Functions that return a random architecture, the preferred one first.

        Raises:
            SearchExhausted: All architectures that meet the constraints were proposed; in a space too large to
                enumerate, 10,000 draws gave no new one.
            ConstraintError: No architecture meets the constraints.
        """
        is_enumerable = self._space.size <= ENUMERABLE
        for draw in draws:
            try:
                found = self._draw(draw, _TRIES)
            except ConstraintError:
                if not is_enumerable:
                    raise
                continue
            if found is not None:
                return found
        return self._walk() if is_enumerable else self._insist(draws[-1])

    def _digest(self, architecture: Architecture) -> bytes:
        """Return a 16-byte hash of an architecture of this space.

        `Architecture.key` would do, but takes longer than drawing the architecture, and a set of the architectures
        themselves would take ten times the memory.
        """
        known, digest = self._last
        if known is not architecture:
            value_of = dict(architecture.items()).get
            values = repr([value_of(label, ...) for label in self._labels])
            digest = hashlib.blake2b(values.encode(), digest_size=16).digest()
            self._last = architecture, digest
        return digest

    def _draw(self, draw: Callable[[], Architecture], tries: int) -> Architecture | None:
        for _ in range(tries):
            architecture = draw()
            if architecture not in self:
                return architecture
        return None

    def _insist(self, draw: Callable[[], Architecture]) -> Architecture:
        found = self._draw(draw, _TRIES_WHERE_ENUMERATION_IS_IMPOSSIBLE)
        if found is None:
            raise SearchExhausted(
                f"{_TRIES_WHERE_ENUMERATION_IS_IMPOSSIBLE:,} random architectures in a row were all among the "
                f"{len(self):,} proposed before. The space is too large to enumerate what is left."
            )
        return found

    def _walk(self) -> Architecture:
        size = int(self._space.size)
        order = Permutation(size, self._seed)
        while self._place < size:
            architecture = self._space.at(order[self._place])
            if architecture not in self and self._space.satisfies(architecture):
                return architecture
            self._place += 1
        if not self:
            raise ConstraintError(f"None of the {counted(size, 'architecture')} of the space meets its constraints.")
        raise SearchExhausted(f"All {counted(len(self), 'architecture')} of the space were proposed.")
