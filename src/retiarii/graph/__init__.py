"""Models as graphs: tracing, mutating, building, exporting and drawing them.

`convert_to_graph` traces a model with ``torch.fx`` into a `Model`: one `Graph` of `Node` and `Edge` objects for every
module whose ``forward`` is traced, and one node for each layer, basic unit and choice. `lower` does the same for a
model that an architecture fixes. A `Mutator` changes a fork of a model, and calls ``self.choice(...)`` for each
decision. `GraphEngine` joins the choices in the model and those of mutators to one search space, and builds the network
of an architecture. `check` finds wrong shapes without computing anything; `structural_hash` is equal for equal models.
A model becomes a module (`build_module`), a Python file that needs PyTorch only (`export_code`), an ONNX file, a
``torch.export`` program, JSON (`model_to_json`), or a drawing (`draw`; with all candidates of its choices,
`space_drawing`).

Inside, from the bottom: what nodes compute (``_operations``), graphs (``_representation``), JSON and hashes
(``_encoding``), source text (``_source``), modules (``_building``), tracing (``_tracing``), files (``_exporting``) and
pictures (``_drawing``), and mutators (``_mutation``).

This package evaluates nothing and knows neither strategies nor experiments.
"""

from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph._building.module_builder import build_module
from retiarii.graph._building.shape_check import check
from retiarii.graph._drawing.drawing import draw
from retiarii.graph._drawing.space_scene import space_drawing
from retiarii.graph._encoding.model_json import model_from_json, model_to_json
from retiarii.graph._encoding.structural_hash import structural_hash
from retiarii.graph._exporting.python_file import export_code
from retiarii.graph._exporting.runtimes import export_onnx, export_program
from retiarii.graph._mutation.graph_engine import GraphEngine
from retiarii.graph._mutation.mutated_nodes import mutated_nodes
from retiarii.graph._mutation.mutator import Mutator, Sampler, StationaryMutator
from retiarii.graph._operations.operation import Arguments, Input, Inputs, Kind, Operation
from retiarii.graph._representation.model import Edge, Graph, Model, Node
from retiarii.graph._tracing.conversion import convert_to_graph
from retiarii.graph._tracing.lowering import lower

__all__ = [
    "Arguments",
    "Edge",
    "Graph",
    "GraphEngine",
    "GraphError",
    "Input",
    "Inputs",
    "InvalidMutation",
    "Kind",
    "Model",
    "Mutator",
    "Node",
    "Operation",
    "Sampler",
    "StationaryMutator",
    "build_module",
    "check",
    "convert_to_graph",
    "draw",
    "export_code",
    "export_onnx",
    "export_program",
    "lower",
    "model_from_json",
    "model_to_json",
    "mutated_nodes",
    "space_drawing",
    "structural_hash",
]
