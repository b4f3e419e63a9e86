"""`query_nb201_trial_stats`: the trials of the table that meet conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from retiarii.benchmarks._tables._nats.nats_query import nats_trials
from retiarii.benchmarks.nasbench201._cell_codes import cell_of_number
from retiarii.benchmarks.nasbench201._nb201_database import NB201
from retiarii.benchmarks.nasbench201._nb201_records import Nb201TrialConfig, Nb201TrialStats


def query_nb201_trial_stats(
    arch: Mapping[str, str] | None,
    num_epochs: int | None,
    dataset: str | None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Nb201TrialStats]:
    """Return the trials of NAS-Bench-201 that meet conditions, each as a dict.

    Args:
        arch: The operator of each edge, as in `Nb201TrialConfig`; None for all architectures.
        num_epochs: 12 or 200; None for both.
        dataset: A dataset of `Nb201TrialConfig`; None for all.
        reduction: ``"mean"`` for the means over the seeds of each configuration, None or ``"none"`` for all trials.
        include_intermediates: Whether to include the results after each epoch.

    Returns:
        An iterator over the trials, sorted by epochs and dataset.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: Another argument has an impossible value.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.

    Examples:
        >>> arch = {edge: CONV_3X3 for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")}
        >>> (trial,) = query_nb201_trial_stats(arch, 200, "cifar100", reduction="mean")
        >>> trial["test_acc"]
    """
    found = nats_trials(NB201, _config, arch, num_epochs, dataset, reduction, include_intermediates)
    return cast("Iterator[Nb201TrialStats]", found)


def _config(cell: int, num_epochs: int, dataset: str) -> Nb201TrialConfig:
    return {
        "arch": cell_of_number(cell),
        "num_epochs": num_epochs,
        "num_channels": 16,
        "num_cells": 5,
        "dataset": dataset,
    }
