"""Building a part of the model again from its recorded constructor, with the values of an architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._freezing.finishing import build_fixed
from retiarii.nn.pytorch._freezing.origins import tensor_origins
from retiarii.nn.pytorch._labels.chosen_values import ChosenValues
from retiarii.nn.pytorch._recording.module_call import ModuleCall


def rebuild(
    module: nn.Module,
    call: ModuleCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    values: ChosenValues,
    place: str,
) -> tuple[nn.Module, list[str]]:
    """Run the constructor of a module again, and carry over the weights that were changed since it ran first.

    Returns:
        The new module, and the names of changed tensors whose shape is another one now.

    Raises:
        ArchitectureError: The architecture does not fit what the constructor builds.
        FreezeError: Children were added, removed or replaced since the constructor ran, which it cannot repeat.
    """
    snapshot = call.snapshot
    if snapshot is not None and snapshot.changed_children(module):
        raise FreezeError(
            f"{place or 'The model'} ({type(module).__name__}) has to be built again, because its constructor depends "
            "on the architecture, but its children were changed after construction, which would be lost. Make these "
            "changes in the constructor, or fix the model first and change it then."
        )
    new = build_fixed(lambda: call.cls(*args, **kwargs), call.start, values).module
    changed = [] if snapshot is None else snapshot.changed_tensors(module)
    lost = _carry_over(module, new, set(changed))
    new.train(module.training)
    return new, lost


def _carry_over(old: nn.Module, new: nn.Module, changed: set[str]) -> list[str]:
    """Copy changed weights to where they are in the new module, and return the names of those that do not fit."""
    before, after = _tensors(old), _tensors(new)
    changed_modules = {name.rpartition(".")[0] for name in changed}
    lost = []
    for name, origin in tensor_origins(new):
        source, target = before.get(origin), after[name]
        if source is None or origin.rpartition(".")[0] not in changed_modules:
            continue
        if source.shape == target.shape:
            with torch.no_grad():
                target.copy_(source)
        elif origin in changed:
            lost.append(origin)
    return lost


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = dict(module.named_parameters(remove_duplicate=False))
    return {**tensors, **dict(module.named_buffers(remove_duplicate=False))}
