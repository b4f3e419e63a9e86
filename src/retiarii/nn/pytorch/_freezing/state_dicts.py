"""`original_state_dict_hooks` and `extract_state_dict`: between the state dicts of base models and fixed models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn._labels.architecture_source import ArchitectureSource
from retiarii.nn.pytorch._freezing.freeze import freeze
from retiarii.nn.pytorch._freezing.lost_weights import WeightsLostWarning
from retiarii.nn.pytorch._labels.weight_origins import supernet_names, tensor_origins


@contextmanager
def original_state_dict_hooks(model: nn.Module) -> Iterator[None]:
    """Let a fixed model save and load state dicts in which tensors have the names that they have in the base model.

    So weights of a supernet go into the model that was derived from it::

        with original_state_dict_hooks(model):
            model.load_state_dict(supernet.module.state_dict(), strict=False)  # the supernet has more tensors

    and ``model.state_dict()`` inside the block can be loaded into the base model. Shapes have to agree: where sizes of
    layers are chosen, `retiarii.oneshot.subnet` cuts the weights of a supernet to size.

    The names are stored in the fixed model, also in copies, pickles and networks of the graph engine. A model that was
    never fixed has the names of the base model already. Exported code has no base model: see `extract_state_dict`.

    Args:
        model: A fixed model, or a module around it.
    """
    origins = dict(tensor_origins(model))

    def to_original(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
        tensors = {prefix + origin: state.pop(prefix + name) for name, origin in origins.items()}
        state.update(tensors)

    def from_original(
        module: nn.Module, state: dict[str, Any], prefix: str, *others: Any
    ) -> None:  # the others are metadata and lists that torch fills itself
        stored = _stored_names(model, origins, state, prefix)
        found = {name: state[prefix + place] for name, place in stored.items() if prefix + place in state}
        for place in (*origins.values(), *stored.values()):
            state.pop(prefix + place, None)
        state.update({prefix + name: tensor for name, tensor in found.items()})

    saving = model.register_state_dict_post_hook(to_original)  # type: ignore[no-untyped-call]  # torch's
    loading = model.register_load_state_dict_pre_hook(from_original)  # type: ignore[no-untyped-call]  # torch's
    try:
        yield
    finally:
        saving.remove()
        loading.remove()


def extract_state_dict(
    state: Mapping[str, Any], base_model: nn.Module, architecture: ArchitectureSource
) -> dict[str, Any]:
    """Return the part of a base model's state dict that belongs to an architecture, under the names of a fixed model.

    For models without stored names, such as exported code::

        network.load_state_dict(nn.extract_state_dict(torch.load("supernet.pt"), Net(), architecture))

    Args:
        state: A state dict of the base model, or of a supernet made of it (where sizes of layers are chosen, take that
            of `retiarii.oneshot.subnet` instead). Tensors are not copied.
        base_model: The base model, for its structure; its weights do not count.
        architecture: What the fixed model was made with.

    Raises:
        ArchitectureError: The architecture does not fit the model.
        FreezeError: The model cannot be fixed, or the state dict lacks a tensor of the fixed model.
    """
    gpus = sorted({parameter.device.index for parameter in base_model.parameters() if parameter.is_cuda})
    with torch.random.fork_rng(devices=gpus), warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsLostWarning)
        fixed = freeze(base_model, architecture)
    origins = _stored_names(fixed, dict(tensor_origins(fixed)), state)
    missing = [origin for origin in origins.values() if origin not in state]
    if missing:
        raise FreezeError(
            f"The state dict has no {missing[0]!r}, which the architecture needs ({len(missing)} of {len(origins)} "
            "tensors are missing). Expected one of the base model, saved without original_state_dict_hooks."
        )
    return {name: state[origin] for name, origin in origins.items()}


def _stored_names(
    model: nn.Module, origins: Mapping[str, str], state: Mapping[str, Any], prefix: str = ""
) -> dict[str, str]:
    """Return where a state dict has the tensors of a fixed model: under their names in the base model or a supernet."""
    own = supernet_names(model)
    stored = {}
    for name, origin in origins.items():
        renamed = (there + origin.removeprefix(base) for base, there in own.items() if origin.startswith(base))
        stored[name] = next((place for place in renamed if prefix + place in state), origin)
    return stored
