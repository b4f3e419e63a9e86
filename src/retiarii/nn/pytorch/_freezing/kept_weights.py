"""Parameters and buffers of the base model that the fixed model takes over: copied, tied, or cut to size."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._freezing.lost_weights import LostWeights, Suspect
from retiarii.nn.pytorch._labels.weight_origins import tensor_origins
from retiarii.nn.pytorch.weight_slices import join, slices_of


class TensorCopies:
    """Gives each tensor of the base model one counterpart, so that tied tensors stay tied.

    Args:
        memo: From the id of a tensor of the base model to its counterpart.
        lost: Is notified of each parameter that is taken over.
    """

    def __init__(self, memo: dict[int, Any], lost: LostWeights) -> None:
        self._memo = memo
        self._lost = lost

    def parameter(self, parameter: nn.Parameter, is_reset: bool) -> nn.Parameter:
        """Return the counterpart: a copy, or an empty parameter where the layer is going to initialise it."""
        self._lost.keep(parameter)
        known: nn.Parameter | None = self._memo.get(id(parameter))
        if known is not None:
            return known
        if type(parameter) is not nn.Parameter and not isinstance(parameter, FakeTensor):
            return copy.deepcopy(parameter, self._memo)
        values = torch.empty_like(parameter) if is_reset else parameter.detach().clone()
        new = self._memo[id(parameter)] = nn.Parameter(values, parameter.requires_grad)
        return new

    def buffer(self, buffer: Tensor | None, is_reset: bool) -> Tensor | None:
        """Return the counterpart of a buffer, likewise."""
        if buffer is None or (type(buffer) is not Tensor and not isinstance(buffer, FakeTensor)):
            return copy.deepcopy(buffer, self._memo)
        if is_reset:
            return torch.empty_like(buffer)
        if id(buffer) not in self._memo:
            self._memo[id(buffer)] = buffer.detach().clone()
        known: Tensor = self._memo[id(buffer)]
        return known

    def adopt(self, old: nn.Module, new: nn.Module, suspect: Suspect | None) -> None:
        """Tie the parameters of a layer that was built anew to those that they were tied to, and keep their flags.

        Args:
            old: The layer of the base model.
            new: The same layer, built with other arguments or again.
            suspect: The layer, if it may have lost weights. If it has, its initial values do not count where parameters
                are tied.
        """
        pairs = zip(old.modules(), new.modules(), strict=False) if old._modules else ((old, new),)
        for before, after in pairs:
            vars(after)["training"] = before.training  # the short way: torch's takes as long as the rest of this
            parameters = after._parameters
            for name, parameter in before._parameters.items():
                fresh = parameters.get(name)
                if parameter is not None and fresh is not None:
                    parameters[name] = self._tied(parameter, fresh, suspect)
        match_placement(old, new)

    def adopt_rebuilt(self, old: nn.Module, new: nn.Module, suspect: Suspect | None) -> None:
        """Do the same for a part of the model whose constructor ran again, which lost some of its weights."""
        parameters = dict(old.named_parameters(remove_duplicate=False))
        lost = (suspect.lost if suspect is not None else None) or []
        for name, origin in tensor_origins(new):
            path, _, leaf = name.rpartition(".")
            owner = new.get_submodule(path)
            fresh, parameter = owner._parameters.get(leaf), parameters.get(origin)
            if parameter is not None and fresh is not None:
                owner._parameters[leaf] = self._tied(parameter, fresh, suspect if origin in lost else None)
        match_placement(old, new)

    def _tied(self, parameter: nn.Parameter, fresh: nn.Parameter, suspect: Suspect | None) -> nn.Parameter:
        known: nn.Parameter = self._memo.setdefault(id(parameter), fresh)
        if suspect is None:
            self._lost.keep(parameter)
        else:
            suspect.parameters.append(parameter)
        if known is not fresh and known.shape == fresh.shape and (suspect is None or suspect.lost is None):
            known.data.copy_(fresh.data)
        if known.requires_grad is not parameter.requires_grad:
            known.requires_grad_(parameter.requires_grad)
        return known


def carry_over(old: nn.Module, new: nn.Module, changed: set[str] | None) -> list[str]:
    """Copy weights to their places in a module that was built again, and return the names of those that do not fit.

    Args:
        old: The module of the base model.
        new: The same module, built again.
        changed: The names of the tensors that were changed since the constructor ran. They are copied, with the other
            tensors of their layers, if they have the same shape. With None, all are copied, and cut to size.
    """
    match_placement(old, new)
    before, after = _tensors(old), _tensors(new)
    layers = None if changed is None else {name.rpartition(".")[0] for name in changed}
    lost: dict[str, None] = {}  # in order, and each once
    for name, origin in tensor_origins(new):
        prefix, dot, leaf = origin.rpartition(".")
        if layers is not None and prefix not in layers:
            continue
        slices = slices_of(new.get_submodule(name.rpartition(".")[0]))
        roles = (leaf, *slices.related(leaf))
        sources = {role: before[prefix + dot + role] for role in roles if prefix + dot + role in before}
        if changed is not None:
            sources = {role: tensor for role, tensor in sources.items() if tensor.shape == after[name].shape}
        pieces = slices.pieces(leaf, after[name].shape, sources)
        if pieces:
            with torch.no_grad():
                after[name].copy_(join(pieces))
        else:
            origins = [prefix + dot + role for role in roles if prefix + dot + role in before]
            lost.update(dict.fromkeys(place for place in origins if changed is None or place in changed))
    return list(lost)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    return {**tensors, **dict(module.named_buffers(remove_duplicate=False))}


def match_placement(old: nn.Module, new: nn.Module) -> None:
    """Move a module that was built anew to the device and data type of the old one.

    Raises:
        FreezeError: The new one is on the meta device, and cannot be initialised elsewhere.
    """
    before, after = first_tensor(old), first_tensor(new)
    if before is None or after is None or before.is_meta:
        return
    if after.is_meta:
        _initialise(new.to_empty(device=before.device))
    if before.device != after.device or before.dtype != after.dtype:
        new.to(device=before.device, dtype=before.dtype if before.is_floating_point() else None)


def _initialise(module: nn.Module) -> None:
    """Initialise a module that was built on the meta device, as `torch.nn.utils.skip_init` does."""
    for part in module.modules():
        reset = getattr(part, "reset_parameters", getattr(part, "_reset_parameters", None))
        if reset is not None:
            reset()
        elif part._parameters or part._buffers:
            raise FreezeError(
                f"A {type(part).__name__} was built anew on the meta device, where it got no weights, although the "
                "base model has them, and it has no method reset_parameters. Call freeze outside of the meta device."
            )


def first_tensor(module: nn.Module) -> Tensor | None:
    """Return the first parameter or buffer of a module or its children."""
    for owner in module.modules() if module._modules else (module,):
        for tensor in (*owner._parameters.values(), *owner._buffers.values()):
            if tensor is not None:
                return tensor
    return None
