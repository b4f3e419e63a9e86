"""Mutators that add normalisation after convolutions, and a stack of blocks in the place of a placeholder."""

from torch import nn

from retiarii.errors import InvalidMutation
from retiarii.graph import Mutator, StationaryMutator
from retiarii.nn.pytorch import basic_unit


class Normalise(StationaryMutator):
    """Decides for each convolution which normalisation comes after it."""

    def mutate(self, model):
        for node in model.get_nodes_by_type("torch.nn.Conv2d"):
            kind = self.choice(["none", "batch", "group"])
            channels = node.operation.parameters["out_channels"]
            if kind == "batch":
                self._add(node, nn.BatchNorm2d, {"num_features": channels})
            elif kind == "group":
                self._add(node, nn.GroupNorm, {"num_groups": 2, "num_channels": channels})

    @staticmethod
    def _add(node, layer, parameters):
        (edge,) = node.outgoing_edges
        node.graph.insert_node_on_edge(edge, f"{node.name}_norm", layer, parameters)


@basic_unit
class Bottleneck(nn.Module):
    """A residual block with fewer channels inside."""

    def __init__(self, channels, inside):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, inside, 1), nn.Conv2d(inside, channels, 1)

    def forward(self, x):
        return x + self.up(self.down(x).relu())


class Stack(Mutator):
    """Fills a placeholder with blocks that get narrower inside; how many there are is decided first."""

    def __init__(self, target):
        super().__init__(label=target)
        self.target = target

    def mutate(self, model):
        (node,) = model.get_nodes_by_label(self.target)
        channels, depths = (node.operation.parameters[name] for name in ("channels", "depths"))
        depth = self.choice(depths, label="depth")
        inside = [self.choice([1, 2, 4], label=f"inside{number}") for number in range(depth)]
        if sorted(inside, reverse=True) != inside:
            raise InvalidMutation(f"{self.target!r} would get wider inside: {inside}.")
        node.update_operation(Bottleneck, {"channels": channels, "inside": inside[0]})
        for number, width in enumerate(inside[1:], start=1):
            parameters = {"channels": channels, "inside": width}
            (edge,) = node.outgoing_edges
            node = node.graph.insert_node_on_edge(edge, f"{self.target}_{number}", Bottleneck, parameters)
