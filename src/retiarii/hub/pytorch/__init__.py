"""Ready-made search spaces for PyTorch: models with the choices of published papers."""

from retiarii.hub.pytorch._cells.nas_bench_101_network import NasBench101
from retiarii.hub.pytorch._cells.nas_bench_201_network import NasBench201
from retiarii.hub.pytorch._cells.nasnet_family import DARTS, ENAS, PNAS, AmoebaNet, NASNet
from retiarii.hub.pytorch._cells.stacked_cells import StackedCells
from retiarii.hub.pytorch._foundation.drop_path import DropPath, set_drop_path_prob
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace

__all__ = [
    "DARTS",
    "ENAS",
    "PNAS",
    "AmoebaNet",
    "DropPath",
    "NASNet",
    "NasBench101",
    "NasBench201",
    "Paper",
    "Publication",
    "ReadySpace",
    "StackedCells",
    "set_drop_path_prob",
]
