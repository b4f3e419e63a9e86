"""`ChoiceOperator`: any primitive of `retiarii.nn.pytorch` in a supernet."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from torch import nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch.constructor_calls import build_fixed
from retiarii.nn.pytorch.labels import ChosenValues, Position
from retiarii.nn.pytorch.primitives import Freezer, Frozen, Mutable, Survey
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.operator import Operator, labelled
from retiarii.space import Choice

_MAX_FORMS = 1024


class ChoiceOperator(Operator):
    """The operator of a primitive. A path runs what `freeze` makes of the primitive with the supernet's own modules.

    So every primitive, including a user's own, can be sampled. Subclasses implement mixtures.

    The children are those of the primitive, under the same names.

    Args:
        path: Its path in the model, for messages.
        mutable: The primitive, its children already converted.
        lookup: The decisions of the supernet.

    Attributes:
        mutable: The primitive.
        lookup: The decisions of the supernet by the labels of declarations, for expressions; see `joint_values`.
        decisions: The decisions of the primitive itself, without those of its children.
    """

    mutable: Any
    decisions: tuple[Decision, ...]

    def __init__(self, path: str, mutable: Mutable, lookup: Lookup) -> None:
        super().__init__(path)
        object.__setattr__(self, "mutable", mutable)  # not as a child: its children are ours
        self._modules = mutable._modules
        self.training = mutable.training
        self.lookup = lookup
        self.decisions = _own_decisions(mutable, lookup)
        self._forms: dict[Hashable, nn.Module] = {}
        self._made: dict[nn.Module, list[nn.Module]] = {}  # of each form, the modules that are not the supernet's

    @property
    def is_mixed(self) -> bool:
        """Whether a mixture is active, not a path."""
        return bool(self.decisions) and self.decisions[0].weights is not None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the active path or the mixture."""
        if self.is_mixed:
            return self.mix(*args, **kwargs)
        return self.form()(*args, **kwargs)

    def mix(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the mixture.

        Raises:
            SupernetError: No mixture of this primitive is known.
        """
        raise SupernetError(
            f"{self.path!r} is a {type(self.mutable).__name__}, which has no mixture. Use a strategy that "
            "samples single paths (RandomOneShot, ENAS), or give build_supernet a rule for this type.",
            path=self.path,
        )

    def form(self) -> nn.Module:
        """Return the module that replaces the primitive on the active path.

        Raises:
            SupernetError: It has weights that are not in the supernet.
        """
        key = tuple([d.index if d.index >= 0 else d.value for d in self.decisions])
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _MAX_FORMS:
                self._forms.clear()
                self._made.clear()
            form = self._forms[key] = self.form_of({decision.label: decision.value for decision in self.decisions})
            ours = set(self.modules())
            self._made[form] = [part for part in form.modules() if part not in ours]
            self._refuse_new_weights(form)
        for part in self._made[form]:
            part.training = self.training  # they are not children, so that train() does not reach them
        return form

    def _refuse_new_weights(self, form: nn.Module) -> None:
        """Refuse a primitive that makes weights for each architecture: the supernet would not train them."""
        ours = {id(weight) for weight in self.parameters()}
        if any(id(weight) not in ours for weight in form.parameters()):
            raise SupernetError(
                f"{self.path!r}{labelled(self.decisions)} is a {type(self.mutable).__name__}, which builds modules "
                "with new weights for each architecture, so that a supernet has no weights to share. Use a "
                "multi-trial strategy, or give build_supernet a rule for this type.",
                path=self.path,
            )

    def form_of(self, values: dict[str, Any]) -> nn.Module:
        """Return the module that replaces the primitive in an architecture, made of modules of the supernet."""
        freezer = _SharingFreezer(ChosenValues(values, self.lookup.first))
        form: nn.Module = self.mutable.freeze_by(freezer).module
        return form

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # what the model reads from its choice, such as choice.names
            if name.startswith("_") or "mutable" not in self.__dict__:
                raise
            return getattr(self.mutable, name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_forms": {}, "_made": {}}


class _SharingFreezer(Freezer):
    """A freezer that keeps the modules inside a primitive: they are operators of the supernet."""

    def module(self, module: nn.Module) -> Frozen:
        return Frozen(module)

    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        return build_fixed(make, start, self.values)


class _OwnChoices(Survey):
    """Collects the choices of one primitive; children have operators of their own, and the space has constraints."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.found: dict[str, Decision] = {}

    def choice(self, choice: Choice, argument: str = "") -> None:
        decision = self._lookup[choice.label]
        self.found[decision.label] = decision

    def expression(self, value: Any, argument: str) -> None:
        for decision in self._lookup.decisions_in(value):
            self.found[decision.label] = decision

    def child(self, parent: nn.Module, name: str) -> None:
        pass


def _own_decisions(mutable: Mutable, lookup: Lookup) -> tuple[Decision, ...]:
    own = _OwnChoices(lookup)
    mutable.declare_choices(own)
    return tuple(own.found.values())
