"""What the tests of this room share: the comparison of supernets with standalone networks."""

from __future__ import annotations

import copy

import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import build_supernet, subnet


def tensors_in(output):
    """List the tensors in nested tuples, lists and dicts."""
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    return [tensor for part in output for tensor in tensors_in(part)] if isinstance(output, (list, tuple)) else []


def loss_of(output):
    """Return a scalar in which every element counts differently."""
    parts = tensors_in(output)
    total = sum((part.double() * torch.linspace(0.5, 1.5, part.numel()).reshape(part.shape)).sum() for part in parts)
    return total


def assert_path_equals_subnet(supernet, architecture, *inputs):
    """Check outputs, gradients and running statistics of one path against the standalone network, in both modes."""
    supernet.set_architecture(architecture)
    for training in (True, False):
        supernet.train(training)
        network = subnet(supernet, architecture)
        assert network.training is training
        torch.manual_seed(0)
        ours = supernet(*inputs)
        torch.manual_seed(0)
        theirs = network(*inputs)
        assert len(tensors_in(ours)) == len(tensors_in(theirs))
        for one, other in zip(tensors_in(ours), tensors_in(theirs), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
        if any(tensor.requires_grad for tensor in tensors_in(ours)):
            _assert_same_gradients(supernet, architecture, network, ours, theirs)
        after = subnet(supernet, architecture)  # statistics moved alike
        for (name, one), (_, other) in zip(after.named_buffers(), network.named_buffers(), strict=True):
            torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}")


def _assert_same_gradients(supernet, architecture, network, ours, theirs):
    for module in (supernet.module, network):
        module.zero_grad(set_to_none=True)
    loss_of(ours).backward()
    loss_of(theirs).backward()
    gradients = copy.deepcopy(supernet)
    with torch.no_grad():
        for weight, gradient in zip(gradients.parameters(), supernet.parameters(), strict=True):
            weight.copy_(torch.zeros_like(gradient) if gradient.grad is None else gradient.grad)
    # The subnet of a supernet whose weights are its gradients has, as weights, the gradients of the slices.
    expected = dict(subnet(gradients, architecture).named_parameters())
    total = 0.0
    for name, weight in network.named_parameters():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(expected[name], gradient, msg=lambda text, name=name: f"{name}: {text}")
        total += gradient.abs().sum().item()
    everywhere = sum(weight.grad.abs().sum().item() for weight in supernet.parameters() if weight.grad is not None)
    assert abs(everywhere - total) <= 1e-5 * max(total, 1.0)  # nothing outside of the slices


def mix_at_random(supernet, seed=0):
    """Weigh all decisions at random and return the weights by label."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for label, decision in supernet.decisions.items():
        share = torch.randn(len(decision.values), generator=generator, dtype=torch.float64).softmax(0)
        weights[label] = share.to(supernet.dtype).requires_grad_()
        decision.mix(weights[label])
    supernet.fill_slots()
    return weights


class Small(nn.Module):
    """Two choices with smooth candidates, and a shared label."""

    def __init__(self):
        super().__init__()
        self.first = nn.LayerChoice(
            [nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh()), nn.Identity()], label="a"
        )
        self.second = nn.LayerChoice([nn.Linear(3, 3), nn.Tanh()], label="b")
        self.third = nn.LayerChoice([nn.Linear(3, 3), nn.Tanh(), nn.Identity()], label="a")
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.third(self.second(self.first(x))))


def batch(seed, size=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, generator=generator, dtype=torch.float64), torch.randint(
        2, (size,), generator=generator
    )


def small(seed=0):
    torch.manual_seed(seed)
    return build_supernet(Small().double())


def loss(network, data):
    return F.cross_entropy(network(data[0]), data[1])


def written_out(supernet, alphas, x, weights=None):
    """Compute the mixed output of `Small` by hand."""
    module = supernet.module

    def layer(choice, label, value):
        shares = alphas[label].softmax(0) if weights is None else weights[label]
        return sum(share * candidate(value) for share, candidate in zip(shares, choice.children(), strict=True))

    return module.head(layer(module.third, "a", layer(module.second, "b", layer(module.first, "a", x))))


class Recorder(torch.optim.SGD):
    """Keeps the gradients of the last step and leaves the parameters as they are."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.0)
        self.seen = []

    def step(self, closure=None):
        self.seen = [p.grad.clone() for group in self.param_groups for p in group["params"]]


def recorded(strategy_class, supernet, **options):
    made = []

    def make(parameters):
        made.append(Recorder(parameters))
        return made[0]

    search = strategy_class(arc_optimizer=make, **options).search(supernet)
    return search, made[0]
