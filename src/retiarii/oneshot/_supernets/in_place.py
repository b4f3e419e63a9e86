"""`InPlaceChanges`: the changes that made a user's own model a supernet, and how they are undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from torch import Tensor, nn

from retiarii.errors import SupernetError


class InPlaceChanges:
    """The state of a model before it becomes a supernet in place; only what differs afterwards is kept.

    Args:
        model: The model, before its choices are replaced.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._tensors = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }
        self._data = {name: tensor.data for name, tensor in self._tensors.items()}
        self._modules = list(model.modules())
        self._attributes = [(module, dict(vars(module))) for module in self._modules]
        self._children = [(module, dict(module._modules)) for module in self._modules]

    def keep_differences(self) -> None:
        """Forget what did not change, once the model is a supernet."""
        self._attributes = [
            (module, {name: value for name, value in before.items() if vars(module).get(name) is not value})
            for module, before in self._attributes
        ]
        self._children = [
            (module, {name: child for name, child in before.items() if module._modules.get(name) is not child})
            for module, before in self._children
        ]
        self._data = {name: data for name, data in self._data.items() if data.shape != self._tensors[name].shape}

    @property
    def added_parameters(self) -> list[nn.Parameter]:
        """The parameters of the supernet that the model did not have."""
        own = {id(tensor) for tensor in self._tensors.values()}
        return [parameter for parameter in self.model.parameters() if id(parameter) not in own]

    def stale_tensors(self) -> list[str]:
        """Return the names of the model's tensors that are not in the supernet, or have another shape there."""
        live = {id(tensor) for tensor in (*self.model.parameters(), *self.model.buffers())}
        return [name for name, tensor in self._tensors.items() if id(tensor) not in live or name in self._data]

    def undo(self, values: Mapping[str, Tensor] | None = None) -> nn.Module:
        """Undo the changes and return the model.

        Args:
            values: New values of `stale_tensors`; None restores the values from before.
        """
        live = {id(module) for module in self.model.modules()}
        for module, before in self._attributes:
            vars(module).update(before)
        for module, children in self._children:
            module._modules.update(children)
        for module in self._modules:
            if id(module) not in live:
                module.training = self.model.training
        for name, data in (self._data if values is None else values).items():
            tensor = self._tensors[name]
            if tensor.grad is not None and tensor.grad.shape != data.shape:
                tensor.grad = None
            tensor.data = data
        return self.model


class UnboundModule(nn.Module):
    """The module of a supernet that was unbound from its model; every use raises."""

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to compute.

        Raises:
            SupernetError: Always.
        """
        raise SupernetError(
            "This supernet was unbound from its model, which has its choices back, so that there is nothing to run or "
            "to train. Build another supernet of the model."
        )


def converted_in_place(model: nn.Module, convert: Callable[[nn.Module], nn.Module]) -> InPlaceChanges:
    """Replace the choices in a model by operators; after an error the model is as before.

    Args:
        model: The user's model.
        convert: Replaces them and returns the result.

    Raises:
        SupernetError: The model itself is a choice, or has choices in its own arguments; or what ``convert`` raises.
    """
    changes = InPlaceChanges(model)
    try:
        if convert(model) is not model:
            raise SupernetError(
                f"The model is a {type(model).__name__} that is itself a choice or has choices in its arguments, so "
                "that another module takes its place. Put it into a module, such as torch.nn.Sequential(model), or "
                "build the supernet of a copy (in_place=False)."
            )
    except BaseException:
        changes.undo()
        raise
    return changes
