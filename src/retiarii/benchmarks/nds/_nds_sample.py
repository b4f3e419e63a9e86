"""`sampled_benchmark`: the networks that NDS has of one space, as a benchmark to search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retiarii.benchmarks._tabular.tabular_benchmark import TabularBenchmark
from retiarii.benchmarks.nds._nds_query import query_nds_trial_stats
from retiarii.benchmarks.nds._nds_records import STATISTICS, NdsTrialConfig
from retiarii.errors import BenchmarkError

_METRICS = ("final_test_acc", *(name for name in STATISTICS if name != "final_test_acc"))


def sampled_benchmark(proposer: str, dataset: str, generator: str) -> TabularBenchmark:
    """Return a benchmark of the trials of one proposer, dataset and generator.

    Raises:
        ConfigError: An argument has an impossible value.
        BenchmarkError: There is no table, or it has no such trials.
    """
    rows: list[dict[str, Any]] = [
        {**_choices(trial["config"]), "num_epochs": trial["config"]["num_epochs"], **trial}
        for trial in query_nds_trial_stats(None, proposer, generator, None, None, dataset)
    ]
    if not rows:
        raise BenchmarkError(
            f"The table of NDS has no trials of {proposer!r} on {dataset!r} with the generator {generator!r}."
        )
    labels = [label for label in rows[0] if label not in (*_METRICS, "num_epochs", "config", "seed")]
    varied = [label for label in labels if len({row.get(label) for row in rows}) > 1] or labels[:1]
    counts: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = (row["num_epochs"], *(row.get(label) for label in varied))
        row["training"] = counts[key] = counts.get(key, 0) + 1
    has_epochs = len({row["num_epochs"] for row in rows}) > 1
    return TabularBenchmark(
        [{label: row[label] for label in (*varied, "num_epochs", "training", *_METRICS)} for row in rows],
        choices=varied,
        metrics=[name for name in _METRICS if any(row[name] is not None for row in rows)],
        fidelity="num_epochs" if has_epochs else None,
        seed="training",
        name=f"nds/{proposer}",
    )


def _choices(config: NdsTrialConfig) -> dict[str, Any]:
    """Return the choices of a network: lists of stages have one for each stage, lists of nodes are one text."""
    choices: dict[str, Any] = {}
    specs: tuple[Mapping[str, Any], ...] = (config["model_spec"], config["cell_spec"])
    for spec in specs:
        for name, value in spec.items():
            if name.endswith("_concat"):
                choices[name] = " ".join(map(str, value))
            elif isinstance(value, list):
                choices |= {f"{name}/{stage}": part for stage, part in enumerate(value)}
            else:
                choices[name] = value
    if config["generator"] == "tune_lr_wd":
        choices |= {"base_lr": config["base_lr"], "weight_decay": config["weight_decay"]}
    return choices
