"""`ResultTable`: the results of all architectures of a benchmark on one dataset, as arrays in memory."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retiarii.errors import BenchmarkError
from retiarii.space import Architecture, SearchSpace

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ResultTable:
    """Results in columns.

    Shapes: ``A`` architectures (rows), ``F`` fidelities, ``S`` seeds. Absent results are NaN.

    Attributes:
        row_of: Returns the row of an architecture. It raises an ArchitectureError or a BenchmarkError for one that is
            not in the table.
        metrics: The results by name, ``[A, F, S]``. Metrics that depend on neither fidelity nor seed may be views of
            smaller arrays (``numpy.broadcast_to``).
        amounts: The amounts of the fidelity, ascending, ``F`` of them.
        fidelity: The name of the fidelity, such as ``"epochs"``; None if there is only one.
        seconds: The time of a training, ``[A, F]``, in seconds; None if it is not known. A missing (NaN) time is taken
            to be the median over the architectures at that fidelity, see `filled_with_medians`.

    Raises:
        BenchmarkError: The shapes do not fit together, or times are negative or all missing.
    """

    row_of: Callable[[Architecture], int]
    metrics: Mapping[str, Numbers]
    amounts: tuple[float, ...] = (1.0,)
    fidelity: str | None = None
    seconds: Numbers | None = None

    def __post_init__(self) -> None:
        if not self.metrics:
            raise BenchmarkError("A table of results has no metrics, expected one or more.")
        rows = {name: values.shape[:2] for name, values in self.metrics.items() if values.ndim == 3}
        if self.seconds is not None:
            rows["seconds"] = self.seconds.shape
        wrong = [name for name, values in self.metrics.items() if values.ndim != 3]
        if wrong or len({*rows.values()}) > 1 or next(iter(rows.values()))[1] != len(self.amounts):
            shapes = {name: values.shape for name, values in self.metrics.items()}
            raise BenchmarkError(
                f"The arrays of a table of results have the shapes {shapes}, seconds "
                f"{None if self.seconds is None else self.seconds.shape}, with {len(self.amounts)} fidelities. "
                "Expected [architectures, fidelities, seeds], and [architectures, fidelities] for the seconds."
            )
        if self.seconds is not None:
            object.__setattr__(self, "seconds", filled_with_medians(self.seconds))

    @property
    def num_architectures(self) -> int:
        """How many architectures the table has."""
        return int(next(iter(self.metrics.values())).shape[0])

    def stage_of(self, amount: float) -> int:
        """Return the position of an amount of the fidelity.

        Raises:
            BenchmarkError: The table has no results for this amount.
        """
        try:
            return self.amounts.index(amount)
        except ValueError:
            known = ", ".join(f"{known:g}" for known in self.amounts)
            raise BenchmarkError(
                f"The table has no results for {self.fidelity or 'the fidelity'}={amount:g}, expected one of {known}. "
                "A strategy with fidelities needs amounts that the table has."
            ) from None

    def column(self, name: str) -> tuple[Numbers, int | None]:
        """Return the results ``[A, F, S]`` of a metric, and the position of the fidelity that its name fixes.

        Args:
            name: The name of a metric; or, with a fixed amount of the fidelity, ``"test_acc@200"``.

        Raises:
            BenchmarkError: There is no such metric or amount.
        """
        if name in self.metrics:
            return self.metrics[name], None
        base, found, amount = name.rpartition("@")
        if found and base in self.metrics:
            try:
                return self.metrics[base], self.stage_of(float(amount))
            except ValueError:
                raise BenchmarkError(
                    f"The metric {name!r} ends with {amount!r}, expected a number after '@'."
                ) from None
        near = difflib.get_close_matches(base or name, self.metrics, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise BenchmarkError(
            f"The table has no metric {name!r}, expected one of {sorted(self.metrics)}, perhaps with an amount of the "
            f"fidelity, as in {next(iter(self.metrics)) + '@' + format(self.amounts[-1], 'g')!r}.{hint}"
        )


def means_over_seeds(values: Numbers) -> Numbers:
    """Return the means ``[A, F]`` of results ``[A, F, S]`` over the seeds that are present, NaN without any."""
    known = ~np.isnan(values)
    count = known.sum(axis=2)
    total = np.where(known, values, 0.0).sum(axis=2)
    means: Numbers = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


class HasTable(Protocol):
    """The part of a benchmark that looks architectures up: what evaluators and costs need of it."""

    name: str

    @property
    def space(self) -> SearchSpace:
        """The space of the architectures."""

    def table(self, dataset: str) -> ResultTable:
        """Return the results on a dataset."""


def filled_with_medians(seconds: Numbers) -> Numbers:
    """Return times ``[A, F]`` in which missing ones are the median over the architectures at that fidelity.

    Raises:
        BenchmarkError: A time is negative or infinite, or all times at a fidelity are missing.
    """
    known = seconds[~np.isnan(seconds)]
    if np.any(known < 0) or np.any(np.isinf(known)):
        raise BenchmarkError(
            f"The seconds are from {known.min():g} to {known.max():g}, expected finite numbers that are not negative."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a fidelity without any time
        medians = np.nanmedian(seconds, axis=0)
    if np.any(np.isnan(medians)):
        raise BenchmarkError("The seconds of a fidelity are missing for all architectures. Leave the seconds out.")
    return np.where(np.isnan(seconds), medians, seconds)
