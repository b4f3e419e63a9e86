"""Ready-made search spaces for PyTorch: models with the choices of published papers."""

from retiarii.hub.pytorch._cells.nas_bench_101_network import NasBench101
from retiarii.hub.pytorch._cells.nas_bench_201_network import NasBench201
from retiarii.hub.pytorch._cells.nasnet_family import DARTS, ENAS, NDS, PNAS, AmoebaNet, NASNet
from retiarii.hub.pytorch._cells.stacked_cells import StackedCells
from retiarii.hub.pytorch._foundation.drop_path import DropPath, set_drop_path_prob
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._macro.mobilenet_v3 import MobileNetV3Space
from retiarii.hub.pytorch._macro.nas_bench_macro import NasBenchMacro
from retiarii.hub.pytorch._macro.proxyless_nas import ProxylessNAS
from retiarii.hub.pytorch._macro.shuffle_net import ShuffleNetSpace
from retiarii.hub.pytorch._transformers.auto_former import AutoformerSpace
from retiarii.hub.pytorch._transformers.gpt_space import GPTSpace

__all__ = [
    "DARTS",
    "ENAS",
    "NDS",
    "PNAS",
    "AmoebaNet",
    "AutoformerSpace",
    "DropPath",
    "GPTSpace",
    "MobileNetV3Space",
    "NASNet",
    "NasBench101",
    "NasBench201",
    "NasBenchMacro",
    "Paper",
    "ProxylessNAS",
    "Publication",
    "ReadySpace",
    "ShuffleNetSpace",
    "StackedCells",
    "set_drop_path_prob",
]
