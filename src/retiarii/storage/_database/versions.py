"""Earlier schemas: the columns that their checksums covered, and the conversion of their rows to the next version.

This file is independent of the current schema, so that old stores can still be migrated when the tables change again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from retiarii.storage._rows.checksum import NO_TEXTS, checksum, checksums
from retiarii.storage._rows.schema import VERSION

Columns: TypeAlias = "dict[str, Any]"

DAMAGED = -1
"""The checksum of a row that was damaged before the upgrade: no row has it, so the row stays damaged."""

_TRIALS_3 = (
    *("experiment_id", "number", "state", "metric", "told_before", "finish_order", "started", "ended", "device"),
    *("fidelity", "parent", "violation", "key", "architecture", "metrics", "failure_kind", "failure_message", "reason"),
)
_EXPERIMENTS_3 = (
    *("id", "name", "state", "objectives", "seed", "strategy", "created", "updated", "pid", "host", "version"),
    *("message", "stop_requested", "config", "space"),
)
_REPORTS_2 = ("experiment_id", "number", "step", "time", "metrics")
_EPOCHS_2 = ("experiment_id", "number", "time", "metrics", "record")
_TEXTS_2 = ("experiment_id", "number", "traceback", "output")
_TRIALS_2 = (
    *("experiment_id", "number", "state", "metric", "told_before", "finish_order", "started", "ended", "device"),
    *("key", "architecture", "metrics", "failure_kind", "failure_message"),
)
_EXPERIMENTS_2 = (
    *("id", "name", "state", "direction", "seed", "strategy", "created", "updated", "pid", "host", "version"),
    *("message", "stop_requested", "config", "space"),
)
_COVERED: dict[int, dict[str, dict[str, tuple[str, ...]]]] = {
    1: {},  # without checksums: its rows get checksums of the values that are found
    2: {
        "experiments": {"checksum": _EXPERIMENTS_2},
        "trials": {"checksum": _TRIALS_2, "texts_checksum": _TEXTS_2},
        "intermediates": {"checksum": _REPORTS_2},
        "epochs": {"checksum": _EPOCHS_2},
    },
    3: {
        "experiments": {"checksum": _EXPERIMENTS_3},
        "trials": {"checksum": _TRIALS_3, "texts_checksum": _TEXTS_2},
        "intermediates": {"checksum": _REPORTS_2},
        "epochs": {"checksum": _EPOCHS_2},
    },
}


def upgraded(version: int, table: str, row: Mapping[str, Any]) -> Columns:
    """Return a row of an earlier version as a row of this one, with new checksums.

    Args:
        version: The earlier version.
        table: The name of the table.
        row: Its columns, just as the database gives them.
    """
    columns = dict(row)
    for step in range(version, VERSION):
        columns = _STEPS.get((step, table), dict)(columns)
    checks = checksums(table, columns)
    for name, covered in _COVERED[version].get(table, {}).items():
        if row[name] != _check_of(name, {column: row[column] for column in covered}):
            checks[name] = DAMAGED
    return {**columns, **checks}


def _check_of(name: str, covered: Columns) -> int | None:
    if name == "texts_checksum" and (covered["traceback"], covered["output"]) == NO_TEXTS:
        return None
    if "stop_requested" in covered:
        covered["stop_requested"] = bool(covered["stop_requested"])  # SQLite gives back a number
    return checksum(*covered.values())


def _experiment_2_to_3(row: Columns) -> Columns:
    """Turn the direction of the default metric into a list of objectives."""
    direction = row.pop("direction")
    return {**row, "objectives": json.dumps([["default", str(direction)]], separators=(",", ":"))}


def _trial_2_to_3(row: Columns) -> Columns:
    """Add what trials had not: fidelity, parent, constraints and the reason of pruning."""
    return {**row, "fidelity": None, "parent": None, "violation": 0.0, "reason": None}


def _experiment_3_to_4(row: Columns) -> Columns:
    """Add what experiments had not: tags."""
    return {**row, "tags": "[]"}


_STEPS: dict[tuple[int, str], Callable[[Columns], Columns]] = {
    (2, "experiments"): _experiment_2_to_3,
    (2, "trials"): _trial_2_to_3,
    (3, "experiments"): _experiment_3_to_4,
}
"""By version and table, how a row becomes one of the next version where the columns differ."""
