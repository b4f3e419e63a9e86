"""`PackedTrials`: the trials of a log, compressed, so that a million of them fit in memory."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Generic, TypeVar, overload

from retiarii.storage._rows.checksum import FORMAT
from retiarii.storage._rows.damage import Row
from retiarii.trial import Trial

T = TypeVar("T")

_PER_BLOCK = 500
_FASTEST = 1  # zlib's level; slower ones save little
_UNPACKED_BLOCKS = 8  # trials end nearly in the order of their numbers, so few blocks are in use at a time


class PackedTrials:
    """The compressed rows of trials by number, from 0 without gaps; reading makes a new trial each time.

    A row takes some 30 to 100 bytes, where a `Trial` takes 2,500.

    Args:
        make: A function that makes a trial from a row and the stored texts of its intermediate results.
    """

    def __init__(self, make: Callable[[Row, tuple[str, ...]], Trial]) -> None:
        self._make = make
        self._blocks: list[bytes] = []
        self._rest: list[tuple[Row, tuple[str, ...]]] = []  # after the last block
        self._block = lru_cache(_UNPACKED_BLOCKS)(partial(_unpack, self._blocks, make))

    def append(self, row: Row, reports: tuple[str, ...] = ()) -> None:
        """Add the trial of the next number."""
        self._rest.append((row, reports))
        if len(self._rest) == _PER_BLOCK:
            self._blocks.append(zlib.compress(marshal.dumps(self._rest, FORMAT), _FASTEST))
            self._rest.clear()

    def __len__(self) -> int:
        return _PER_BLOCK * len(self._blocks) + len(self._rest)

    def __getitem__(self, number: int) -> Trial:
        block, place = divmod(number, _PER_BLOCK)
        return self._block(block)[place] if block < len(self._blocks) else self._make(*self._rest[place])


def _unpack(blocks: list[bytes], make: Callable[[Row, tuple[str, ...]], Trial], index: int) -> list[Trial]:
    return [make(row, reports) for row, reports in marshal.loads(zlib.decompress(blocks[index]))]


class PackedView(Sequence[T], Generic[T]):
    """A read-only sequence of values made from packed trials; equals a list of the same values.

    Args:
        trials: The packed trials.
        numbers: The numbers of the trials, in the order of the sequence.
        of: A function that makes an element from a trial.
    """

    def __init__(self, trials: PackedTrials, numbers: Sequence[int], of: Callable[[Trial], T]) -> None:
        self._trials, self._numbers, self._of = trials, numbers, of

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._of(self._trials[number]) for number in self._numbers[index]]
        return self._of(self._trials[self._numbers[index]])

    def __iter__(self) -> Iterator[T]:
        trials, of = self._trials, self._of
        return (of(trials[number]) for number in self._numbers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, PackedView)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"<{len(self)} packed>"
