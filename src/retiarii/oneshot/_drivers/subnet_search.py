"""The second phase of SPOS: a multi-trial strategy searches a trained supernet by evaluating its subnets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from retiarii.errors import SearchExhausted
from retiarii.oneshot._drivers.subnet import recalibrate_batch_norm, subnet
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture
from retiarii.strategy import Search
from retiarii.trial import MetricValue


class SubnetEvaluator:
    """Evaluates architectures with the weights that they have in a supernet.

    Args:
        supernet: A trained supernet, or the search that trained it.
        evaluate: Measures a network in evaluation mode.
        calibration: Training batches with which batch normalisation is recalibrated, for each architecture anew; a
            loader or a list, no iterator. None leaves it.
        num_batches: How many of them are used.
        forward: Runs a network on a calibration batch; by default the batch, or its first element, is the input.
    """

    def __init__(
        self,
        supernet: Supernet | OneShotSearch,
        evaluate: Callable[[nn.Module], MetricValue],
        *,
        calibration: Iterable[Any] | None = None,
        num_batches: int | None = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        self._supernet = supernet
        self._evaluate = evaluate
        self._calibration = calibration
        self._num_batches = num_batches
        self._forward = forward

    def __call__(self, architecture: Mapping[str, Any]) -> MetricValue:
        """Return the metric of one architecture.

        Raises:
            ArchitectureError: The architecture does not fit the space.
            ConfigError: There are no batches for calibration.
        """
        network = subnet(self._supernet, architecture).eval()
        if self._calibration is not None:
            recalibrate_batch_norm(network, self._calibration, num_batches=self._num_batches, forward=self._forward)
        return self._evaluate(network)


def search_subnets(
    search: Search, evaluate: Callable[[Architecture], MetricValue], num_trials: int
) -> list[tuple[Architecture, MetricValue]]:
    """Let a multi-trial search propose subnets, and tell it what they are worth.

    Args:
        search: A running search on the supernet's space: ``RegularizedEvolution().search(supernet.space)``.
        evaluate: A `SubnetEvaluator`, or any function of an architecture.
        num_trials: How many at most.

    Returns:
        What was evaluated, in order. Which is best, `Search.best` says.
    """
    evaluated: list[tuple[Architecture, MetricValue]] = []
    while len(evaluated) < num_trials:
        try:
            proposals = search.ask(1)
        except SearchExhausted:
            break
        if not proposals:
            break
        for proposal in proposals:
            metric = evaluate(proposal.architecture)
            search.tell_metric(proposal, metric)
            evaluated.append((proposal.architecture, metric))
    return evaluated
