"""`LayerChoice`: one of several layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from retiarii.errors import DomainError
from retiarii.nn._labels.chosen_values import ChosenValues, leave_out
from retiarii.nn._labels.namespace import candidate_numbering, skip_candidate_numbering
from retiarii.nn._values.value_choice import label_or_key, new_label
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey
from retiarii.space import Categorical, Test

Candidate = nn.Module | Callable[[], nn.Module]
Candidates = Sequence[Candidate] | Mapping[str, Candidate]


class LayerChoice(Mutable):
    """Chooses one of several layers.

    The model that is not fixed runs the first one. Once it is fixed, the chosen layer stands in the place of the
    choice. Candidates may contain choices, also other layer choices, to any depth; these are decided only if their
    candidate is chosen.

    It is a container of its candidates: ``len``, iteration, ``choice[0]``, ``choice["conv3x3"]``, assignment to and
    deletion of candidates work.

    Args:
        candidates: Candidates in a list, or by name in a dict. Architectures use the name, or the index in a list. A
            candidate is a module, or a class or function without arguments that returns one. `fixed_arch` calls only
            the function of the chosen candidate, so the others cost nothing.
        prior: The probability of each candidate in random sampling; uniform if None.
        label: The name of the decision. Choices of one label choose the same.
        key: The old name of ``label``.

    Attributes:
        names: The names of the candidates, as strings.

    Raises:
        DomainError: There is no candidate, one stands twice, one is no module, or a name or the prior is impossible.

    Examples:
        >>> self.layer = nn.LayerChoice({"conv": nn.Conv2d(8, 8, 3, padding=1), "skip": nn.Identity()}, label="layer")
    """

    may_need_constructor = False

    def __init__(
        self,
        candidates: Candidates,
        prior: Sequence[float] | None = None,
        label: str | None = None,
        *,
        key: str | None = None,
    ) -> None:
        super().__init__()
        self._label = new_label(label_or_key(label, key))
        self.prior = None if prior is None else list(prior)
        self._is_named = isinstance(candidates, (Mapping, nn.ModuleDict))
        self.names: list[str] = []
        named = self._named(candidates)
        self.names = [name for name, _ in named]
        dropped = self._dropped()
        for name, candidate in named:
            self._add(name, candidate, is_dropped=name in dropped)
        self.choice()  # checks the domain

    def _named(self, candidates: Any) -> list[tuple[str, Any]]:
        if self._is_named:
            return list(candidates.items())
        if isinstance(candidates, (list, tuple, nn.ModuleList)):
            return [(str(index), candidate) for index, candidate in enumerate(candidates)]
        raise DomainError(
            f"LayerChoice {self._label!r} got candidates of type {type(candidates).__name__}, expected a list or a "
            "dict of modules."
        )

    def _dropped(self) -> frozenset[str]:
        """Return the names of the candidates that the architecture of a `fixed_arch` block does not choose."""
        values = ChosenValues.current()
        if values is None or self._label not in values or not self.names:
            return frozenset()
        choice = self.choice()
        return frozenset(self.names) - {self.names[choice.index_of(values.of(choice))]}

    def _add(self, name: Any, candidate: Any, is_dropped: bool) -> None:
        where = f"LayerChoice {self._label!r}"
        if not isinstance(candidate, nn.Module) and callable(candidate):
            if is_dropped:
                skip_candidate_numbering()
                leave_out(candidate)
                return
            with candidate_numbering():
                candidate = candidate()
        if not isinstance(candidate, nn.Module):
            raise DomainError(
                f"{where} has the candidate {name!r}: {candidate!r}, expected a module, or a class or function without "
                "arguments that makes one."
            )
        for other, known in self._modules.items():
            if known is candidate:
                raise DomainError(f"{where} has one module as two candidates, {other!r} and {name!r}. Build it twice.")
        try:
            self.add_module(name, candidate)
        except (KeyError, TypeError) as err:  # it has a dot, is no string, or is an attribute of every module
            raise DomainError(f"{where} cannot have a candidate named {name!r}: {err}. Choose another name.") from err

    @property
    def label(self) -> str:
        """The name of the decision; provisional if it is automatic and not made inside a ``@model_wrapper`` class."""
        return self._label

    @property
    def key(self) -> str:
        """The old name of `label`."""
        return self._label

    @property
    def candidates(self) -> list[nn.Module] | dict[str, nn.Module]:
        """The candidates as they were given: a list, or a dict."""
        return dict(zip(self.names, self, strict=True)) if self._is_named else list(self)

    @property
    def choices(self) -> list[nn.Module]:
        """The old name of ``list(layer_choice)``."""
        return list(self)

    @property
    def length(self) -> int:
        """The old name of ``len(layer_choice)``."""
        return len(self)

    def choice(self) -> Categorical:
        """Return the decision: the label, and the candidates by name, or by index where they have none."""
        values = tuple(self.names) if self._is_named else tuple(range(len(self)))
        prior = None if self.prior is None else tuple(self.prior)
        return self._remembered(
            (values, prior), lambda: Categorical(self._label, values=values, prior=prior, by_index=True)
        )

    def declare_choices(self, survey: Survey) -> None:
        """Report this choice, and those of the candidates on condition that they are chosen."""
        choice = self.choice()
        survey.choice(choice)
        for value, name in zip(choice.values, self.names, strict=True):
            with survey.under(frozenset({frozenset({Test(self._label, frozenset({value}))})})):
                survey.child(self, name)

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the chosen candidate, fixed; the others are not looked at."""
        name = self.chosen_name(freezer)
        frozen = freezer.child(self, name)
        return Frozen(frozen.module, (name, *frozen.inner))

    def chosen_name(self, freezer: Freezer) -> str:
        """Return the name of the candidate that the architecture chooses."""
        choice = self.choice()
        return self.names[choice.index_of(freezer.value(choice))]

    def answer(self, output: Any, chosen: int | Tensor) -> Any:
        """Return the result of ``forward``, given the output of the candidates; a subclass may add to it.

        Args:
            output: The output of the chosen candidate, or the weighted sum of all.
            chosen: The position of the candidate, or the weights of all, ``[K]``.
        """
        return output

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the first candidate."""
        return self[0](*args, **kwargs)

    def __getitem__(self, index: int | str | slice) -> Any:
        if isinstance(index, str):
            return self._modules[self._known(index)]
        names = self.names[index]
        return [self._modules[name] for name in names] if isinstance(names, list) else self._modules[names]

    def __setitem__(self, index: int | str, module: nn.Module) -> None:
        setattr(self, self._known(index) if isinstance(index, str) else self.names[index], module)

    def __delitem__(self, index: int | str | slice) -> None:
        names = self._known(index) if isinstance(index, str) else self.names[index]
        for name in [names] if isinstance(names, str) else list(names):
            position = self.names.index(name)
            delattr(self, name)
            del self.names[position]
            if self.prior is not None:
                self.prior = _without(self.prior, position)

    def _known(self, name: str) -> str:
        if name not in self.names:
            raise KeyError(f"LayerChoice {self._label!r} has no candidate {name!r}, only {self.names}.")
        return name

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[nn.Module]:
        return (self[name] for name in self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def extra_repr(self) -> str:
        """Return the label."""
        return f"label={self._label!r}"


def _without(prior: list[float], position: int) -> list[float]:
    rest = prior[:position] + prior[position + 1 :]
    total = sum(rest)
    return [share / total for share in rest] if total > 0 else [1 / len(rest)] * len(rest)
