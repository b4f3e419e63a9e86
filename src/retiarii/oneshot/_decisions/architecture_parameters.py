"""`ArchitectureParameters`: one vector ``alpha`` per label, separate from the weights of the supernet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import ConfigError
from retiarii.oneshot._decisions.decision import Decision, membership


class ArchitectureParameters:
    """The parameters that a differentiable strategy learns: one vector per label, which all its modules share.

    They are not parameters of the supernet, so the optimizer of its weights never sees them. A choice of one value has
    one parameter per value, which is its logit; a subset has one per candidate, and the logit of a subset is their sum.
    Where subsets are weighed by candidates, the logits are those of the candidates.

    Args:
        decisions: The decisions of the supernet.
        seed: The seed of the initial values.
        scale: The standard deviation of the initial values.
        dtype: The type of the parameters, at least single precision, so that small steps are not lost.

    Attributes:
        by_label: The parameters.
        by_candidate: The choices whose subsets are weighed by candidates, by label.
    """

    def __init__(self, decisions: Mapping[str, Decision], *, seed: int, scale: float, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(seed % 2**63)
        dtype = torch.promote_types(dtype, torch.float32)
        self.by_candidate = {label: d.by_candidate for label, d in decisions.items() if d.by_candidate is not None}
        members = {label: membership(decision) for label, decision in decisions.items()}
        self._members = {label: None if rows is None else rows.to(dtype) for label, rows in members.items()}
        self.by_label: dict[str, nn.Parameter] = {}
        for label, decision in decisions.items():
            values = torch.randn(decision.num_logits, generator=generator, dtype=torch.float64) * scale
            self.by_label[label] = nn.Parameter(values.to(dtype))

    def __iter__(self) -> Iterator[nn.Parameter]:
        return iter(self.by_label.values())

    def logits(self, label: str) -> Tensor:
        """Return the logits of a label.

        Returns:
            One for each value, ``[K]``; for labels in `by_candidate`, one for each candidate, ``[n]``.
        """
        alpha = self.by_label[label]
        members = self._members[label]
        return alpha if members is None else (members * alpha).sum(dim=1)  # autocast would round a product of matrices

    def is_plain(self, label: str) -> bool:
        """Return whether the parameters of a label are its logits."""
        return self._members[label] is None and label not in self.by_candidate

    def to(self, device: torch.device) -> bool:
        """Move the parameters in place, so that optimizers keep them; return whether any was elsewhere."""
        has_moved = False
        for label, alpha in self.by_label.items():
            if alpha.device != device:
                alpha.data = alpha.data.to(device)
                members = self._members[label]
                self._members[label] = None if members is None else members.to(device)
                has_moved = True
        return has_moved

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of the parameters, by label."""
        return {label: alpha.detach().clone() for label, alpha in self.by_label.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the parameters to what `state_dict` returned.

        Raises:
            ConfigError: The state is of another space.
        """
        ours = {label: len(alpha) for label, alpha in self.by_label.items()}
        theirs = {label: len(alpha) for label, alpha in state.items()}
        if ours != theirs:
            different = sorted(label for label in {*ours, *theirs} if ours.get(label) != theirs.get(label))
            raise ConfigError(
                f"The state is of another search space: {different[0]!r} has {theirs.get(different[0], 'no')} "
                f"architecture parameters there, and {ours.get(different[0], 'none')} here. Build the supernet from "
                "the model that was searched before."
            )
        with torch.no_grad():
            for label, alpha in self.by_label.items():
                alpha.copy_(state[label])
