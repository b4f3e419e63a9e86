"""`query_nats_size_trial_stats`: the trials of the size space that meet conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from retiarii.benchmarks._tables._nats.nats_database import nats_file
from retiarii.benchmarks._tables._nats.nats_query import nats_trials
from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks.nats_size._layer_channels import (
    NUM_SIZES,
    number_of_published_sizes,
    number_of_sizes,
    sizes_of_number,
)
from retiarii.benchmarks.nats_size._nats_size_records import EPOCHS, NatsSizeTrialConfig, NatsSizeTrialStats

NATS_SIZE = NatsSpace(
    word="size",
    folder="NATS-sss-v1_0-50262-simple",
    num_architectures=NUM_SIZES,
    epochs=EPOCHS,
    number_of=number_of_sizes,
    architecture=sizes_of_number,
    number_of_published=number_of_published_sizes,
    file=nats_file("nats_size", "NATS-Bench's size space", application_id=0x6E617373),  # "nass"
)


def query_nats_size_trial_stats(
    arch: Mapping[str, int] | None,
    num_epochs: int | None,
    dataset: str | None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[NatsSizeTrialStats]:
    """Return the trials of NATS-Bench's size space that meet conditions, each as a dict.

    Args:
        arch: The channels of each layer, as in `NatsSizeTrialConfig`; None for all architectures.
        num_epochs: 1, 12 or 90; None for all.
        dataset: A dataset of `NatsSizeTrialConfig`; None for all.
        reduction: ``"mean"`` for the means over the seeds of each configuration, None or ``"none"`` for all trials.
        include_intermediates: Whether to include the results after each epoch.

    Returns:
        An iterator over the trials, sorted by epochs and dataset.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: Another argument has an impossible value.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.

    Examples:
        >>> arch = {"layer1": 8, "layer2": 16, "layer3": 24, "layer4": 64, "layer5": 64}
        >>> (trial,) = query_nats_size_trial_stats(arch, 90, "cifar100")
        >>> trial["test_acc"]
    """
    found = nats_trials(NATS_SIZE, _config, arch, num_epochs, dataset, reduction, include_intermediates)
    return cast("Iterator[NatsSizeTrialStats]", found)


def _config(number: int, num_epochs: int, dataset: str) -> NatsSizeTrialConfig:
    return {"arch": sizes_of_number(number), "num_epochs": num_epochs, "dataset": dataset}
