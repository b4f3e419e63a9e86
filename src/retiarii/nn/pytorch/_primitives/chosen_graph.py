"""`ChosenNasBench101Cell`: a `NasBench101Cell` with a chosen graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ChosenNasBench101Cell(nn.Module):
    """A graph of operations on tensors of different widths.

    Args:
        features: The features of each vertex after the input, those of the output last.
        inputs: For each of them the vertices that it takes; 0 is the input.

    Attributes:
        projections: From the input to the features of the vertices that take it, by the number of the vertex.
        ops: The operation of each vertex between input and output.
    """

    def __init__(self, features: Sequence[int], inputs: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.features = list(features)
        self.inputs = [list(sources) for sources in inputs]
        self.projections = nn.ModuleDict()
        self.ops = nn.ModuleList()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output, ``[B, features, ...]``."""
        vertices = [inputs]
        for vertex, op in enumerate(self.ops, 1):
            terms = [self._taken(vertices, source, vertex) for source in self.inputs[vertex - 1]]
            vertices.append(op(sum(terms[1:], start=terms[0])))
        last = len(self.inputs)
        parts = [vertices[source] for source in self.inputs[-1] if source]
        outputs = [torch.cat(parts, dim=1)] if parts else []
        if 0 in self.inputs[-1]:
            outputs.append(self.projections[str(last)](inputs))
        return sum(outputs[1:], start=outputs[0])

    def _taken(self, vertices: list[Tensor], source: int, vertex: int) -> Tensor:
        if source == 0:
            projected: Tensor = self.projections[str(vertex)](vertices[0])
            return projected
        return vertices[source][:, : self.features[vertex - 1]]

    def extra_repr(self) -> str:
        """Return features and inputs."""
        return f"features={self.features}, inputs={self.inputs}"


def vertex_features(out_features: int, inputs: Sequence[Sequence[int]]) -> list[int]:
    """Return the features of each vertex after the input.

    Args:
        out_features: The features of the output.
        inputs: For each vertex after the input the vertices that it takes.
    """
    last = len(inputs)
    sharing = [source for source in inputs[-1] if source]
    features = [0] * last + [out_features]
    for rank, vertex in enumerate(sharing):
        features[vertex] = out_features // len(sharing) + (rank < out_features % len(sharing))
    for vertex in range(last - 1, 0, -1):
        if vertex not in sharing:
            features[vertex] = max(features[target] for target in range(1, last) if vertex in inputs[target - 1])
    return features[1:]
