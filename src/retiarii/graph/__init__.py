"""x."""
from retiarii.graph._convert import convert_to_graph
from retiarii.graph._model import Model
from retiarii.graph._lowering import lower
__all__ = ["Model", "convert_to_graph","lower"]
