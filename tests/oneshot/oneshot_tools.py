"""Networks, batches and mixtures that several tests of this room use."""

from __future__ import annotations

import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import build_supernet


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
