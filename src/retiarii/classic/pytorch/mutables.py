"""Mutables: modules of a model whose behaviour a mutator decides.

`LayerChoice` and `InputChoice` are those of `retiarii.nn.pytorch` with the arguments and the forward pass of NNI 1.x: a
model that is bound to a mutator asks it for each output. A model without a mutator runs its first candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from torch import Tensor, nn

import retiarii.nn.pytorch as choices
from retiarii.classic.pytorch._binding import UNBOUND, Binding, Decider
from retiarii.classic.pytorch._reading import input_selection, layer_selection
from retiarii.classic.pytorch._selection import SelectedInputs, SelectedLayers, Selection, listed_inputs
from retiarii.errors import DomainError, SearchError
from retiarii.nn.pytorch.labels import ChosenValues
from retiarii.nn.pytorch.primitives import Freezer, Frozen, class_label, new_label, reduce_inputs

__all__ = ["InputChoice", "LayerChoice", "Mutable", "MutableScope"]

Candidates: TypeAlias = Sequence[nn.Module] | Mapping[str, nn.Module]
REDUCTIONS = ("sum", "mean", "concat", "none")


class Mutable(nn.Module):
    """A module with a key, which a mutator knows it by.

    Mutables of one key have one decision. Without a key, a mutable gets the name of its class and a number:
    ``LayerChoice1``, ``InputChoice2``. Numbers count from 1 in each model, so that a model that is built again has the
    same keys. They are final once a mutator is bound to the model, or an architecture is read off or applied; until
    then the numbers of several models go on from each other.

    Args:
        key: The key; anything but a string is turned into one.
    """

    _binding: Binding = UNBOUND
    _label: str
    _key: str | None = None
    _name: str | None = None

    def __init__(self, key: str | None = None) -> None:
        super().__init__()
        self._label = self._new_label(key)

    def _new_label(self, key: str | None) -> str:
        return new_label(class_label(type(self).__name__) if key is None else str(key))

    @property
    def key(self) -> str:
        """The key."""
        return self._key or str(self._label)

    @property
    def name(self) -> str:
        """The path of the module in the model that a mutator is bound to; the key where there is none."""
        return self._name or self.key

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def mutator(self) -> Decider | None:
        """The mutator that decides this mutable; None where there is none."""
        return self._binding.mutator

    def set_mutator(self, mutator: Decider) -> None:
        """Let a mutator decide this mutable. Mutators do so themselves when they are made.

        Raises:
            SearchError: Another mutator decides it.
        """
        self._binding.check_free(self)
        vars(self)["_binding"] = Binding(mutator)

    def unset_mutator(self) -> None:
        """Leave the mutable without a mutator."""
        vars(self).pop("_binding", None)


class MutableScope(Mutable):
    """A part of the model, such as a cell, whose forward pass a mutator is told the beginning and the end of.

    Derive the class of the cell from it. A mutator that cares overrides `BaseMutator.enter_mutable_scope` and
    `BaseMutator.exit_mutable_scope`. Scopes are among the mutables of a mutator, and have no decision of their own.

    Args:
        key: The key; an `InputChoice` may name it in ``choose_from``.

    Examples:
        >>> class Cell(MutableScope):
        ...     def __init__(self, key):
        ...         super().__init__(key)
        ...         self.op = LayerChoice([nn.Conv2d(8, 8, 3, padding=1), nn.Identity()])
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, and tell the mutator before and after it."""
        mutator = self.mutator
        if mutator is None:
            return super().__call__(*args, **kwargs)
        mutator.enter_mutable_scope(self)
        try:
            return super().__call__(*args, **kwargs)
        finally:
            mutator.exit_mutable_scope(self)


class LayerChoice(Mutable, choices.LayerChoice):
    """Chooses one of several layers, or reduces the outputs of several.

    A `choices.LayerChoice`: a container of its candidates, with ``len``, iteration, access by index, name and slice,
    assignment and deletion.

    Args:
        op_candidates: Candidates in a list, or by name in a dict.
        reduction: What to do with the outputs where a mutator selects several: ``"sum"``, ``"mean"``, ``"concat"``
            (along dimension 1), or ``"none"`` for a list, also of one.
        return_mask: Whether ``forward`` returns a tuple of the output and the mask of the selected candidates.
        key: The key of the decision; see `Mutable`.

    Raises:
        DomainError: There is no candidate, one is no module or stands twice, or a name or the reduction is impossible.

    Examples:
        >>> LayerChoice(OrderedDict(conv3x3=nn.Conv2d(8, 8, 3, padding=1), skip=nn.Identity()), key="layer1")
    """

    reduction: str = "sum"
    return_mask: bool = False

    def __init__(
        self,
        op_candidates: Candidates,
        reduction: str = "sum",
        return_mask: bool = False,
        key: str | None = None,
    ) -> None:
        choices.LayerChoice.__init__(self, op_candidates, label=self._new_label(key))
        self.reduction = _checked_reduction(reduction, f"LayerChoice {self.key!r}")
        self.return_mask = return_mask

    def __setitem__(self, index: int | str, module: nn.Module) -> None:
        self._refuse_change()
        super().__setitem__(index, module)

    def __delitem__(self, index: int | str | slice) -> None:
        self._refuse_change()
        super().__delitem__(index)

    def _refuse_change(self) -> None:
        mutator = self.mutator
        if mutator is not None and mutator.replaces_choices:
            raise SearchError(
                f"The candidates of {self.key!r} cannot change while they are those of a supernet, which the "
                f"{type(mutator).__name__} has made of the model. Change them before the mutator is made, or call its "
                "unbind() first."
            )

    def selection_of(self, raw: Any) -> Selection:
        """Return the candidates that a value of an architecture stands for, in any of its forms.

        Raises:
            ArchitectureError: It stands for none.
        """
        return layer_selection(self.choice(), raw)

    def _dropped(self) -> frozenset[str]:
        values = ChosenValues.current()
        if values is None or self._label not in values or not self.names:
            return frozenset()
        selection = layer_selection(values.named(self.choice()), values.raw(self._label))
        return frozenset(self.names) - {self.names[position] for position in selection.chosen}

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the chosen candidate, fixed, or a `SelectedLayers` where the result is not that of one layer."""
        choice = freezer.values.named(self.choice())
        selection = layer_selection(choice, freezer.values.raw(self._label, freezer.place, choice.domain))
        names = [self.names[position] for position in selection.chosen]
        is_plain = len(names) == 1 and selection.weights is None
        if is_plain and self.reduction != "none" and not self.return_mask:
            frozen = freezer.child(self, names[0])
            return Frozen(frozen.module, (names[0], *frozen.inner))
        selected = SelectedLayers(names, selection, self.reduction, self.return_mask).train(self.training)
        for name in names:
            freezer.attach(selected, name, freezer.child(self, name))
        return Frozen(selected)

    def answer(self, output: Any, chosen: int | Tensor) -> Any:
        """Return the result of ``forward`` in a supernet, with the mask if it is wanted."""
        if self.reduction == "none":
            output = [output]
        if not self.return_mask:
            return output
        return output, chosen if isinstance(chosen, Tensor) else Selection(len(self), (chosen,)).mask()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the mutator decides; the first candidate where there is none.

        Returns:
            The output, or a tuple of output and mask.

        Raises:
            SearchError: The mutator does not return a pair.
        """
        mutator = self._binding.active(self)
        if mutator is None:
            return self.answer(self[0](*args, **kwargs), 0)
        output, mask = _checked_pair(mutator.on_forward_layer_choice(self, *args, **kwargs), self)
        return (output, mask) if self.return_mask else output

    def extra_repr(self) -> str:
        """Return the key."""
        return f"key={self.key!r}"


class InputChoice(Mutable, choices.InputChoice):
    """Chooses some of the tensors that it is given, and reduces them to one.

    Args:
        n_candidates: How many tensors there are to choose from; may be left out if ``choose_from`` is given.
        choose_from: Names of the inputs: the keys of the mutables that they come from, any other names, or `NO_KEY`.
            Architectures name inputs by them if no two are equal, and by position otherwise.
        n_chosen: How many are chosen; None for any number, also none at all.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along dimension 1), or ``"none"`` for the list of the chosen.
        return_mask: Whether ``forward`` returns a tuple of the output and the mask of the chosen inputs.
        key: The key of the decision; see `Mutable`.

    Raises:
        DomainError: The numbers, the names and the reduction do not fit together.
    """

    NO_KEY: ClassVar[str] = ""

    n_candidates: int
    return_mask: bool = False

    def __init__(
        self,
        n_candidates: int | None = None,
        choose_from: Sequence[str] | None = None,
        n_chosen: int | None = None,
        reduction: str = "sum",
        return_mask: bool = False,
        key: str | None = None,
    ) -> None:
        label = self._new_label(key)
        where = f"InputChoice {str(label)!r}"
        if n_candidates is None and choose_from is None:
            raise DomainError(f"{where} has neither n_candidates nor choose_from. Give one of them.")
        names = None if choose_from is None else [str(name) for name in choose_from]
        if names is not None and n_candidates not in (None, len(names)):
            raise DomainError(f"{where} has n_candidates={n_candidates} and {len(names)} names in choose_from.")
        are_different = names is not None and len(set(names)) == len(names)
        choices.InputChoice.__init__(
            self,
            n_candidates if names is None else len(names),
            n_chosen,
            _checked_reduction(reduction, where),  # type: ignore[arg-type]  # now it is one of them
            choose_from=names if are_different else None,
            label=label,
        )
        self.choose_from = [self.NO_KEY] * self.n_candidates if names is None else names
        self.return_mask = return_mask

    def selection_of(self, raw: Any) -> Selection:
        """Return the inputs that a value of an architecture stands for, in any of its forms.

        Raises:
            ArchitectureError: It stands for none, or for more or fewer than ``n_chosen``.
        """
        return input_selection(self.choice(), raw, self.choose_from)

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return a module that picks the chosen inputs."""
        choice = freezer.values.named(self.choice())
        raw = freezer.values.raw(self._label, freezer.place, choice.domain)
        selection = input_selection(choice, raw, self.choose_from)
        if selection.weights is None and not self.return_mask and not self._has_equal_names():
            chosen = [choice.values[position] for position in selection.chosen]  # type: ignore[attr-defined]  # both kinds have values
            plain = choices.ChosenInputs(chosen, self.reduction, self.names)
            return Frozen(plain.train(self.training))
        selected = SelectedInputs(self.choose_from, selection, self.reduction, self.return_mask)
        return Frozen(selected.train(self.training))

    def _has_equal_names(self) -> bool:
        return self.names is None and any(self.choose_from)

    def in_order(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> list[Tensor]:
        """Return the inputs as a list in the order of the candidates.

        Raises:
            DomainError: There are more or fewer inputs than candidates, or one of the names is missing.
        """
        return listed_inputs(inputs, self.choose_from, f"InputChoice {self.key!r}")

    def answer(self, output: Any, weights: Callable[[], Tensor]) -> Any:
        """Return the result of ``forward`` for a mixture of inputs, with the mask if it is wanted."""
        return (output, weights()) if self.return_mask else output

    def forward(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> Any:
        """Compute what the mutator decides; where there is none, reduce the first inputs.

        Returns:
            The output, which is None if nothing is chosen; or a tuple of output and mask.

        Raises:
            DomainError: The inputs are not those that were announced.
            SearchError: The mutator does not return a pair.
        """
        tensors = self.in_order(inputs)
        mutator = self._binding.active(self)
        if mutator is not None:
            output, mask = _checked_pair(mutator.on_forward_input_choice(self, tensors), self)
            return (output, mask) if self.return_mask else output
        number = 1 if self.n_chosen is None else self.n_chosen
        output = reduce_inputs(tensors[:number], self.reduction)
        return (output, Selection(len(tensors), tuple(range(number))).mask()) if self.return_mask else output

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"n_candidates={self.n_candidates}, n_chosen={self.n_chosen}, reduction={self.reduction!r}, "
            f"key={self.key!r}"
        )


def _checked_pair(answer: Any, mutable: Mutable) -> tuple[Any, Any]:
    """Return what a mutator computed; a tensor alone would be taken apart where it has two rows."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise SearchError(
            f"The {type(mutable.mutator).__name__} returned a {type(answer).__name__} for {mutable.key!r}, expected a "
            "tuple of two: the output, and the mask. Return both from on_forward_layer_choice and "
            "on_forward_input_choice."
        )
    return answer


def _checked_reduction(reduction: str, where: str) -> str:
    if reduction not in REDUCTIONS:
        raise DomainError(f"{where} has reduction={reduction!r}, expected one of {', '.join(REDUCTIONS)}.")
    return reduction
