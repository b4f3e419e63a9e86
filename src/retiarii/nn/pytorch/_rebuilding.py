"""Building a part of the model again from its recorded constructor, with the values of an architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._chosen import ChosenValues
from retiarii.nn.pytorch._finishing import build_fixed
from retiarii.nn.pytorch._losses import Losses
from retiarii.nn.pytorch._origins import tensor_origins
from retiarii.nn.pytorch._recording import ModuleCall


def rebuild(
    module: nn.Module,
    call: ModuleCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    values: ChosenValues,
    place: str,
    losses: Losses,
) -> nn.Module:
    """Run the constructor of a module again, and carry over the weights that were changed since it ran first.

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
    _carry_over(module, new, set(changed), place, losses)
    new.train(module.training)
    return new


def _carry_over(old: nn.Module, new: nn.Module, changed: set[str], place: str, losses: Losses) -> None:
    """Copy changed weights and the flags of all parameters to where they are in the new module."""
    before = {**dict(old.named_parameters(remove_duplicate=False)), **dict(old.named_buffers(remove_duplicate=False))}
    after = {**dict(new.named_parameters(remove_duplicate=False)), **dict(new.named_buffers(remove_duplicate=False))}
    changed_modules = {name.rpartition(".")[0] for name in changed}
    lost = []
    for name, origin in tensor_origins(new):
        source, target = before.get(origin), after[name]
        if source is None:
            continue
        if isinstance(target, nn.Parameter):
            target.requires_grad_(source.requires_grad)
        if origin.rpartition(".")[0] not in changed_modules:
            continue
        if source.shape == target.shape:
            with torch.no_grad():
                target.copy_(source)
        elif origin in changed:
            lost.append(origin)
    if lost:
        losses.note(place, old, lost)
