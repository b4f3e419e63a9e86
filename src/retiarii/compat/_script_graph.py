"""`convert_to_graph` with the arguments of NNI."""

from __future__ import annotations

from typing import Any

from torch import nn

from retiarii import graph


def convert_to_graph(
    script_module: Any, module: nn.Module, converter: Any = None, *, dummy_input: Any = None, **kwargs: Any
) -> graph.Model:
    """Convert a module to graphs; see `retiarii.graph.convert_to_graph`.

    Args:
        script_module: Not used: NNI took the result of ``torch.jit.script``, retiarii traces the module.
        module: The module.
        converter: Not used: NNI's converter.
        dummy_input: An example input, on which the module and its graph are compared.
        kwargs: Not used: further arguments of NNI's converter.

    Raises:
        GraphError: The module cannot be traced.
    """
    return graph.convert_to_graph(module, dummy_input)
