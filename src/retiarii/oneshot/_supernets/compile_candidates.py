"""`compile_candidates`: compiles the candidates of a supernet, so that no path has to be compiled."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import nn

from retiarii.oneshot._operators.operator import Operator
from retiarii.oneshot._operators.primitive_operators import LayerChoiceOperator
from retiarii.oneshot._supernets.supernet import Supernet


def compile_candidates(supernet: Supernet, **options: Any) -> int:
    """Compile every candidate of every `LayerChoice` by itself, in place.

    `torch.compile` of the whole supernet would compile again for each path. Here choices stay in Python and each
    candidate is compiled once, so that there are as many graphs as candidates. Of a candidate that contains choices,
    the candidates inside are compiled instead.

    Args:
        supernet: The supernet; its parameters and their names stay as they are.
        **options: Options of `torch.compile`.

    Returns:
        The number of compiled candidates.
    """
    count = 0
    for operator in supernet.module.modules():
        if isinstance(operator, LayerChoiceOperator):
            for candidate in operator.children():
                if not any(isinstance(part, Operator) for part in candidate.modules()):
                    _compile_alone(candidate, options)
                    count += 1
    return count


def _compile_alone(candidate: nn.Module, options: dict[str, Any]) -> None:
    """Compile the call of one module, with a code object of its own.

    torch counts how often it compiled a code object, and gives up after a few times. All modules share the code of
    ``Module.__call__``, so that many candidates would be taken for one function that keeps changing.
    """
    call: Callable[..., Any] = candidate._call_impl

    def run(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    code = run.__code__.replace(co_name=f"run_{type(candidate).__name__}")
    own = FunctionType(code, run.__globals__, run.__name__, None, run.__closure__)
    candidate._compiled_call_impl = torch.compile(own, **options)
