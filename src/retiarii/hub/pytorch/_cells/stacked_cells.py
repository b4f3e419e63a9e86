"""`StackedCells`: networks of normal and reduction cells, as in NASNet; the base of the spaces of its family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Literal

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.errors import ConfigError
from retiarii.hub.pytorch._cells.conv_blocks import FactorizedReduce, relu_conv_bn
from retiarii.hub.pytorch._cells.nasnet_operations import OPERATIONS
from retiarii.hub.pytorch._foundation.drop_path import DropPath, set_drop_path_prob
from retiarii.hub.pytorch._foundation.ready_space import ReadySpace
from retiarii.space import nearest

MergeOp = Literal["all", "loose_end"]
NUM_PREDECESSORS = 2
NUM_OPS_PER_NODE = 2


class CellInputs(nn.Module):
    """Brings the two inputs of a cell to its channels, and the older one to the size of the newer one.

    Args:
        channels_before: The channels of the two inputs, older first.
        channels: The channels of the cell.
        is_after_reduction: Whether the cell before halved height and width, so that the older input is too large.
    """

    def __init__(self, channels_before: tuple[Any, Any], channels: Any, is_after_reduction: bool) -> None:
        super().__init__()
        older, newer = channels_before
        self.older = FactorizedReduce(older, channels) if is_after_reduction else relu_conv_bn(older, channels, 1)
        self.newer = relu_conv_bn(newer, channels, 1)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return both inputs, ``[B, channels, H, W]``."""
        older, newer = inputs
        return [self.older(older), self.newer(newer)]


