"""`NasBench101`: the space and the network of NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.nn.pytorch import extract_space

CONV_3X3, CONV_1X1, MAX_POOL_3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = (CONV_3X3, CONV_1X1, MAX_POOL_3X3)


def conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int = 1, *, eps: float = 1e-5, momentum: float = 0.003
) -> nn.Module:
    """Return a convolution without bias that keeps height and width, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum),
        nn.ReLU(),
    )


def _square_conv(channels: int, *, kernel_size: int, **batch_norm: float) -> nn.Module:
    return conv_bn_relu(channels, channels, kernel_size, **batch_norm)


def _max_pool(channels: int) -> nn.Module:
    return nn.MaxPool2d(3, stride=1, padding=1)


def cell_values(matrix: Sequence[str], operations: Sequence[str]) -> dict[str, Any]:
    """Return the values of a cell that is given as the benchmark prints it.

    Args:
        matrix: The rows of the adjacency matrix, as digits: ``matrix[source][target]`` is "1" where there is an edge.
            The first vertex is the input, the last the output, and edges lead to later vertices.
        operations: The operations of the vertices between them, in order.
    """
    count = len(matrix)
    values: dict[str, Any] = {"cell/num_nodes": count}
    for target in range(1, count):
        values[f"cell/input{target}"] = tuple(source for source in range(target) if matrix[source][target] == "1")
    for vertex, operation in enumerate(operations, 1):
        values[f"cell/op{vertex}"] = operation
    return values


@nn.model_wrapper
class NasBench101(ReadySpace):
    """The space of NAS-Bench-101: any graph of at most 7 vertices and 9 edges as the cell of a network.

    All cells of the network are the same. The labels are those of `NasBench101Cell` with the label ``cell``:
    ``cell/num_nodes`` (input and output count), ``cell/op1``, ... and ``cell/input1``, ... Published are
    ``inception-like``, the example in the benchmark's documentation, and ``best-1shot1``, the best cell of the part of
    the benchmark that NAS-Bench-1Shot1 uses.

    One-shot strategies refuse the space, because the channels of a vertex depend on the whole graph.

    Args:
        stem_out_channels: The channels of the first stack; each later stack has twice as many.
        num_stacks: The number of stacks, with a max pooling between them.
        num_modules_per_stack: The cells of a stack.
        max_num_vertices: The vertices of the cell, input and output included.
        max_num_edges: The edges of the cell.
        num_labels: The number of classes.
        bn_eps: ``eps`` of batch normalisation.
        bn_momentum: The momentum of batch normalisation, as PyTorch defines it (TensorFlow's 0.997 is 0.003 here).

    Reference:
        Ying et al. (2019), arXiv:1902.09635, section 2. The paper counts 423,624 graphs that compute different
        things; here graphs of other numberings of the vertices are other architectures, see `size`. The weights are
        initialised as PyTorch does.
    """

    PAPER: ClassVar[Paper] = Paper(
        "NAS-Bench-101: Towards Reproducible Neural Architecture Search", "1902.09635", 2019, "section 2, figure 1"
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "inception-like": Publication(
                cell_values(
                    ["0111010", "0000001", "0000001", "0000100", "0000001", "0000001", "0000000"],
                    [CONV_1X1, CONV_3X3, CONV_3X3, CONV_3X3, MAX_POOL_3X3],
                ),
                "README of google-research/nasbench, which gives it 2,694,282 trainable parameters",
            ),
            "best-1shot1": Publication(
                cell_values(
                    ["011011", "001100", "000100", "000010", "000001", "000000"],
                    [CONV_3X3, CONV_3X3, CONV_1X1, CONV_3X3],
                ),
                "94.20 % mean test accuracy after 108 epochs, the best cell of NAS-Bench-1Shot1 (arXiv:2001.10422)",
            ),
        }
    )

    def __init__(
        self,
        stem_out_channels: int = 128,
        num_stacks: int = 3,
        num_modules_per_stack: int = 3,
        max_num_vertices: int = 7,
        max_num_edges: int = 9,
        num_labels: int = 10,
        bn_eps: float = 1e-5,
        bn_momentum: float = 0.003,
    ) -> None:
        super().__init__()
        block = partial(conv_bn_relu, eps=bn_eps, momentum=bn_momentum)
        operations: dict[str, Callable[[int], nn.Module]] = {
            CONV_3X3: partial(_square_conv, kernel_size=3, eps=bn_eps, momentum=bn_momentum),
            CONV_1X1: partial(_square_conv, kernel_size=1, eps=bn_eps, momentum=bn_momentum),
            MAX_POOL_3X3: _max_pool,
        }
        limits = max_num_vertices, max_num_edges
        self.max_num_vertices, self.max_num_edges = limits
        self.stem = block(3, stem_out_channels, 3)
        self.features = nn.Sequential()
        in_channels = out_channels = stem_out_channels
        for stack in range(num_stacks):
            if stack:
                self.features.append(nn.MaxPool2d(2))
                out_channels *= 2
            for _ in range(num_modules_per_stack):
                cell = nn.NasBench101Cell(operations, in_channels, out_channels, block, *limits, label="cell")
                self.features.append(cell)
                in_channels = out_channels
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(out_channels, num_labels)

    @property
    def size(self) -> int:
        """How many valid cells there are: at most `max_num_edges` edges, and every vertex leads to the output.

        One if the network has a fixed architecture.
        """
        if not extract_space(self).choices:
            return 1
        return sum(
            num_valid_graphs(count, self.max_num_edges) * len(OPERATIONS) ** (count - 2)
            for count in range(2, self.max_num_vertices + 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the classes, ``[B, num_labels]``, of images, ``[B, 3, H, W]``."""
        features = self.features(self.stem(images))
        logits: Tensor = self.classifier(self.global_pooling(features).flatten(1))
        return logits


def num_valid_graphs(num_vertices: int, max_num_edges: int) -> int:
    """Count the graphs in which every vertex has an input and, but for the last one, an output.

    Args:
        num_vertices: The vertices; edges lead to later ones.
        max_num_edges: How many edges there may be.
    """
    counts = {(frozenset[int](), 0): 1}  # vertices that have an output, edges: number of graphs so far
    for target in range(1, num_vertices):
        following: dict[tuple[frozenset[int], int], int] = {}
        for (used, edges), count in counts.items():
            for bits in range(1, 2**target):
                sources = frozenset(source for source in range(target) if bits >> source & 1)
                key = used | sources, edges + len(sources)
                following[key] = following.get(key, 0) + count
        counts = following
    everything = frozenset(range(num_vertices - 1))
    return sum(count for (used, edges), count in counts.items() if used == everything and edges <= max_num_edges)
