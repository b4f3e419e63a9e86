"""x."""
from retiarii.graph._convert import convert_to_graph
from retiarii.graph._model import Model
from retiarii.graph._lowering import lower
from retiarii.graph._check import check
from retiarii.graph._hash import structural_hash
from retiarii.graph._engine import GraphEngine
from retiarii.graph._mutator import Mutator, StationaryMutator
from retiarii.graph._code import export_code
from retiarii.graph._export import export_onnx, export_program
__all__ = ["Model", "convert_to_graph","lower"]
