"""`read_networks`: the results in the published file of NAS-Bench-Macro.

The file is one JSON object. Its keys are networks, such as ``22212220``; each value has ``test_acc`` (the accuracies of
three trainings), their ``mean_acc`` and ``std``, ``params`` and ``flops``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.benchmarks._tables._formats.single_file import read_single_file
from retiarii.benchmarks.nasbench_macro._macro_codes import number_of_digits
from retiarii.errors import BenchmarkError

NUM_TRAININGS = 3
PUBLISHED_NAME = "nas-bench-macro_cifar10.json"
_MAX_BYTES = 16 * 2**20  # the file has 1 MB; as lists, JSON takes 20 times its size in memory
_WRONG = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def read_networks(source: Path) -> list[tuple[int, float, float, float, int, int]]:
    """Return a row for each network: its number, three test accuracies, parameters and FLOPs.

    Args:
        source: The published file, or the folder or archive that has it.

    Raises:
        BenchmarkError: The file is missing, damaged, or not the file of NAS-Bench-Macro.
    """
    name, data = read_single_file(source, PUBLISHED_NAME, max_bytes=_MAX_BYTES)
    try:
        content = json.loads(data)
    except (RecursionError, ValueError) as err:
        raise BenchmarkError(f"{name} is not JSON or is truncated ({err}). Download the file again.") from err
    try:
        return list(_rows(content))
    except _WRONG as err:
        reason = f"it has no {err.args[0]!r}" if isinstance(err, KeyError) else str(err)
        raise BenchmarkError(f"{name} is not the file of NAS-Bench-Macro ({reason}).") from err


def _rows(content: Mapping[str, Any]) -> Iterator[tuple[int, float, float, float, int, int]]:
    if not isinstance(content, dict):
        raise TypeError(f"its content is {shown(content)}, expected an object with the networks")
    for network, result in content.items():
        first, second, third = _accuracies(network, result)
        yield (
            number_of_digits(network),
            first,
            second,
            third,
            _count(network, result, "params"),
            _count(network, result, "flops"),
        )


def _accuracies(network: str, result: Mapping[str, Any]) -> list[float]:
    found = result["test_acc"]
    values = [value for value in found if type(value) in (int, float) and 0 <= value <= 100]
    if len(values) != NUM_TRAININGS or len(found) != NUM_TRAININGS:
        raise ValueError(f"the test_acc of {network} are {shown(found)}, expected {NUM_TRAININGS} from 0 to 100")
    mean = math.fsum(values) / NUM_TRAININGS
    if not math.isclose(result["mean_acc"], mean, abs_tol=0.01):
        raise ValueError(f"the mean_acc of {network} is {shown(result['mean_acc'])}, its test_acc have {mean:.4f}")
    return [float(value) for value in values]


def _count(network: str, result: Mapping[str, Any], name: str) -> int:
    value = result[name]
    if type(value) not in (int, float) or value != int(value) or not 0 < value < 2**63:
        raise ValueError(f"the {name} of {network} are {shown(value)}, expected a positive integer")
    return int(value)
