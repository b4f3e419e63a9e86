"""`name_default`: choose the metrics to report among those that a training logs, and the one to compare trials by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from retiarii.errors import MetricError
from retiarii.space import nearest
from retiarii.trial import DEFAULT, Metrics


class MetricSource(NamedTuple):
    """Words for messages about the object that logs metrics.

    Attributes:
        logged: The beginning of a sentence, for example ``"The Lightning module logged"``.
        how_to_log: How a metric is logged, with ``{!r}`` for its name.
        how_to_name: How the user names the metric to compare trials by.
        variants: Suffixes of names that belong to another metric and do not count as metrics of their own.
    """

    logged: str
    how_to_log: str
    how_to_name: str
    variants: tuple[str, ...] = ()


def name_default(
    logged: Mapping[str, float], monitor: str | None, objectives: Collection[str], source: MetricSource
) -> Metrics:
    """Choose the metrics to report, and the default metric among them.

    The objectives and all metrics whose names begin with "val" are reported, or all metrics if there are none of these.
    The default metric is the one that ``monitor`` names; without it, the one called ``"default"``, or else the only
    one, or else the only one that is not a loss. If no objective is the default metric, it may be missing.

    Args:
        logged: The logged metrics.
        monitor: The evaluator's argument.
        objectives: The metrics by which trials are compared.
        source: What logged them, for messages.

    Raises:
        MetricError: ``monitor`` was not logged, or, without it, the default metric is ambiguous.
    """
    names = sorted(logged) or "nothing"
    if monitor is not None and monitor not in logged:
        raise MetricError(
            f"Trials are compared by {monitor!r}, but {source.logged[0].lower()}{source.logged[1:]} {names} "
            f"({source.how_to_log.format(monitor)}).{nearest(monitor, logged)}"
        )
    validation = {name: value for name, value in logged.items() if name.startswith("val")} or dict(logged)
    wanted = {name: logged[name] for name in objectives if name in logged}
    name = monitor or _only_candidate(validation, logged, source.variants)
    if name is not None:
        return {**validation, **wanted, name: logged[name], DEFAULT: logged[name]}
    if DEFAULT not in objectives and validation:
        return {**validation, **wanted}
    raise MetricError(
        f"{source.logged} {names}, and it is not clear by which metric to compare trials. Name it: "
        f"{source.how_to_name}."
    )


def _only_candidate(
    validation: Mapping[str, float], logged: Mapping[str, float], suffixes: tuple[str, ...]
) -> str | None:
    if DEFAULT in logged:
        return DEFAULT
    variants = {f"{name}{suffix}" for name in validation for suffix in suffixes}
    names = [name for name in validation if name not in variants]
    if len(names) > 1:
        names = [name for name in names if "loss" not in name]
    return names[0] if len(names) == 1 else None
