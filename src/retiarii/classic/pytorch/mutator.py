"""`Mutator`: decides the choices of a model by masks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retiarii.classic.pytorch._masks import Mask, checked_masks, number_of_candidates
from retiarii.classic.pytorch.base_mutator import BaseMutator
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.errors import SearchError
from retiarii.graph import Model, convert_to_graph
from retiarii.nn.pytorch import extract_space, freeze

__all__ = ["Mutator"]


class Mutator(BaseMutator):
    """Decides the choices of a model by masks, from keys to tensors.

    A mask is a tensor of booleans, True for the candidates that are computed; or of floating-point numbers, the weights
    of the candidates' outputs, of which those with weight 0 are not computed. The outputs are then reduced as the
    choice says. Override `sample_search` and `sample_final`; `reset` and `export` call them.

    Args:
        model: The model.

    Examples:
        >>> mutator = RandomMutator(model)
        >>> mutator.reset()
        >>> loss = criterion(model(x), y)
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        vars(self)["_masks"] = None
        others = self._other_defaults()
        if others:
            warnings.warn(
                f"The model has choices that a {type(self).__name__} does not decide, so that they stay at their "
                f"defaults: {', '.join(map(repr, others))}. It decides LayerChoice and InputChoice of "
                "retiarii.classic.pytorch.mutables only.",
                stacklevel=2,
            )

    def sample_search(self) -> Mapping[str, Any]:
        """Return the masks of one architecture, or mixture of architectures, to train the model with.

        Raises:
            NotImplementedError: A subclass has to override it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override sample_search()")

    def sample_final(self) -> Mapping[str, Any]:
        """Return the masks of the architecture that the search has found.

        Raises:
            NotImplementedError: A subclass has to override it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override sample_final()")

    def reset(self) -> None:
        """Decide all choices by `sample_search`. The decisions hold until the next reset.

        Raises:
            ArchitectureError: A mask is missing, or does not fit its choice; the decisions stay as they were.
        """
        vars(self)["_masks"] = checked_masks(
            self.choices_by_key, self.sample_search(), f"{type(self).__name__}.sample_search()"
        )

    def export(self) -> dict[str, Any]:
        """Return the masks of `sample_final`. The model and its current decisions stay as they are.

        Choices that this mutator does not decide, such as a `ValueChoice`, are in it with their defaults.

        Raises:
            ArchitectureError: A mask is missing, or does not fit its choice.
        """
        masks = checked_masks(self.choices_by_key, self.sample_final(), f"{type(self).__name__}.sample_final()")
        return {**{key: mask.tensor for key, mask in masks.items()}, **self._other_defaults()}

    def status(self) -> dict[str, list[float]]:
        """Return the current decisions: for each key the weights of the candidates, 1 and 0 for booleans.

        It is empty before the first `reset`.
        """
        masks: dict[str, Mask] = vars(self)["_masks"] or {}
        return {key: mask.tensor.float().tolist() for key, mask in masks.items()}

    def graph(self, inputs: Any) -> Model:
        """Return the network that the current decisions make of the model as a graph.

        In a notebook the graph draws itself. ``retiarii.graph.draw(graph, example_input=inputs)`` returns the drawing
        as SVG, with the shapes of all results. (In NNI this was a dict for TensorBoard, with all candidates in it;
        ``retiarii.graph.draw(model)`` draws all candidates.)

        Args:
            inputs: A tensor, or a tuple of the arguments of the model's ``forward``. Graph and network are run on it
                and compared.

        Raises:
            SearchError: Nothing is decided yet.
            ArchitectureError: More or fewer inputs are selected than ``n_chosen`` says.
            GraphError: The network cannot be traced, see `retiarii.graph.convert_to_graph`.
        """
        architecture = {key: self._mask(choice).tensor.tolist() for key, choice in self.choices_by_key.items()}
        network = freeze(self.model, {**self._other_defaults(), **architecture}, weights="keep", strict=False)
        return convert_to_graph(network, inputs)

    def on_forward_layer_choice(self, mutable: LayerChoice, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Run the selected candidates and reduce their outputs.

        Raises:
            SearchError: Nothing is decided yet.
        """
        mask = self._mask(mutable)
        names = mutable.names
        outputs = [mutable._modules[names[position]](*args, **kwargs) for position in mask.selection.chosen]  # type: ignore[misc]  # candidates are never None
        return mask.reduce(outputs, mutable.reduction), mask.tensor

    def on_forward_input_choice(self, mutable: InputChoice, tensor_list: list[Tensor]) -> tuple[Any, Any]:
        """Reduce the selected inputs.

        Raises:
            SearchError: Nothing is decided yet.
        """
        mask = self._mask(mutable)
        return mask.reduce([tensor_list[at] for at in mask.selection.chosen], mutable.reduction), mask.tensor

    def _other_defaults(self) -> dict[str, Any]:
        """Return the values of the choices in the model that this mutator does not decide."""
        decided = self.choices_by_key
        return {choice.label: choice.default() for choice in extract_space(self.model) if choice.label not in decided}

    def _mask(self, mutable: LayerChoice | InputChoice) -> Mask:
        masks: dict[str, Mask] | None = vars(self)["_masks"]
        if masks is None:
            raise SearchError(
                f"{mutable.key!r} is not decided yet: the model ran before the {type(self).__name__} that is bound to "
                "it was reset. Call mutator.reset() first."
            )
        mask = masks[mutable.key]
        if mask.selection.length != number_of_candidates(mutable):
            raise SearchError(
                f"{mutable.key!r} has {number_of_candidates(mutable)} candidates, but had {mask.selection.length} when "
                f"the {type(self).__name__} that is bound to it was reset. Call mutator.reset() again."
            )
        return mask
