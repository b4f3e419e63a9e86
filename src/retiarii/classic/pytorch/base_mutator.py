"""`BaseMutator`: is bound to a model, and decides what its choices compute."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, ref

from torch import Tensor, nn

from retiarii.classic.pytorch._binding import bound_already
from retiarii.classic.pytorch._masks import readable
from retiarii.classic.pytorch._mutable_tree import StructuredMutableTreeNode, mutable_tree
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, Mutable, MutableScope
from retiarii.errors import SearchError
from retiarii.space import Architecture

__all__ = ["BaseMutator", "unbind"]

_mutators: WeakKeyDictionary[nn.Module, ref[BaseMutator]] = WeakKeyDictionary()  # of models, for what is in no mutable


class BaseMutator(nn.Module):
    """Decides what the choices of a model compute: their forward passes call this object.

    Derive from `Mutator` to write masks, or from this class to compute the outputs of choices yourself: override
    `on_forward_layer_choice` and `on_forward_input_choice`. A mutator is a module: its parameters, such as architecture
    weights, are trained by an optimizer of ``mutator.parameters()``, and are not among those of the model.

    A model has one mutator at most, see `unbind`. A copy of the model has none; a copy of the mutator (`copy.deepcopy`,
    pickle) brings a copy of its model along.

    Args:
        model: The model. Its mutables get their final keys, and ask this mutator from now on.

    Attributes:
        model: The model. Its parameters are not among those of the mutator.

    Raises:
        SearchError: Another mutator is bound to the model.
        LabelConflictError: One key stands for two different choices.
        TypeError: This is no model.
    """

    model: nn.Module
    replaces_choices: ClassVar[bool] = False
    """Whether the choices of the model are replaced by a supernet's operators, until `unbind`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        owner = _owner(model)
        if owner is not None:
            raise SearchError(bound_already(f"The {type(model).__name__}", owner))
        vars(self)["_structured_mutables"] = mutable_tree(model)
        vars(self)["model"] = model
        self._bind()

    def _bind(self) -> None:
        mutables = list(self.undedup_mutables)
        for mutable in mutables:
            mutable._binding.check_free(mutable)
        for mutable in mutables:
            mutable.set_mutator(self)
        _mutators[self.model] = ref(self)

    def unbind(self) -> None:
        """Leave the model without a mutator; it then runs its first candidates, and may get another mutator."""
        for mutable in self.undedup_mutables:
            if mutable.mutator is self:
                mutable.unset_mutator()
        _mutators.pop(self.model, None)

    @property
    def mutables(self) -> StructuredMutableTreeNode:
        """The mutables of the model, to iterate over in the order of the model's modules; one for each key."""
        tree: StructuredMutableTreeNode = vars(self)["_structured_mutables"]
        return tree

    @property
    def undedup_mutables(self) -> Iterator[Mutable]:
        """All mutables of the model, also several of one key."""
        return self.mutables.traverse(deduplicate=False)

    @property
    def choices_by_key(self) -> dict[str, LayerChoice | InputChoice]:
        """The layer choices and input choices of the model by key: what an architecture decides."""
        return {mutable.key: mutable for mutable in self.mutables if isinstance(mutable, (LayerChoice, InputChoice))}

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "model":
            raise AttributeError(
                "A mutator cannot be bound to another model, and self.model cannot be set: the parameters of the model "
                "would be among those of the mutator. Make another mutator."
            )
        super().__setattr__(name, value)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # of torch
        self._bind()

    def forward(self, *inputs: Any) -> Any:
        """Refuse: it is the model that is called.

        Raises:
            SearchError: Always.
        """
        raise SearchError(f"A {type(self).__name__} computes nothing by itself. Call the model that it is bound to.")

    def enter_mutable_scope(self, mutable_scope: MutableScope) -> None:
        """Note that the forward pass of a scope begins. Override it to do something."""

    def exit_mutable_scope(self, mutable_scope: MutableScope) -> None:
        """Note that the forward pass of a scope has ended, also after an error. Override it to do something."""

    def on_forward_layer_choice(self, mutable: LayerChoice, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Compute the forward pass of a layer choice.

        Args:
            mutable: The choice.
            args: The arguments of its ``forward``.
            kwargs: The keyword arguments.

        Returns:
            The output, and the mask: a tensor with one boolean or weight for each candidate.

        Raises:
            NotImplementedError: A subclass has to override it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override on_forward_layer_choice()")

    def on_forward_input_choice(self, mutable: InputChoice, tensor_list: list[Tensor]) -> tuple[Any, Any]:
        """Compute the forward pass of an input choice.

        Args:
            mutable: The choice.
            tensor_list: Its inputs, in the order of the candidates.

        Returns:
            The output, and the mask: a tensor with one boolean or weight for each input.

        Raises:
            NotImplementedError: A subclass has to override it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override on_forward_input_choice()")

    def export(self) -> Mapping[str, Any]:
        """Return the final decisions, from keys of choices to masks, for retraining.

        Raises:
            NotImplementedError: A subclass has to override it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override export()")

    def export_json(self, file: str | os.PathLike[str]) -> dict[str, Any]:
        """Write what `export` returns to a JSON file, for `apply_fixed_architecture`.

        Args:
            file: The file, replaced if it exists. Missing folders are made.

        Returns:
            What is in the file: selected candidates by name, or by position where they have no names; a list of numbers
            for weights.

        Raises:
            ArchitectureError: A mask does not fit its choice.
            OSError: The file cannot be written.
        """
        choices = self.choices_by_key
        architecture = Architecture(
            {key: readable(choices[key], value) if key in choices else value for key, value in self.export().items()}
        )
        architecture.save(file)
        return architecture.to_json()


def _owner(model: nn.Module) -> BaseMutator | None:
    """Return the mutator of a model, also where no mutable knows it; None where there is none, or this is no model."""
    known = _mutators.get(model) if isinstance(model, nn.Module) else None
    return None if known is None else known()


def restore_choices(model: nn.Module) -> None:
    """Unbind the mutator of a model if it has made the model a supernet, so that the model has its choices back."""
    owner = _owner(model)
    if owner is not None and owner.replaces_choices:
        owner.unbind()


def unbind(model: nn.Module) -> None:
    """Leave a model without a mutator; it then runs its first candidates, and may get another mutator.

    Use it for copies of a model, whose mutator stayed with the original. For the original, it does what
    `BaseMutator.unbind` does.
    """
    owner = _owner(model)
    if owner is not None:
        owner.unbind()
    for module in model.modules():
        if isinstance(module, Mutable):
            module.unset_mutator()
