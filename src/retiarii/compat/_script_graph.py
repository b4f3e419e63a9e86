"""`convert_to_graph` with the arguments of NNI."""

from __future__ import annotations

from typing import Any

from torch import nn

from retiarii import graph


def convert_to_graph(
    script_module: Any, module: nn.Module, converter: Any = None, *, dummy_input: Any = None, **kwargs: Any
) -> graph.Model:
    """Turn a module into graphs, see `retiarii.graph.convert_to_graph`.

    Args:
        script_module: What ``torch.jit.script`` made of the module; not used, because graphs are traced here.
        module: The module.
        converter: NNI's converter, not used.
        dummy_input: A tensor to compare the module and its graph with.
        kwargs: Further arguments of NNI's converter, not used.

    Raises:
        GraphError: The module cannot be traced.
    """
    return graph.convert_to_graph(module, dummy_input)
