"""`query_nds_trial_stats`: the trials of NDS that meet conditions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from retiarii.benchmarks._tables.curve_blobs import unpacked_curves
from retiarii.benchmarks._tables.query_arguments import chosen, means_wanted
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.nds._nds_database import CONFIG_COLUMNS, NDS_FILE
from retiarii.benchmarks.nds._nds_published import canonical
from retiarii.benchmarks.nds._nds_records import (
    CURVES,
    DATASETS,
    GENERATORS,
    MODEL_FAMILIES,
    PROPOSERS,
    STATISTICS,
    NdsIntermediateStats,
    NdsTrialConfig,
    NdsTrialStats,
)
from retiarii.errors import ConfigError

_KEYS = ("seed", *STATISTICS)
_MAX_EPOCHS = 2**63  # SQLite has no larger numbers
_CONFIGS = ", ".join(f"configs.{name}" for name in CONFIG_COLUMNS)
_FROM = "FROM configs JOIN trials ON trials.config = configs.id"
_ALL = f"SELECT trials.id, {_CONFIGS}, {', '.join(_KEYS)} {_FROM}"
_MEANS = f"SELECT GROUP_CONCAT(trials.id), {_CONFIGS}, NULL, {', '.join(f'AVG({name})' for name in STATISTICS)} {_FROM}"

# The keys of complete specs; a dict with other keys has parts of one.
_WHOLE_MODELS = (
    {"num_nodes_normal", "num_nodes_reduce", "depth", "width", "aux", "drop_prob"},
    {"bot_muls", "ds", "num_gs", "ss", "ws"},
    {"ds", "ss", "ws"},
    set[str](),
)


def query_nds_trial_stats(
    model_family: str | None,
    proposer: str | None,
    generator: str | None,
    model_spec: Mapping[str, Any] | None,
    cell_spec: Mapping[str, Any] | None,
    dataset: str | None,
    num_epochs: float | None = None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[NdsTrialStats]:
    """Return the trials of NDS that meet conditions, each as a dict. None is a wildcard for each condition.

    A spec may be given in parts: keys that are left out, or whose value is None, are wildcards. A dict with all keys of
    a family selects that spec alone, and an empty dict selects trials without such a spec.

    Args:
        model_family: A family of `NdsTrialConfig`.
        proposer: A proposer of `NdsTrialConfig`.
        generator: A generator of `NdsTrialConfig`.
        model_spec: The model, or parts of it, as in `NdsTrialConfig`.
        cell_spec: The cell, or parts of it, as in `NdsTrialConfig`; complete if it has ``normal_concat``,
            ``reduce_concat`` and both inputs of each node.
        dataset: ``"cifar10"`` or ``"imagenet"``.
        num_epochs: The epochs of the training.
        reduction: ``"mean"`` for the means over the trainings of each configuration, None or ``"none"`` for all trials.
        include_intermediates: Whether to include the results after each epoch.

    Returns:
        An iterator over the trials, in the order of the published files.

    Raises:
        ConfigError: An argument has an impossible value.
        BenchmarkError: There is no table, or it is damaged.

    Examples:
        >>> for trial in query_nds_trial_stats("nas_cell", "darts", "random", {"depth": 20}, None, "cifar10"):
        ...     print(trial["config"]["cell_spec"], trial["best_test_acc"])
    """
    conditions = {
        "model_family": _one("model_family", model_family, MODEL_FAMILIES),
        "proposer": _one("proposer", proposer, PROPOSERS),
        "generator": _one("generator", generator, GENERATORS),
        "dataset": _one("dataset", dataset, DATASETS),
        "num_epochs": _epochs(num_epochs),
    }
    is_mean = means_wanted(reduction)
    where = [f"configs.{name} = ?" for name, value in conditions.items() if value is not None]
    values: list[Any] = [value for value in conditions.values() if value is not None]
    for name, spec in (("model_spec", model_spec), ("cell_spec", cell_spec)):
        for condition, value in _spec_conditions(name, spec):
            where.append(condition)
            values.append(value)
    statement = (_MEANS if is_mean else _ALL) + (f" WHERE {' AND '.join(where)}" if where else "")
    statement += " GROUP BY configs.id" if is_mean else " ORDER BY trials.id"
    return _trials(NDS_FILE.shared(), statement, values, include_intermediates=include_intermediates)


def _trials(
    table: OpenedTable, statement: str, values: Sequence[Any], *, include_intermediates: bool
) -> Iterator[NdsTrialStats]:
    with NDS_FILE.reading(table.path):
        for ids, *row in table.connection.execute(statement, values):
            trial: dict[str, Any] = {"config": _config(row[: len(CONFIG_COLUMNS)])}
            trial |= zip(_KEYS, row[len(CONFIG_COLUMNS) :], strict=True)
            if include_intermediates:
                trial["intermediates"] = _intermediates(table.connection, ids)
            yield cast("NdsTrialStats", trial)


def _config(row: Sequence[Any]) -> NdsTrialConfig:
    config = dict(zip(CONFIG_COLUMNS, row, strict=True))
    for name in ("model_spec", "cell_spec"):
        config[name] = json.loads(config[name])
    return cast("NdsTrialConfig", config)


def _intermediates(connection: sqlite3.Connection, ids: int | str) -> list[NdsIntermediateStats]:
    """Return the results after each epoch, averaged over several trials."""
    of_trials = [_curves(connection, int(number)) for number in str(ids).split(",")]
    columns = [[_mean(values) for values in zip(*curves, strict=True)] for curves in zip(*of_trials, strict=True)]
    found = [
        {"current_epoch": epoch, **dict(zip(CURVES, values, strict=True))}
        for epoch, values in enumerate(zip(*columns, strict=True), start=1)
    ]
    return cast("list[NdsIntermediateStats]", found)


def _curves(connection: sqlite3.Connection, number: int) -> list[list[float | None]]:
    row = connection.execute("SELECT data FROM curves WHERE id = ?", (number,)).fetchone()
    return unpacked_curves(row and row[0], len(CURVES), f"The curves {number} in the table", NDS_FILE.how_to_build)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _one(name: str, value: str | None, choices: Sequence[str]) -> str | None:
    return None if value is None else chosen(name, value, choices)[0]


def _epochs(value: float | None) -> int | None:
    if value is None:
        return None
    try:
        if not isinstance(value, bool) and 0 < int(value) == value < _MAX_EPOCHS:
            return int(value)
    except (OverflowError, TypeError, ValueError):
        pass
    raise ConfigError(f"num_epochs is {value!r}, expected a number of epochs, or None for all.")


def _spec_conditions(name: str, spec: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the SQL conditions for a spec, with their values."""
    if spec is None:
        return []
    if not isinstance(spec, Mapping):
        raise ConfigError(f"{name} is {spec!r}, expected a dict, or None for all.")
    parts = {str(key): value for key, value in spec.items() if value is not None}
    if spec and not parts:
        return []
    try:
        text = canonical(parts)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"{name} is {spec!r}, expected numbers, texts and lists in it ({err}).") from err
    if set(parts) in _WHOLE_MODELS if name == "model_spec" else not parts or _is_whole_cell(parts):
        return [(f"configs.{name} = ?", text)]
    return [(f"has_parts(configs.{name}, ?)", text)]


def _is_whole_cell(parts: Mapping[str, Any]) -> bool:
    """Return whether a dict has both concatenations, and both inputs of each node before them."""
    count = {kind: sum(key.startswith(f"{kind}_") for key in parts) - 1 for kind in ("normal", "reduce")}
    names = {f"{kind}_concat" for kind in count}
    for kind, keys in count.items():
        names |= {
            f"{kind}_{node}_{what}_{side}" for node in range(keys // 4) for what in ("op", "input") for side in "xy"
        }
    return set(parts) == names and all(keys > 0 for keys in count.values())
