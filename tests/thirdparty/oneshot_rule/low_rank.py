"""A layer with a choice of its rank, and how its ranks share weights in a supernet."""

import torch
from torch import nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import basic_unit
from retiarii.oneshot import Operator, SliceRule, slice_rule


@basic_unit
class LowRank(nn.Module):
    """A residual product of two thin matrices, ``x + x @ down @ up``."""

    def __init__(self, features, rank):
        super().__init__()
        self.down = nn.Parameter(torch.randn(features, rank) / features**0.5)
        self.up = nn.Parameter(torch.randn(rank, features) / rank**0.5)

    def forward(self, x):
        return x + x @ self.down @ self.up


class LowRankOperator(Operator):
    """`LowRank` in a supernet: a smaller rank is the beginning of the largest one."""

    def __init__(self, path, configurations, layer):
        super().__init__(path)
        self.configurations = configurations
        self.decisions = configurations.decisions
        self.down, self.up = layer.down, layer.up

    def forward(self, x):
        hidden = x @ self.down
        if self.configurations.is_mixed:
            hidden = hidden * self._shares()
            return x + hidden @ self.up
        rank = self.configurations.current()["rank"]
        return x + hidden[..., :rank] @ self.up[:rank]

    def _shares(self):
        """Return the probability of each position: that the rank reaches it."""
        ranks = torch.tensor([config["rank"] for config in self.configurations.grid.configs])
        reaches = ranks.unsqueeze(1) > torch.arange(self.down.shape[1])
        return self.configurations.probabilities().to(self.down) @ reaches.to(self.down)

    def active_tensor(self, name):
        rank = self.configurations.current()["rank"]
        return self.down[:, :rank] if name == "down" else self.up[:rank]


def low_rank_rule(module, site):
    configurations = site.configurations()
    possible = configurations.possible()
    if len(possible["features"]) > 1:
        raise SupernetError(
            f"{site.path!r} is a LowRank with a choice of its features, of which only the rank can be chosen in a "
            "supernet. Use a multi-trial strategy.",
            path=site.path,
        )
    rank = max(possible["rank"])
    is_largest = module.down.shape[1] == rank
    layer = module if is_largest else LowRank(possible["features"][0], rank).to(module.down)
    return LowRankOperator(site.path, configurations, layer)


@basic_unit
class Gate(nn.Module):
    """A learnt scale for each feature."""

    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(features))

    def forward(self, x):
        return x * self.scale.sigmoid()


RULES = {LowRank: low_rank_rule, Gate: slice_rule(SliceRule(inputs="features", outputs="features"))}
