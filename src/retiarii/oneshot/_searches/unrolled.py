"""The second-order gradient of DARTS: architecture parameters look one step of the weights ahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim

from retiarii.oneshot._searches.distributed import average
from retiarii.oneshot._searches.one_shot_search import Loss

_PERTURBATION = 0.01


def unrolled_gradients(
    val_loss: Loss,
    train_loss: Loss,
    weights: Sequence[nn.Parameter],
    alphas: Sequence[Tensor],
    optimizer: optim.Optimizer,
    module: nn.Module,
) -> tuple[Tensor, list[Tensor | None]]:
    """Differentiate the validation loss after one training step with respect to architecture parameters.

    Weights and buffers are changed on the way and restored.

    Args:
        val_loss: Computes the loss of a validation batch.
        train_loss: Computes the loss of a training batch.
        weights: The weights ``w``.
        alphas: The architecture parameters.
        optimizer: The optimizer of the weights; learning rate, momentum and weight decay of its next step are imitated.
        module: The module with the weights and buffers.

    Returns:
        The validation loss after the step, and the gradients.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, eq. 7 and 8, the finite difference with ``epsilon = 0.01 / norm``.
        The step is SGD's, with the momentum (Nesterov's too), dampening and weight decay that the optimizer has; of
        other optimizers only learning rate and weight decay are imitated. All three evaluations of the training loss
        draw the same random numbers (dropout). Mixed precision is switched off: half precision would round the small
        differences away, and autocast would take the weights of its cache for those before the step.
    """
    train_loss = _SameDraws(train_loss, weights)
    device = next((weight.device.type for weight in weights), "cpu")
    with _restored(module), torch.autocast(device, enabled=False):
        rules = _rules(weights, optimizer)
        steps = _training_step(train_loss, weights, rules)
        with torch.no_grad():
            for weight, step in zip(weights, steps, strict=True):
                weight.sub_(step)
        loss = val_loss()
        gradients = torch.autograd.grad(loss, [*alphas, *weights], allow_unused=True)
        direct, ahead = gradients[: len(alphas)], _filled(gradients[len(alphas) :], weights)
        average(ahead)
        with torch.no_grad():
            for weight, step in zip(weights, steps, strict=True):
                weight.add_(step)
        correction = _mixed_derivative(train_loss, weights, alphas, ahead, [rule.rate for rule in rules])
    return loss.detach(), [_minus(gradient, second) for gradient, second in zip(direct, correction, strict=True)]


@dataclass(frozen=True)
class _Rule:
    """The next step of the optimizer for one weight: ``rate * (gradient + weight_decay * weight) + inertia``.

    Attributes:
        rate: How much the gradient counts; 0 for weights that the optimizer does not have.
        weight_decay: The weight decay of the weight.
        inertia: The term that momentum adds; None without momentum.
    """

    rate: float = 0.0
    weight_decay: float = 0.0
    inertia: Tensor | None = None


def _rules(weights: Sequence[nn.Parameter], optimizer: optim.Optimizer) -> list[_Rule]:
    groups = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    return [
        _rule_of(groups[id(weight)], optimizer.state.get(weight, {}).get("momentum_buffer"))
        if id(weight) in groups
        else _Rule()
        for weight in weights
    ]


def _rule_of(group: Mapping[str, Any], buffer: Tensor | None) -> _Rule:
    rate, decay = float(group["lr"]), float(group.get("weight_decay", 0.0))
    momentum, is_nesterov = float(group.get("momentum", 0.0)), bool(group.get("nesterov", False))
    if buffer is None:  # the first step
        return _Rule(rate * (1 + momentum) if is_nesterov else rate, decay)
    if is_nesterov:
        return _Rule(rate * (1 + momentum), decay, rate * momentum**2 * buffer)
    return _Rule(rate * (1 - float(group.get("dampening", 0.0))), decay, rate * momentum * buffer)


def _training_step(train_loss: Loss, weights: Sequence[nn.Parameter], rules: Sequence[_Rule]) -> list[Tensor]:
    """Return what the next step of the optimizer would subtract from each weight."""
    gradients = _filled(torch.autograd.grad(train_loss(), list(weights), allow_unused=True), weights)
    average(gradients)
    steps = []
    for weight, gradient, rule in zip(weights, gradients, rules, strict=True):
        step = rule.rate * (gradient + rule.weight_decay * weight.detach())
        steps.append(step if rule.inertia is None else step + rule.inertia)
    return steps


def _mixed_derivative(
    train_loss: Loss,
    weights: Sequence[nn.Parameter],
    alphas: Sequence[Tensor],
    direction: Sequence[Tensor],
    rates: Sequence[float],
) -> list[Tensor | None]:
    """Return the derivative by ``alpha`` of ``sum(rate * direction * d train_loss / d w)``, by a central difference."""
    vector = [rate * part for rate, part in zip(rates, direction, strict=True)]
    norm = float(
        torch.sqrt(sum((part.double().square().sum() for part in vector), torch.zeros((), dtype=torch.float64)))
    )
    if norm == 0:
        return [None] * len(alphas)
    epsilon = _PERTURBATION / norm
    sides = []
    for sign in (1, -2):  # from w to w + e v, and from there to w - e v
        with torch.no_grad():
            for weight, part in zip(weights, vector, strict=True):
                weight.add_(part, alpha=sign * epsilon)
        sides.append(torch.autograd.grad(train_loss(), list(alphas), allow_unused=True))
    above, below = sides
    return [
        None if high is None or low is None else (high - low) / (2 * epsilon)
        for high, low in zip(above, below, strict=True)
    ]


class _SameDraws:
    """A loss that draws the same random numbers at every evaluation: differences of two would be noise otherwise.

    Args:
        loss: The loss.
        weights: Their devices are those whose random generators are restored.
    """

    def __init__(self, loss: Loss, weights: Sequence[Tensor]) -> None:
        self._loss = loss
        self._gpus = sorted({weight.device.index for weight in weights if weight.is_cuda})
        self._states: list[Tensor] | None = None

    def __call__(self) -> Tensor:
        if self._states is None:
            self._states = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, self._gpus)]
            return self._loss()
        with torch.random.fork_rng(devices=self._gpus):
            torch.set_rng_state(self._states[0])
            for gpu, state in zip(self._gpus, self._states[1:], strict=True):
                torch.cuda.set_rng_state(state, gpu)
            return self._loss()


@contextmanager
def _restored(module: nn.Module) -> Iterator[None]:
    """Put weights and buffers back, bit for bit, at the end of the block; also buffers that were replaced."""
    buffers = [(part, name, buffer) for part in module.modules() for name, buffer in part._buffers.items()]
    tensors = [*module.parameters(), *(buffer for _, _, buffer in buffers if buffer is not None)]
    saved = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        for part, name, buffer in buffers:
            part._buffers[name] = buffer
        with torch.no_grad():
            for tensor, value in zip(tensors, saved, strict=True):
                tensor.copy_(value)


def _filled(gradients: Sequence[Tensor | None], weights: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]


def _minus(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if second is None:
        return first
    return -second if first is None else first - second
