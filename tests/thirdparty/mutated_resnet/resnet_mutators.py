"""Choices for a network that has none: activations, kernels, and blocks to leave out."""

from resnet import BasicBlock
from torch import nn

from retiarii.graph import InvalidMutation, Mutator, StationaryMutator


class Activation(StationaryMutator):
    """One activation for the whole network."""

    def mutate(self, model):
        chosen = self.choice([nn.ReLU, nn.SiLU, nn.Hardswish], label="kind")
        for node in model.get_nodes_by_type(nn.ReLU):
            node.update_operation(chosen, {"inplace": False})


class Kernels(Mutator):
    """A kernel size for every 3 x 3 convolution that is left."""

    def mutate(self, model):
        for node in model.get_nodes_by_type(nn.Conv2d):
            parameters = node.operation.parameters
            if parameters["kernel_size"] in (3, (3, 3)):
                size = self.choice([1, 3, 5])
                parameters["kernel_size"], parameters["padding"] = size, size // 2


class LeaveOut(StationaryMutator):
    """Leave out blocks that keep the shape of their input, but not all of them."""

    def mutate(self, model):
        blocks = [
            node
            for node in model.get_nodes_by_type(BasicBlock)
            if not any(inner.path.endswith("downsample") for inner in node.cell.nodes)
        ]
        left_out = [node for node in blocks if self.choice([False, True])]
        if len(left_out) == len(blocks):
            raise InvalidMutation("No block is left.")
        for node in left_out:
            node.remove(bridge=True)