class AuxiliaryHead(nn.Module):
    """A second classifier in the middle of the network, whose loss helps its earlier layers to learn.

    Args:
        channels: The channels of its input, which is 8x8 for CIFAR and 7x7 (224x224 images) for ImageNet.
        num_labels: The number of classes.
        stride: The stride of the pooling: 3 for CIFAR, 2 for ImageNet.

    Reference:
        Szegedy et al. (2015), arXiv:1409.4842; the layers are those of DARTS' code.
    """

    def __init__(self, channels: Any, num_labels: int, stride: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Linear(768, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``[B, num_labels]``."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def cell_operation(
    node: int, place: int, source: int, *, name: str, channels: Any, is_reduction: bool, drop_path_prob: float
) -> nn.Module:
    """Return an operation of a cell; in a reduction cell those on the inputs of the cell have stride 2."""
    stride = 2 if is_reduction and source < NUM_PREDECESSORS else 1
    operation = OPERATIONS[name](channels, stride)
    if drop_path_prob == 0.0 or (name == "skip_connect" and stride == 1):
        return operation
    return nn.Sequential(operation, DropPath(drop_path_prob))


class StackedCells(ReadySpace):
    """Three stages of cells; the first cell of the second and third stage halves height and width.

    All normal cells are the same, and all reduction cells are. The labels are ``normal/op_2_0``, ``normal/input_2_0``
    and so on, see `Cell`; ``reduce/...``; and ``width`` and ``depth`` where several are given. Subclasses say which
    operations there are, how many nodes a cell has, and which nodes its output joins.

    Each cell takes the outputs of the two cells before it. Channels double from stage to stage.

    Args:
        width: The channels of an operation in the first stage, or several to choose from.
        num_cells: The cells of the network, reduction cells included, or several numbers to choose from. With several,
            the constructor runs again for each architecture, and one-shot strategies refuse the space.
        dataset: ``"cifar"``: 32x32 images, 10 classes, a convolution as stem. ``"imagenet"``: larger images, 1000
            classes, and a stem that makes them 8 times smaller.
        auxiliary_loss: Whether there is a second classifier after the first cell of the last stage. The network then
            returns two logits in training mode, the second one from this classifier. Images for training then have at
            least 32 x 32 pixels (``"cifar"``) or 224 x 224 (``"imagenet"``).
        drop_path_prob: The probability of `DropPath` after each operation except identity.
        num_labels: The number of classes, if it is not that of the data set.
        merge_op: ``"loose_end"``: the output of a cell joins the nodes that no other node takes. ``"all"``: it joins
            all nodes, so that one-shot strategies can search the space. None: that of the paper.
        operations: The candidates of every operation, if not those of the paper: names from the spaces of the family,
            also ``"none"`` (zeros) and ``"avg_pool_5x5"``.
        num_nodes: The nodes of a cell, if not as many as in the paper.

    Raises:
        ConfigError: ``dataset`` is neither of the two, there is no operation of a name, or a width or number of cells
            is impossible: below 1, or an odd width for ``"imagenet"``.
    """

    OPERATIONS: ClassVar[tuple[str, ...]]
    MERGE_OP: ClassVar[MergeOp]
    NUM_NODES: ClassVar[int]
    SIZES: ClassVar[tuple[str, ...]] = ("width", "depth")

    def __init__(
        self,
        width: int | Sequence[int] = (16, 24, 32),
        num_cells: int | Sequence[int] = (4, 8, 12, 16, 20),
        dataset: Literal["cifar", "imagenet"] = "cifar",
        auxiliary_loss: bool = False,
        drop_path_prob: float = 0.0,
        *,
        num_labels: int | None = None,
        merge_op: MergeOp | None = None,
        operations: Sequence[str] | None = None,
        num_nodes: int | None = None,
    ) -> None:
        super().__init__()
        if dataset not in ("cifar", "imagenet"):
            raise ConfigError(f"{type(self).__name__} got dataset={dataset!r}, expected 'cifar' or 'imagenet'.")
        self.merge_op = self.MERGE_OP if merge_op is None else merge_op
        self.operations = self._known(self.OPERATIONS if operations is None else operations)
        self.num_nodes = self.NUM_NODES if num_nodes is None else num_nodes
        self.drop_path_prob = drop_path_prob
        widths = self._sizes("width", width, multiple_of=2 if dataset == "imagenet" else 1)
        depths = self._sizes("num_cells", num_cells)
        channels = widths if isinstance(widths, int) else nn.ValueChoice(widths, label="width")
        depth = depths if isinstance(depths, int) else nn.ModelParameterChoice(depths, label="depth")
        labels = (10 if dataset == "cifar" else 1000) if num_labels is None else num_labels
        before = self._add_stem(channels, dataset)
        self.cells = nn.ModuleList()
        starts = [stage * depth // 3 for stage in range(3)]
        self.auxiliary_at = starts[2]
        is_after_reduction = dataset == "imagenet"
        for index in range(depth):
            is_reduction = index in starts[1:]
            if is_reduction:
                channels = channels * 2
            cell = self._cell(before, channels, is_reduction, is_after_reduction)
            self.cells.append(cell)
            before = before[1], channels * len(cell.output_node_indices)
            is_after_reduction = is_reduction
            if auxiliary_loss and index == self.auxiliary_at:
                self.auxiliary_head = AuxiliaryHead(before[1], labels, 3 if dataset == "cifar" else 2)
        self.auxiliary_loss = auxiliary_loss
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(before[1], labels)

    def _sizes(self, name: str, sizes: int | Sequence[int], multiple_of: int = 1) -> int | list[int]:
        """Return one size as an integer, or several as a list."""
        several = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        for size in several:
            if not isinstance(size, Integral) or size < 1 or size % multiple_of:
                kind = "positive even numbers" if multiple_of == 2 else "positive integers"
                raise ConfigError(f"{type(self).__name__} got {name}={sizes!r}, expected one or several {kind}.")
        return several if isinstance(sizes, Iterable) else int(several[0])

    def _known(self, operations: Sequence[str]) -> list[str]:
        for name in operations:
            if name not in OPERATIONS:
                raise ConfigError(
                    f"{type(self).__name__} got the operation {name!r}, expected some of {sorted(OPERATIONS)}."
                    f"{nearest(name, OPERATIONS)}"
                )
        return list(operations)

    def _add_stem(self, channels: Any, dataset: str) -> tuple[Any, Any]:
        """Add the layers before the cells; return the channels of the two tensors that the first cell takes."""
        if dataset == "cifar":
            wide = channels * 3
            self.stem = nn.Sequential(nn.Conv2d(3, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide))
            self.second_stem = nn.Sequential()
            return wide, wide
        half = channels // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.second_stem = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        return channels, channels

    def _cell(
        self, channels_before: tuple[Any, Any], channels: Any, is_reduction: bool, is_after_reduction: bool
    ) -> nn.Cell:
        make = partial(cell_operation, channels=channels, is_reduction=is_reduction, drop_path_prob=self.drop_path_prob)
        return nn.Cell(
            {name: partial(make, name=name) for name in self.operations},
            self.num_nodes,
            NUM_OPS_PER_NODE,
            NUM_PREDECESSORS,
            self.merge_op,
            preprocessor=CellInputs(channels_before, channels, is_after_reduction),
            label="reduce" if is_reduction else "normal",
        )

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits, ``[B, num_labels]``, of images, ``[B, 3, H, W]``; with ``auxiliary_loss`` two in training."""
        older = self.stem(images)
        newer, auxiliary = self.second_stem(older), None
        for index, cell in enumerate(self.cells):
            older, newer = newer, cell([older, newer])
            if self.auxiliary_loss and self.training and index == self.auxiliary_at:
                auxiliary = self.auxiliary_head(newer)
        logits: Tensor = self.classifier(self.global_pooling(newer).flatten(1))
        return logits if auxiliary is None else (logits, auxiliary)

    def set_drop_path_prob(self, drop_prob: float) -> None:
        """Set the probability of every `DropPath`, as schedules do during training.

        There are such layers only if the space was built with ``drop_path_prob`` above 0.
        """
        set_drop_path_prob(self, drop_prob)
