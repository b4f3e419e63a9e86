"""`GroupedKeys`: finds the keys that are equal to another one at most positions, by sorted hashes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


class GroupedKeys:
    """Groups keys by their values without those at some positions, for each of several sets of positions.

    It takes 16 bytes for each key and set; dicts of shortened keys would take twenty times as much.

    Args:
        keys: Tuples of the same length.
        free: The sets of positions.
    """

    def __init__(self, keys: Sequence[tuple[Hashable, ...]], free: Sequence[frozenset[int]]) -> None:
        self._keys, self._free = keys, free
        draw = np.random.default_rng(0)
        parts: list[NDArray[np.uint64]] = []  # of the hash of each key, for each position
        for values in zip(*keys, strict=True):
            codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
            weights = draw.integers(0, 2**64, len(codes), dtype=np.uint64)
            parts.append(weights[[codes[value] for value in values]])
        total = _summed(parts)
        self._hashes = [total - _summed([parts[at] for at in positions]) for positions in free]
        self._orders: list[NDArray[np.int64]] = [np.argsort(hashes) for hashes in self._hashes]
        self._sorted = [hashes[order] for hashes, order in zip(self._hashes, self._orders, strict=True)]

    def group_of(self, place: int, number: int) -> list[int]:
        """Return the places of the keys that equal a key without the positions of a set, itself among them.

        Args:
            place: The place of the key.
            number: The number of the set.
        """
        ascending, wanted = self._sorted[number], self._hashes[number][place]
        begin, end = np.searchsorted(ascending, wanted, "left"), np.searchsorted(ascending, wanted, "right")
        found: list[int] = self._orders[number][begin:end].tolist()
        own = self._shortened(place, number)
        return [other for other in found if self._shortened(other, number) == own]  # hashes may be equal by chance

    def _shortened(self, place: int, number: int) -> list[Hashable]:
        free = self._free[number]
        return [value for position, value in enumerate(self._keys[place]) if position not in free]


def _summed(parts: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return the sum of hashes, which wraps around, as differences do."""
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint64))
