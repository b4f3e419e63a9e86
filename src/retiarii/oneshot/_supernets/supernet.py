"""`Supernet`: a model in which every choice is an operator, and the decisions that set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn, optim

from retiarii.errors import ArchitectureError, SupernetError
from retiarii.oneshot._decisions.decision import Decision, check_any
from retiarii.oneshot._operators.operator import Operator, active_tensor
from retiarii.oneshot._supernets.in_place import InPlaceChanges, UnboundModule
from retiarii.oneshot._supernets.slots import Slot
from retiarii.space import Architecture, SearchSpace


class Supernet:
    """All architectures of a model space in one module, sharing weights.

    `build_supernet` makes it. After `set_architecture` the module computes one path; after a search has weighed the
    decisions, a mixture of all. Its parameters are the weights; architecture parameters belong to searches. A supernet
    can be pickled and copied; the weights of a mixture are left out.

    Args:
        module: The model with operators in the places of its choices.
        base: The model itself, from which frozen models are made.
        space: Its search space.
        decisions: By label; shared with the operators.
        slots: The attributes of modules that hold choices.
        changes: What was changed in the user's model, if it is ``module``; None if ``module`` is a copy.

    Attributes:
        module: The module to train: of the class of the user's model, or that model itself.
        base: The model with its choices: the user's, or a copy of it where ``module`` is the user's.
        space: The search space.
        decisions: One decision per label.
    """

    def __init__(
        self,
        module: nn.Module,
        base: nn.Module,
        space: SearchSpace,
        decisions: Mapping[str, Decision],
        slots: Sequence[Slot] = (),
        changes: InPlaceChanges | None = None,
    ) -> None:
        self.module = module
        self.base = base
        self.space = space
        self.decisions = dict(decisions)
        self._slots = tuple(slots)
        self._changes = changes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the active path or mixture."""
        return self.module(*args, **kwargs)

    def set_architecture(self, architecture: Mapping[str, Any], *, check: bool = True) -> None:
        """Make one path active, until the next call or the next step of a search.

        Args:
            architecture: Label to value.
            check: Whether to check the architecture. Without a check it must be one that the space has made.

        Raises:
            ArchitectureError: The architecture does not fit the space.
        """
        if check:
            architecture = self.space.architecture(architecture)
        decisions = self.decisions
        for label, value in architecture.items():
            decisions[label].choose(value)
        if len(architecture) < len(decisions):
            self._leave_mixtures()
        self.fill_slots()

    @property
    def architecture(self) -> Architecture:
        """The active path.

        Raises:
            ArchitectureError: A mixture is active.
        """
        mixed = [label for label, decision in self.decisions.items() if decision.weights is not None]
        if mixed:
            raise ArchitectureError(
                f"The supernet is set to a mixture, {mixed[0]!r} among others, not to an architecture. Call "
                "set_architecture first.",
                label=mixed[0],
            )
        return self.space.architecture({label: decision.value for label, decision in self.decisions.items()})

    @contextmanager
    def temporarily(self, architecture: Mapping[str, Any]) -> Iterator[None]:
        """Make a path active inside the block; afterwards the path or mixture from before is active again.

        Raises:
            ArchitectureError: The architecture does not fit the space.
        """
        before = {label: decision.state for label, decision in self.decisions.items()}
        try:
            self.set_architecture(architecture)
            yield
        finally:
            for label, state in before.items():
                self.decisions[label].restore(state)
            self.fill_slots()

    def fill_slots(self) -> None:
        """Write the current values into attributes that hold choices."""
        for slot in self._slots:
            slot.fill()

    def require_choices(self, strategy: str) -> None:
        """Check that there is something to search.

        Args:
            strategy: What would search, for the message.

        Raises:
            SupernetError: The model has no choices.
        """
        check_any(self.decisions, strategy)

    def check(self, *, for_mixtures: bool = False) -> None:
        """Check that every layer can be built with every combination of the values of its choices.

        Args:
            for_mixtures: Whether to check as well that mixtures depend on each label.

        Raises:
            SupernetError: A layer cannot; the message names it and its labels.
        """
        operators = [module for module in self.module.modules() if isinstance(module, Operator)]
        for operator in operators:
            operator.check()
        if for_mixtures:
            mixed = {decision.label for operator in operators for decision in operator.decisions}
            mixed.update(*(slot.mixed_labels() for slot in self._slots))
            for slot in self._slots:
                slot.check(mixed)

    @property
    def added_parameters(self) -> list[nn.Parameter]:
        """The parameters that the user's model did not have, where it was made a supernet in place; else none.

        An optimizer that was made before needs them, see `extend_optimizer`. Weights of more than one set of
        constructor arguments are such, and the operations of a cell for further inputs.
        """
        return [] if self._changes is None else self._changes.added_parameters

    def extend_optimizer(self, optimizer: optim.Optimizer) -> None:
        """Add those of `added_parameters` that an optimizer does not have to its first group.

        No group is added, so that schedulers of the learning rate go on working.

        Args:
            optimizer: The optimizer of the user's model.
        """
        known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        optimizer.param_groups[0]["params"] += [p for p in self.added_parameters if id(p) not in known]

    def unbind(self) -> nn.Module:
        """Give the user's model, of which this is the supernet in place, its choices back, with the trained weights.

        Layers that had become larger get the part of the weights that belongs to their default arguments. Neither this
        supernet nor searches on it can be used afterwards.

        Returns:
            The model.

        Raises:
            SupernetError: The supernet is not in place, or was unbound before.
        """
        changes = self._changes
        if changes is None:
            raise SupernetError(
                "This supernet is not bound to a model in place, so that there is nothing to unbind: it was built of a "
                "copy, or was unbound before. build_supernet(model, in_place=True) binds one."
            )
        for decision in self.decisions.values():
            decision.choose(decision.choice.default())
        values = {name: active_tensor(self.module, name).detach().clone() for name in changes.stale_tensors()}
        self._changes, self._slots, self.module = None, (), UnboundModule()
        return changes.undo(values)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return the weights."""
        return self.module.parameters()

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next((weight.device for weight in self.module.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights; torch's default if there are none."""
        floating = (weight.dtype for weight in self.module.parameters() if weight.is_floating_point())
        return next(floating, torch.get_default_dtype())

    def eval(self) -> Supernet:
        """Set the module to evaluation mode."""
        self.module.eval()
        return self

    def train(self, mode: bool = True) -> Supernet:
        """Set the module to training mode."""
        self.module.train(mode)
        return self

    def _leave_mixtures(self) -> None:
        """Set decisions that are inactive in the architecture to paths, too, so that no operator computes a mixture."""
        for decision in self.decisions.values():
            if decision.weights is not None:
                decision.choose(decision.value)

    def __repr__(self) -> str:
        return f"<Supernet of {type(self.base).__name__}: {self.space!r}>"
