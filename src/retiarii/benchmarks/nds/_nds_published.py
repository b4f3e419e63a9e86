"""`read_sweep`: the trainings in one published file of NDS."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from retiarii.benchmarks._tables._formats.json_items import JsonDamageError, json_items
from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.benchmarks.nds._nds_records import STATISTICS
from retiarii.errors import BenchmarkError

SWEEPS = (
    "Amoeba.json",
    "Amoeba_in.json",
    "DARTS.json",
    "DARTS_fix-w-d.json",
    "DARTS_in.json",
    "DARTS_lr-wd.json",
    "DARTS_lr-wd_in.json",
    "ENAS.json",
    "ENAS_fix-w-d.json",
    "ENAS_in.json",
    "NASNet.json",
    "NASNet_in.json",
    "PNAS.json",
    "PNAS_fix-w-d.json",
    "PNAS_in.json",
    "ResNeXt-A.json",
    "ResNeXt-A_in.json",
    "ResNeXt-B.json",
    "ResNeXt-B_in.json",
    "ResNet-B.json",
    "ResNet.json",
    "ResNet_lr-wd.json",
    "ResNet_lr-wd_in.json",
    "ResNet_reruns.json",
    "ResNet_rng1.json",
    "ResNet_rng2.json",
    "ResNet_rng3.json",
    "Vanilla.json",
    "Vanilla_lr-wd.json",
    "Vanilla_lr-wd_in.json",
    "Vanilla_reruns.json",
    "Vanilla_rng1.json",
    "Vanilla_rng2.json",
    "Vanilla_rng3.json",
)
"""The published files: the sweeps over a space, one list of trainings each."""

_BLOCKS = {"res_bottleneck": "residual_bottleneck", "res_basic": "residual_basic", "double_plain": "vanilla"}
_MAX_ITEM_BYTES = 16 * 2**20  # as lists, JSON takes 20 times its size in memory
_MAX_BYTES = 16 * 2**30
_WRONG = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True)
class PublishedTraining:
    """One training.

    Attributes:
        config: The values of `NdsTrialConfig`, with the specs as canonical JSON.
        seed: The random seed.
        statistics: The values of `STATISTICS`.
        curves: The values after each epoch for each name of `CURVES`; NaN where there are none.
    """

    config: dict[str, Any]
    seed: int
    statistics: tuple[float | None, ...]
    curves: tuple[list[float], ...]


def canonical(spec: Mapping[str, Any]) -> str:
    """Return a spec as JSON text that is the same for equal specs."""
    return json.dumps(_plain(spec), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, and whole numbers without a point."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value  # a number or an array of numpy
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_sweep(file: IO[bytes], name: str) -> Iterator[PublishedTraining]:
    """Yield the trainings of a sweep, one in memory at a time.

    Args:
        file: The file.
        name: Its published name, which says what was searched and on which dataset.

    Raises:
        BenchmarkError: The file is damaged, or has something else than trainings.
    """
    family, *options = name.removesuffix(".json").split("_")
    sweep = {
        "proposer": family.lower(),
        "generator": "fix_w_d" if "fix-w-d" in options else "tune_lr_wd" if "lr-wd" in options else "random",
        "dataset": "imagenet" if "in" in options else "cifar10",
    }
    number = 0
    try:
        for item in json_items(file, max_item_bytes=_MAX_ITEM_BYTES, max_bytes=_MAX_BYTES):
            yield _training(item, sweep)
            number += 1
        if not number:
            raise JsonDamageError("it has no trainings")
    except JsonDamageError as err:
        raise BenchmarkError(f"{name} is damaged ({err}). Download it again.") from err
    except _WRONG as err:
        reason = f"it has no {shown(err.args[0])}" if isinstance(err, KeyError) else str(err)
        raise BenchmarkError(f"Item {number} of {name} is not a training of NDS ({reason[:500]}).") from err


def _training(item: Mapping[str, Any], sweep: Mapping[str, str]) -> PublishedTraining:
    net, optim, seed, epochs = item["net"], item["optim"], item["rng_seed"], item["optim"]["max_ep"]
    if type(epochs) is not int or type(seed) is not int:
        raise ValueError(f"its epochs are {shown(epochs)} and its seed is {shown(seed)}, expected whole numbers")
    family, model, cell = _cell(net) if "genotype" in net else _stages(net)
    losses = [_loss(value) for value in item["train_ep_loss"]]
    train, test = ([_accuracy(error) for error in item[key]] for key in ("train_ep_top1", "test_ep_top1"))
    if not len(losses) == len(train) == len(test) == epochs or not epochs:
        raise ValueError(f"it has {len(train)} training and {len(test)} test errors for {shown(epochs)} epochs")
    known = [loss for loss in losses if not math.isnan(loss)]
    statistics = (
        train[-1],
        None if math.isnan(losses[-1]) else losses[-1],
        test[-1],
        max(train),
        min(known) if known else None,
        max(test),
        _count(item, "params") / 1e6,
        _count(item, "flops") / 1e6,
        _count(item, "iter_time"),
    )
    assert len(statistics) == len(STATISTICS)
    config = {
        "model_family": family,
        "model_spec": canonical(model),
        "cell_spec": canonical(cell),
        **sweep,
        "base_lr": _count(optim, "base_lr"),
        "weight_decay": _count(optim, "wd"),
        "num_epochs": epochs,
    }
    return PublishedTraining(config, seed, statistics, (losses, train, test))


def _cell(net: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    model = {f"num_nodes_{kind}": len(net["genotype"][kind]) // 2 for kind in ("normal", "reduce")}
    model |= {key: net[key] for key in ("depth", "width", "aux", "drop_prob")}
    cell: dict[str, Any] = {}
    for kind in ("normal", "reduce"):
        for place, (operator, source) in enumerate(net["genotype"][kind]):
            node, side = place // 2, "xy"[place % 2]
            if not isinstance(operator, str) or type(source) is not int or not 0 <= source <= node + 1:
                raise ValueError(f"node {node} of its {kind} cell has the input {shown([operator, source])}")
            cell[f"{kind}_{node}_op_{side}"], cell[f"{kind}_{node}_input_{side}"] = operator, source
        cell[f"{kind}_concat"] = list(net["genotype"][f"{kind}_concat"])
    return "nas_cell", model, cell


def _stages(net: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    block = net["block_type"]
    family = next((name for start, name in _BLOCKS.items() if block.startswith(start)), None)
    if family is None:
        raise ValueError(f"its block type is {shown(block)}, expected one that begins with {', '.join(_BLOCKS)}")
    return family, {key: value for key, value in net.items() if value and key != "block_type"}, {}


def _accuracy(error: float) -> float:
    if isinstance(error, bool) or not -0.001 <= error <= 100.001:
        raise ValueError(f"an error is {shown(error)}, expected 0 to 100")
    return 100.0 - error


def _loss(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _count(item: Mapping[str, Any], name: str) -> float:
    value = item[name]
    if isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(f"its {name!r} is {shown(value)}, expected a number that is not negative")
    return float(value)
