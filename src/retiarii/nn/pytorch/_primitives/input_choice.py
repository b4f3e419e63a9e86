"""`InputChoice`: some of several inputs; and `ChosenInputs`, with the inputs that are chosen."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from retiarii.errors import ArchitectureError, DomainError, UnknownInputsError
from retiarii.nn._values.value_choice import label_or_key, new_label
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey
from retiarii.space import Categorical, Choice, Subset, Value

Reduction = Literal["sum", "mean", "concat", "none"]
REDUCTIONS = ("sum", "mean", "concat", "none")


class ChosenInputs(nn.Module):
    """Picks some of the tensors that it is given, and reduces them to one.

    Args:
        chosen: The indices of the inputs to pick, or their names where the inputs come in a dict; one or several.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along dimension 1), or ``"none"`` for the list itself.
        names: The names of all inputs, where ``chosen`` has names and yet the inputs may come in a list.
    """

    def __init__(
        self,
        chosen: int | str | Sequence[int | str],
        reduction: Reduction = "sum",
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.chosen = [chosen] if isinstance(chosen, (int, str)) else list(chosen)
        self.reduction = reduction
        self.names = None if names is None else list(names)

    def forward(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> Any:
        """Return the reduced tensor; None if none is chosen; the list of the chosen ones with reduction "none"."""
        return reduce_inputs([self._pick(inputs, name) for name in self.chosen], self.reduction)

    def _pick(self, inputs: Any, name: int | str) -> Any:
        if isinstance(inputs, Mapping):
            return inputs[name] if isinstance(name, str) else list(inputs.values())[name]
        return inputs[name if isinstance(name, int) or self.names is None else self.names.index(name)]

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.chosen}, reduction={self.reduction!r}"


def reduce_inputs(tensors: list[Tensor], reduction: str) -> Any:
    """Reduce several tensors to one.

    Shapes: equal for ``sum`` and ``mean``, equal but for dimension 1 for ``concat``.
    """
    if reduction == "none":
        return tensors
    if not tensors:
        return None
    if len(tensors) == 1:
        return tensors[0]
    if reduction == "concat":
        return torch.cat(tensors, dim=1)
    total = sum(tensors[1:], start=tensors[0])
    return total / len(tensors) if reduction == "mean" else total


class InputChoice(Mutable):
    """Chooses some of the tensors that it is given, and reduces them to one.

    The model that is not fixed takes the first ones. Once it is fixed, a `ChosenInputs` stands in its place.

    Args:
        n_candidates: How many tensors there are to choose from. If None, the first forward pass tells.
        n_chosen: How many are chosen; None for any number, also none at all.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along dimension 1), or ``"none"`` for a list of the chosen.
        prior: With ``n_chosen=1``: the probability of each input in random sampling; uniform if None.
        label: The name of the decision. Choices of one label choose the same.
        choose_from: The names of the inputs. Architectures then know the inputs by name; otherwise by index, or by
            key where the first forward pass was given a dict.
        key: The old name of ``label``.

    Raises:
        DomainError: The numbers, names, prior or reduction do not fit together.

    Examples:
        >>> self.skip = nn.InputChoice(n_candidates=2, n_chosen=1, label="skip")  # in __init__
        >>> out = self.skip([x, self.conv(x)])  # in forward
    """

    may_need_constructor = False

    def __init__(
        self,
        n_candidates: int | None = None,
        n_chosen: int | None = 1,
        reduction: Reduction = "sum",
        *,
        prior: Sequence[float] | None = None,
        label: str | None = None,
        choose_from: Sequence[str] | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__()
        self._label = new_label(label_or_key(label, key))
        self.n_candidates = n_candidates
        self.n_chosen = n_chosen
        self.reduction = reduction
        self.prior = None if prior is None else list(prior)
        self.names: list[str] | None = None if choose_from is None else list(choose_from)
        self._check()

    def _check(self) -> None:
        where = f"InputChoice {self._label!r}"
        if self.reduction not in REDUCTIONS:
            raise DomainError(f"{where} has reduction={self.reduction!r}, expected one of {', '.join(REDUCTIONS)}.")
        if self.names is not None:
            if self.n_candidates not in (None, len(self.names)):
                raise DomainError(f"{where} has n_candidates={self.n_candidates} and {len(self.names)} names.")
            self.n_candidates = len(self.names)
        for name, least in (("n_candidates", 1), ("n_chosen", 1)):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < least):
                raise DomainError(f"{where} has {name}={number!r}, expected None or an integer of at least {least}.")
        if self.prior is not None and self.n_chosen != 1:
            warnings.warn(f"{where} ignores its prior: only n_chosen=1 has one.", stacklevel=5)
        if self.n_candidates is not None:
            self.choice()  # checks the domain

    @property
    def label(self) -> str:
        """The name of the decision; provisional if it is automatic and not made inside a ``@model_wrapper`` class."""
        return self._label

    @property
    def key(self) -> str:
        """The old name of `label`."""
        return self._label

    def choice(self) -> Choice:
        """Return the decision: the label, and the inputs by name, or by index where they have none.

        Raises:
            UnknownInputsError: The number of inputs is not known yet.
        """
        if self.n_candidates is None:
            raise self._unknown("")
        values: tuple[Value, ...] = tuple(self.names or range(self.n_candidates))
        prior = None if self.prior is None else tuple(self.prior)
        return self._remembered((values, self.n_chosen, prior), lambda: self._choice_of(values, prior))

    def _choice_of(self, values: tuple[Value, ...], prior: tuple[float, ...] | None) -> Choice:
        if self.n_chosen == 1:
            return Categorical(self._label, values=values, prior=prior, by_index=True)
        if self.n_chosen is None:
            return Subset(self._label, values=values, min_chosen=0, max_chosen=len(values))
        return Subset(self._label, values=values, min_chosen=self.n_chosen, max_chosen=self.n_chosen)

    def _unknown(self, place: str) -> UnknownInputsError:
        where = f" (declared at {place})" if place else ""
        return UnknownInputsError(
            f"InputChoice {self._label!r}{where} does not know how many inputs it gets. Run the model once on an "
            "example, or pass n_candidates."
        )

    def declare_choices(self, survey: Survey) -> None:
        """Report this choice."""
        if self.n_candidates is None:
            survey.unknown(self._label, self._unknown(survey.place))
        else:
            survey.choice(self.choice())

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return a module that picks the chosen inputs."""
        if self.n_candidates is None:
            chosen = self._trusted(freezer.raw_value(self._label))
        else:
            value = freezer.value(self.choice())
            chosen = value if isinstance(value, tuple) else (value,)
        inputs = ChosenInputs(chosen, self.reduction, self.names)
        inputs.training = self.training
        return Frozen(inputs)

    def _trusted(self, raw: Value) -> tuple[Any, ...]:
        """Read a value without knowing how many inputs there are: the model is built by ``fixed_arch``, and never ran.

        Raises:
            ArchitectureError: It cannot be right, whatever the number of inputs is.
        """
        items = raw if isinstance(raw, tuple) else (raw,)
        if items and all(type(item) is bool for item in items):
            items = tuple(index for index, flag in enumerate(items) if flag)
        is_named = all(type(item) is str for item in items)
        is_numbered = all(type(item) is int and item >= 0 for item in items)
        if not (is_named or is_numbered) or len(set(items)) < len(items) or self.n_chosen not in (None, len(items)):
            number = "any number of" if self.n_chosen is None else self.n_chosen
            raise ArchitectureError(
                f"Choice {self._label!r} has value {raw!r}, expected {number} different names or indices of inputs.",
                label=self._label,
                got=raw,
            )
        return items if is_named else tuple(sorted(items))

    def in_order(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> list[Tensor]:
        """List the inputs in the order of the candidates; those of a dict may come in any order."""
        if not isinstance(inputs, Mapping):
            return list(inputs)
        return list(inputs.values()) if self.names is None else [inputs[name] for name in self.names]

    def answer(self, output: Any, weights: Callable[[], Tensor]) -> Any:
        """Return the result of ``forward`` for a mixture of inputs; a subclass may add to it.

        Args:
            output: The expectation of the reduction.
            weights: Returns the probability of each input, ``[n]``.
        """
        return output

    def forward(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> Any:
        """Reduce the first inputs, and learn how many there are.

        Raises:
            DomainError: There are more or fewer inputs than said, or the names are others.
        """
        if self.n_candidates is None:
            self._learn(inputs)
        elif len(inputs) != self.n_candidates:
            raise DomainError(f"InputChoice {self._label!r} expected {self.n_candidates} inputs, got {len(inputs)}.")
        tensors = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
        return reduce_inputs(tensors[: 1 if self.n_chosen is None else self.n_chosen], self.reduction)

    def _learn(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> None:
        self.n_candidates = len(inputs)
        if isinstance(inputs, Mapping):
            self.names = list(inputs)
        self._check()

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"n_candidates={self.n_candidates}, n_chosen={self.n_chosen}, reduction={self.reduction!r}, "
            f"label={self._label!r}"
        )
