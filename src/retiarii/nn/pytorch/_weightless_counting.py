"""`WeightlessCounting`: parameters and FLOPs of networks that are built without weights, where that is exact."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from retiarii.nn.pytorch._freezing.weightless import Weightless
from retiarii.nn.pytorch._generators import generators_kept
from retiarii.nn.pytorch.counting import FlopsRules, factors_of_flops, factors_of_params
from retiarii.space import Architecture, PartCosts

_logger = logging.getLogger(__name__)

_COMPARED = 3  # counts of each kind that are compared with those of networks with weights


class WeightlessCounting:
    """Counts on the meta device. The first counts are compared with those of real networks.

    A difference or an error, such as of a ``forward`` that reads values, ends it: then real networks are built.

    Args:
        model: The base model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._builder: Weightless | None = None
        self._num_equal: dict[str, int] = {}
        self._unable: set[str] = set()

    def parts(
        self,
        name: str,
        architecture: Architecture,
        example_input: Any,
        rules: FlopsRules | None,
        real: Callable[[], PartCosts],
    ) -> PartCosts:
        """Return ``"params"`` or ``"flops"`` of each module.

        Args:
            name: Which of both.
            architecture: The architecture.
            example_input: The arguments of ``forward``; None where they are not known.
            rules: See `count_flops`.
            real: Returns the same from a network with weights.
        """
        if name in self._unable or (name == "flops" and example_input is None):
            return real()
        try:
            counts = self._count(name, architecture, example_input, rules)
        except Exception as error:  # noqa: BLE001 - code of the user's model, which may do anything to a meta tensor
            expected, reason = real(), repr(error)  # which raises, too, if the architecture is at fault
        else:
            num_equal = self._num_equal.get(name, 0)
            if num_equal >= _COMPARED:
                return counts
            expected, reason = real(), "the counts differ"
            if _total(counts) == _total(expected):
                self._num_equal[name] = num_equal + 1
                return counts
        self._unable.add(name)
        _logger.info("%s is counted on networks with weights: %s", name, reason)
        return expected

    def _count(self, name: str, architecture: Architecture, example_input: Any, rules: FlopsRules | None) -> PartCosts:
        with generators_kept():
            if self._builder is None:
                self._builder = Weightless(self._model)
            network = self._builder.build(architecture)
            if name == "params":
                return factors_of_params(network)
            with torch.device("meta"):
                return factors_of_flops(network, pytree.tree_map_only(Tensor, _to_meta, example_input), rules=rules)


def _total(counts: PartCosts) -> float:
    return sum(prod(count) if isinstance(count, tuple) else count for count in counts.values())


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor.to("meta")
