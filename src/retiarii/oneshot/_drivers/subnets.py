"""Subnets: plain networks with the weights of a trained supernet, and the search for the best of them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from retiarii.errors import ConfigError
from retiarii.nn.pytorch import WeightsLostWarning, freeze
from retiarii.nn.pytorch.engine import evaluating
from retiarii.nn.pytorch.origins import tensor_origins
from retiarii.oneshot._operators.operator import active_tensor
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture
from retiarii.strategy.search import Search
from retiarii.trial import MetricValue

Measured = TypeVar("Measured")

_BatchNorm = nn.modules.batchnorm._BatchNorm


def subnet(supernet: Supernet | OneShotSearch, architecture: Mapping[str, Any]) -> nn.Module:
    """Return the plain network of an architecture with the weights that it has in the supernet.

    The network is that of `freeze`, on the device and in the mode of the supernet. It shares no memory with the
    supernet, which stays set to its path or mixture.

    Args:
        supernet: The supernet, or a search on it.
        architecture: Label to value.

    Raises:
        ArchitectureError: The architecture does not fit the space.
    """
    supernet = supernet.supernet if isinstance(supernet, OneShotSearch) else supernet
    architecture = supernet.space.architecture(architecture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsLostWarning)  # all weights come from the supernet
        frozen = freeze(supernet.base, architecture).to(supernet.device)
    with supernet.temporarily(architecture), torch.no_grad():
        tensors = {
            **dict(frozen.named_parameters(remove_duplicate=False)),
            **dict(frozen.named_buffers(remove_duplicate=False)),
        }
        for name, origin in tensor_origins(frozen):
            source = active_tensor(supernet.module, origin)
            target = tensors[name]
            if target.dtype != source.dtype:
                target.data = target.data.to(source.dtype)
            target.copy_(source)
    return frozen.train(supernet.module.training)


def recalibrate_batch_norm(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    num_batches: int | None = None,
    forward: Callable[[nn.Module, Any], Any] | None = None,
) -> None:
    """Compute the running statistics of all batch normalisations anew, as the plain mean over some batches.

    The running statistics of a supernet mix those of all paths, so that a subnet's output in evaluation mode is wrong.

    Args:
        model: A subnet; parameters and modes stay as they are. Only running statistics change.
        batches: Training data.
        num_batches: The number of batches to use; None uses all.
        forward: Runs the model on a batch. By default the batch is the input, or its first element is, and is brought
            to the device of the model.

    Raises:
        ConfigError: There are no batches.

    Reference:
        Single Path One-Shot (Guo et al., 2020), arXiv:1904.00420, section 3.2, "the statistics of all the batch
        normalization operations are recalculated"; no deviation.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    run = _first_element if forward is None else forward
    chosen = itertools.islice(batches, num_batches)
    first = next(chosen, None)
    if first is None:
        raise ConfigError(
            "There are no batches to recalibrate batch normalisation with. Give a loader or a list: an iterator is "
            "empty when the first network has used it."
        )
    with torch.no_grad(), _averaging(model, norms):
        for batch in itertools.chain([first], chosen):
            run(model, batch)


def _first_element(model: nn.Module, batch: Any) -> Any:
    x = batch[0] if isinstance(batch, (tuple, list)) else batch
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), None)
    return model(x.to(device) if isinstance(x, Tensor) else x)


@contextmanager
def _averaging(model: nn.Module, norms: list[Any]) -> Iterator[None]:
    """Set only batch normalisations to training mode, with cumulative averages, inside the block."""
    momenta = [norm.momentum for norm in norms]
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        try:
            yield
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


class SubnetEvaluator(Generic[Measured]):
    """Evaluates architectures with the weights that they have in a supernet.

    Args:
        supernet: A trained supernet, or the search that trained it.
        evaluate: Measures a network in evaluation mode.
        calibration: Training batches with which batch normalisation is recalibrated, for each architecture anew; a
            loader or a list, no iterator. With None, the running statistics are those of the supernet.
        num_batches: The number of batches that are used; None uses all.
        forward: Runs a network on a calibration batch; by default the batch, or its first element, is the input.
    """

    def __init__(
        self,
        supernet: Supernet | OneShotSearch,
        evaluate: Callable[[nn.Module], Measured],
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

    def __call__(self, architecture: Mapping[str, Any]) -> Measured:
        """Return what ``evaluate`` measured of one architecture.

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
    """Evaluate the architectures that a multi-trial search proposes, and tell it the results.

    Args:
        search: A running search on the supernet's space: ``RegularizedEvolution().search(supernet.space)``.
        evaluate: A `SubnetEvaluator`, or any function of an architecture.
        num_trials: The largest number of evaluations.

    Returns:
        The architectures and their metrics, in order of evaluation. The best is `Search.best`.

    Raises:
        SearchError: The search does not propose one architecture after another: it waits for several results.
    """
    evaluated: list[tuple[Architecture, MetricValue]] = []
    for proposal in itertools.islice(search, num_trials):
        metric = evaluate(proposal.architecture)
        search.tell_metric(proposal, metric)
        evaluated.append((proposal.architecture, metric))
    return evaluated
