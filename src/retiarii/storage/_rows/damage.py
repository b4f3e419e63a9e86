"""Errors for damaged rows, which changed since they were written or have invalid values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from retiarii.errors import CorruptStoreError
from retiarii.storage._rows.row_encoding import shortened

Row: TypeAlias = "Sequence[Any]"
"""The values of some columns, in the order of the table."""

FAULTS = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""The exceptions that reading a damaged row may raise."""

CHANGED = "its checksum shows that it was changed since it was written"
LARGEST = 253_402_300_800.0  # the year 10000: an upper limit of times


def damaged(what: str, err: Exception, experiment_id: Any = None) -> CorruptStoreError:
    """Return the error for a damaged row.

    Args:
        what: The content of the row, for the message.
        err: The error of reading it.
        experiment_id: The id of its experiment.
    """
    return CorruptStoreError(
        f"The store's row of {what} is damaged ({type(err).__name__}: {err}). Restore the store from a copy, or delete "
        "the experiment.",
        experiment_id=experiment_id if isinstance(experiment_id, str) else None,
    )


def damaged_experiment(experiment_id: str, err: Exception) -> CorruptStoreError:
    """Return the error for an experiment whose row is damaged."""
    return damaged(f"experiment {shortened(repr(experiment_id))}", err, experiment_id)


def check_kinds(kinds: Sequence[tuple[type, ...]], values: Sequence[Any]) -> None:
    """Check the types of columns, because SQLite accepts texts in columns of numbers.

    Raises:
        ValueError: A value has another type.
    """
    for allowed, value in zip(kinds, values, strict=True):
        if type(value) not in allowed:
            raise ValueError(
                f"expected {' or '.join(kind.__name__ for kind in allowed)}, found {shortened(repr(value))}"
            )
        if type(value) is float and not abs(value) < LARGEST:
            raise ValueError(f"expected a number within reason, found {value!r}")
