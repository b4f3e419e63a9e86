"""`original_state_dict_hooks`: state dicts in the layout of the base model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from retiarii.errors import FreezeError
from retiarii.nn.pytorch._origins import is_known, tensor_origins


@contextmanager
def original_state_dict_hooks(model: nn.Module) -> Iterator[None]:
    """Let a fixed model save and load state dicts in which tensors have the names that they have in the base model.

    So weights of a supernet go into the model that was derived from it::

        with original_state_dict_hooks(model):
            model.load_state_dict(supernet.state_dict(), strict=False)  # the supernet has more tensors

    and ``model.state_dict()`` inside the block can be loaded into the base model. Shapes have to agree.

    Args:
        model: What `freeze` returned or was built inside `fixed_arch`, in this process; or a module around it.

    Raises:
        FreezeError: It is not known where the modules of this model were in a base model.
    """
    if not is_known(model):
        raise FreezeError(
            f"It is not known where the weights of this {type(model).__name__} are in a base model. That is remembered "
            "only for the model that freeze() returned or fixed_arch built in this process, not for copies or what was "
            "unpickled. Fix the base model again, and load the state dict of the copy into it."
        )
    origins = dict(tensor_origins(model))

    def to_original(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
        tensors = {prefix + origin: state.pop(prefix + name) for name, origin in origins.items()}
        state.update(tensors)

    def from_original(
        module: nn.Module, state: dict[str, Any], prefix: str, *others: Any
    ) -> None:  # the others are metadata and lists that torch fills itself
        found = {name: state[prefix + origin] for name, origin in origins.items() if prefix + origin in state}
        for origin in origins.values():
            state.pop(prefix + origin, None)
        state.update({prefix + name: tensor for name, tensor in found.items()})

    saving = model.register_state_dict_post_hook(to_original)  # type: ignore[no-untyped-call]  # torch's
    loading = model.register_load_state_dict_pre_hook(from_original)  # type: ignore[no-untyped-call]  # torch's
    try:
        yield
    finally:
        saving.remove()
        loading.remove()
