"""Own the search loop: ask a strategy, evaluate, tell it. No experiment, no store, no other process."""

from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii import extract_space, freeze
from retiarii.strategy import RegularizedEvolution

width = nn.ValueChoice([4, 8, 16, 32, 64], label="width")
model = nn.Sequential(
    nn.Linear(8, width),
    nn.Repeat(lambda index: nn.Sequential(nn.Linear(width, width), nn.ReLU()), (1, 4), label="depth"),
    nn.Linear(width, 1),
)


def cost(net: torch_nn.Module) -> float:
    """Return how far the number of parameters is from 2,000."""
    return abs(sum(p.numel() for p in net.parameters()) - 2000)


search = RegularizedEvolution(population_size=6, sample_size=2).search(
    extract_space(model), seed=0, objectives="minimize"
)
for _ in range(40):
    for proposal in search.ask(2):
        search.tell_metric(proposal, cost(freeze(model, proposal.architecture)))

print(search)
assert search.best is not None  # some were evaluated
print("nearest to 2,000 parameters:", dict(search.best.architecture))
