"""`NDS`, `NASNet`, `ENAS`, `AmoebaNet`, `PNAS` and `DARTS`: spaces of a normal and a reduction cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Literal

from retiarii.hub.pytorch._cells import published_cells as cells
from retiarii.hub.pytorch._cells.stacked_cells import MergeOp, StackedCells
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication
from retiarii.nn.pytorch import model_wrapper


@model_wrapper
class NDS(StackedCells):
    """A space of the family with any operations; the others are special cases of it.

    Args:
        op_candidates: The names of the operations, see `StackedCells`.
        merge_op: Which nodes of a cell are joined to its output, see `StackedCells`.
        num_nodes_per_cell: The nodes of a cell.
        width: As in `StackedCells`, and so are the others.
        num_cells: The cells of the network.
        dataset: ``"cifar"`` or ``"imagenet"``.
        auxiliary_loss: Whether there is a second classifier during training.
        drop_path_prob: The probability of `DropPath`.
        num_labels: The number of classes.

    Raises:
        ConfigError: ``dataset`` is neither of the two, or there is no operation of a name.

    Reference:
        Radosavovic et al. (2019), arXiv:1905.13214, section 4 and appendix, which compare such spaces.
    """

    PAPER: ClassVar[Paper] = Paper("On Network Design Spaces for Visual Recognition", "1905.13214", 2019, "section 4")

    def __init__(
        self,
        op_candidates: Sequence[str],
        merge_op: MergeOp = "all",
        num_nodes_per_cell: int = 4,
        width: int | Sequence[int] = 16,
        num_cells: int | Sequence[int] = 20,
        dataset: Literal["cifar", "imagenet"] = "imagenet",
        auxiliary_loss: bool = False,
        drop_path_prob: float = 0.0,
        *,
        num_labels: int | None = None,
    ) -> None:
        super().__init__(
            width,
            num_cells,
            dataset,
            auxiliary_loss,
            drop_path_prob,
            num_labels=num_labels,
            merge_op=merge_op,
            operations=op_candidates,
            num_nodes=num_nodes_per_cell,
        )


@model_wrapper
class NASNet(StackedCells):
    """The space of NASNet: cells of 5 nodes, 13 operations; nodes that no node takes are joined.

    The cells alone have (2 · 3 · 4 · 5 · 6)⁴ · 13²⁰ architectures. For the arguments see `StackedCells`, for searches
    with one-shot strategies its ``merge_op``. Published is ``nasnet-a``.

    Reference:
        Zoph et al. (2018), arXiv:1707.07012, section 3 and figure 3. Deviations, which are those of NDS (Radosavovic
        et al., 2019, arXiv:1905.13214): the two operations of a node are always added, and inputs of a cell that no
        node takes are not joined to its output (NASNet-A joins one of them, so that the networks here are smaller).
    """

    PAPER: ClassVar[Paper] = Paper(
        "Learning Transferable Architectures for Scalable Image Recognition", "1707.07012", 2018, "section 3, figure 3"
    )
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "skip_connect",
        "conv_3x1_1x3",
        "conv_7x1_1x7",
        "dil_conv_3x3",
        "avg_pool_3x3",
        "max_pool_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "conv_1x1",
        "conv_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
    )
    MERGE_OP: ClassVar[MergeOp] = "loose_end"
    NUM_NODES: ClassVar[int] = 5
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "nasnet-a": Publication(
                cells.NASNET_A, "figure 4; NASNet-A (6 @ 768) on CIFAR-10", {"width": 32, "num_cells": 20}
            )
        }
    )


@model_wrapper
class ENAS(StackedCells):
    """The space of ENAS for cells ("micro"): 5 nodes, 5 operations; nodes that no node takes are joined.

    The cells alone have (2 · 3 · 4 · 5 · 6)⁴ · 5²⁰ architectures. The paper counts (5 · (B - 2)!)⁴ = 1.3 · 10¹¹ for
    B = 7, inputs included, which leaves out most combinations of operations. For the arguments see `StackedCells`, for
    searches with one-shot strategies its ``merge_op``. Published is ``enas-micro``, the cells that ENAS found.

    Reference:
        Pham et al. (2018), arXiv:1802.03268, section 2.4, and its public code (melodyguan/enas), which has 5 nodes.
        Deviations: in the code's supernet, a 1x1 convolution brings joined nodes back to the width of the cell; here
        the next cell does, as in NASNet and in the code's network of a fixed cell. That network has a second 1x1
        convolution behind the newer input of each cell (164,952 parameters of ``enas-micro``), which is left out here.
    """

    PAPER: ClassVar[Paper] = Paper(
        "Efficient Neural Architecture Search via Parameter Sharing", "1802.03268", 2018, "section 2.4"
    )
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    )
    MERGE_OP: ClassVar[MergeOp] = "loose_end"
    NUM_NODES: ClassVar[int] = 5
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "enas-micro": Publication(
                cells.ENAS_MICRO,
                "figure 8; scripts/cifar10_micro_final.sh of melodyguan/enas",
                {"width": 36, "num_cells": 17},
            )
        }
    )


@model_wrapper
class AmoebaNet(StackedCells):
    """The space of AmoebaNet: cells of 5 nodes, 8 operations; nodes that no node takes are joined.

    The cells alone have (2 · 3 · 4 · 5 · 6)⁴ · 8²⁰ architectures. For the arguments see `StackedCells`, for searches
    with one-shot strategies its ``merge_op``. Published is ``amoebanet-a``.

    Reference:
        Real et al. (2019), arXiv:1802.01548, section 3.1: NASNet's space with fewer operations, named in its appendix.
        Deviation, that of NDS: inputs of a cell that no node takes are not joined to its output.
    """

    PAPER: ClassVar[Paper] = Paper(
        "Regularized Evolution for Image Classifier Architecture Search", "1802.01548", 2019, "section 3.1, figure 1"
    )
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "avg_pool_3x3",
        "max_pool_3x3",
        "dil_sep_conv_3x3",
        "conv_7x1_1x7",
    )
    MERGE_OP: ClassVar[MergeOp] = "loose_end"
    NUM_NODES: ClassVar[int] = 5
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "amoebanet-a": Publication(
                cells.AMOEBANET_A, "figure 5, in the notation of quark0/darts", {"width": 36, "num_cells": 20}
            )
        }
    )


@model_wrapper
class PNAS(StackedCells):
    """The space of PNAS: cells of 5 nodes, 8 operations; all nodes are joined.

    A cell has (2 · 3 · 4 · 5 · 6)² · 8¹⁰ = 5.6 · 10¹⁴ architectures, the number in section 3.1 of the paper. For the
    arguments see `StackedCells`. Published is ``pnasnet-5``.

    Reference:
        Liu et al. (2018), arXiv:1712.00559, section 3.1. Deviation, that of NDS: the reduction cell is a choice of its
        own, so that the space has the square of the paper's number; in the paper it is the normal cell with stride 2.
    """

    PAPER: ClassVar[Paper] = Paper("Progressive Neural Architecture Search", "1712.00559", 2018, "section 3.1")
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "conv_7x1_1x7",
        "skip_connect",
        "avg_pool_3x3",
        "max_pool_3x3",
        "dil_conv_3x3",
    )
    MERGE_OP: ClassVar[MergeOp] = "all"
    NUM_NODES: ClassVar[int] = 5
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "pnasnet-5": Publication(
                cells.PNASNET_5, "figure 1; N = 3, F = 48 on CIFAR-10", {"width": 48, "num_cells": 9}
            )
        }
    )


@model_wrapper
class DARTS(StackedCells):
    """The space of DARTS: cells of 4 nodes, 7 operations; all nodes are joined.

    The cells alone have (2 · 3 · 4 · 5)⁴ · 7¹⁶ architectures. The paper counts 10¹⁸: the two inputs of a node are
    different there, and their order does not count. For the arguments see `StackedCells`. Published are ``darts-v1``
    and ``darts-v2`` (the cells that first- and second-order DARTS found), and ``p-darts``.

    Reference:
        Liu et al. (2019), arXiv:1806.09055, section 3.1. Deviations: both operations of a node may take the same
        input; ``none`` is not a candidate, which the paper never keeps in the final cell either.
    """

    PAPER: ClassVar[Paper] = Paper("DARTS: Differentiable Architecture Search", "1806.09055", 2019, "section 3.1")
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )
    MERGE_OP: ClassVar[MergeOp] = "all"
    NUM_NODES: ClassVar[int] = 4
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "darts-v1": Publication(
                cells.DARTS_V1, "first order, in the notation of quark0/darts", {"width": 36, "num_cells": 20}
            ),
            "darts-v2": Publication(cells.DARTS_V2, "second order, figures 4 and 5", {"width": 36, "num_cells": 20}),
            "p-darts": Publication(
                cells.P_DARTS,
                "Chen et al. (2019), arXiv:1904.12760, in the notation of chenxin061/pdarts",
                {"width": 36, "num_cells": 20},
            ),
        }
    )
