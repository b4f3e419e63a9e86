"""Device, dtype and ``requires_grad`` for tensors that replace a layer's own."""

from __future__ import annotations

from torch import nn


def match_tensors(module: nn.Module, original: nn.Module, around: nn.Module | None = None) -> None:
    """Give the parameters and buffers of a module the device, type and trainability of those of another, by name.

    A tensor that the other module lacks gets these from its first floating-point tensor, if it is floating-point too.

    Args:
        module: The new module; changed in place.
        original: The module that it replaces.
        around: A larger module, whose first floating-point tensor is used if the original has none.
    """
    parameters, buffers = dict(original.named_parameters()), dict(original.named_buffers())
    floating = [tensor for tensor in (*parameters.values(), *buffers.values()) if tensor.is_floating_point()]
    if not floating and around is not None:
        floating = [tensor for tensor in (*around.parameters(), *around.buffers()) if tensor.is_floating_point()][:1]
    if not floating:
        return
    for name, parameter in module.named_parameters():
        parameter.data = parameter.data.to(parameters.get(name, floating[0]))
        if name in parameters:
            parameter.requires_grad_(parameters[name].requires_grad)
    for name, buffer in module.named_buffers():
        like = buffers.get(name, floating[0] if buffer.is_floating_point() else None)
        buffer.data = buffer.data.to(floating[0].device if like is None else like)
