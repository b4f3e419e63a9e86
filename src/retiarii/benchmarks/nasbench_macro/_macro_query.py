"""`query_nbmacro_trial_stats`: the trainings of a network of NAS-Bench-Macro, or of all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from retiarii.benchmarks._tables.query_arguments import means_wanted
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.nasbench_macro._macro_codes import NETWORKS
from retiarii.benchmarks.nasbench_macro._macro_database import MACRO_FILE

NUM_EPOCHS = 50
_SELECT = "SELECT number, test_acc_0, test_acc_1, test_acc_2, params, flops FROM networks"


class NbMacroTrialConfig(TypedDict):
    """What was trained, and how.

    Attributes:
        arch: The block of each layer ``layer_0`` to ``layer_7``: ``identity``, ``mb3_k3`` or ``mb6_k5``.
        num_epochs: The epochs of the training: 50.
        dataset: ``"cifar10"``, trained on all of its 50,000 training images.
    """

    arch: dict[str, str]
    num_epochs: int
    dataset: str


class NbMacroTrialStats(TypedDict):
    """One training and its results, or the means over the three trainings of a network.

    Attributes:
        config: What was trained, and how.
        seed: The random seed of the training, 0 to 2; None for means.
        test_acc: The accuracy on the 10,000 test images, 0 to 100: the best of all epochs, as the authors took it.
            There is no validation accuracy.
        std: The standard deviation of the three accuracies, with the divisor three; None for one training.
        params: The trainable parameters.
        flops: Multiply-adds of one image of 32 x 32 pixels.
    """

    config: NbMacroTrialConfig
    seed: int | None
    test_acc: float
    std: float | None
    params: int
    flops: int


def query_nbmacro_trial_stats(
    arch: Mapping[str, str] | None, reduction: str | None = None
) -> Iterator[NbMacroTrialStats]:
    """Return the trainings of NAS-Bench-Macro, each as a dict.

    Args:
        arch: The block of each layer, as in `NbMacroTrialConfig`; None for all networks.
        reduction: ``"mean"`` for the means over the three trainings of each network, None or ``"none"`` for all
            trainings.

    Returns:
        An iterator over the trainings, sorted by network.

    Raises:
        ArchitectureError: The network is not in the space.
        ConfigError: ``reduction`` has an impossible value.
        BenchmarkError: There is no table, it lacks the network, or it is damaged.

    Examples:
        >>> arch = {f"layer_{position}": "mb3_k3" for position in range(8)}
        >>> (mean,) = query_nbmacro_trial_stats(arch, reduction="mean")
        >>> mean["test_acc"], mean["params"]
    """
    number = None if arch is None else NETWORKS.number(arch)
    is_mean = means_wanted(reduction)
    table = MACRO_FILE.shared()
    if number is not None and table.num_architectures < NETWORKS.size:
        _check_is_there(table, number)
    return _trials(table, number, is_mean=is_mean)


def _trials(table: OpenedTable, number: int | None, *, is_mean: bool) -> Iterator[NbMacroTrialStats]:
    where, values = ("", ()) if number is None else (" WHERE number = ?", (number,))
    with MACRO_FILE.reading(table.path):
        for found, *accuracies, params, flops in table.connection.execute(f"{_SELECT}{where}", values):
            for seed, accuracy, std in _means(accuracies) if is_mean else _singles(accuracies):
                yield {
                    "config": {"arch": NETWORKS.arch(found), "num_epochs": NUM_EPOCHS, "dataset": "cifar10"},
                    "seed": seed,
                    "test_acc": accuracy,
                    "std": std,
                    "params": params,
                    "flops": flops,
                }


def _check_is_there(table: OpenedTable, number: int) -> None:
    with MACRO_FILE.reading(table.path):
        if table.connection.execute("SELECT 1 FROM networks WHERE number = ?", (number,)).fetchone() is None:
            raise MACRO_FILE.lacking(table, NETWORKS.arch(number), NETWORKS.size)


def _singles(accuracies: Sequence[float]) -> Iterator[tuple[int | None, float, float | None]]:
    for seed, accuracy in enumerate(accuracies):
        yield seed, accuracy, None


def _means(accuracies: Sequence[float]) -> Iterator[tuple[int | None, float, float | None]]:
    yield None, math.fsum(accuracies) / len(accuracies), statistics.pstdev(accuracies)
