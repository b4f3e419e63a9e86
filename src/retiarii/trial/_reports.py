"""`Reports`: the metrics that a running trial has reported so far; adding one takes constant time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from retiarii.trial._metrics import Metrics


class Reports(Sequence[Metrics]):
    """An immutable sequence of metrics; `then` returns a longer one that shares the memory of this one.

    It equals a tuple of the same metrics and is pickled as that tuple.

    Args:
        reports: The initial metrics.
    """

    __slots__ = ("_count", "_log")

    def __init__(self, reports: Sequence[Metrics] = ()) -> None:
        self._log = list(reports)
        self._count = len(self._log)

    def then(self, metrics: Metrics) -> Reports:
        """Return these reports and one more."""
        is_newest = len(self._log) == self._count  # else another sequence has been made from this one before
        longer = Reports.__new__(Reports)
        longer._log = self._log if is_newest else self._log[: self._count]
        longer._log.append(metrics)
        longer._count = self._count + 1
        return longer

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Metrics: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Metrics, ...]: ...

    def __getitem__(self, index: int | slice) -> Metrics | tuple[Metrics, ...]:
        chosen = range(self._count)[index]
        return self._log[chosen] if isinstance(chosen, int) else tuple(self._log[place] for place in chosen)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, (tuple, Reports)) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)
