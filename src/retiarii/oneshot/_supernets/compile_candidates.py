"""Compiling the candidates of a supernet, so that sampling paths never compiles anything anew."""

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

    Compiling a supernet as a whole would specialise it to the active path and compile anew for the next one. So the
    choices stay in Python, and what is between them is compiled: as many graphs as there are candidates, whatever is
    sampled. Candidates that contain choices are not compiled; theirs are.

    Args:
        supernet: The supernet; its parameters and their names stay as they are.
        **options: Of `torch.compile`.

    Returns:
        How many candidates were compiled.
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
