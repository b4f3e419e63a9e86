"""`DropPath`: leaves a branch of a network out, for some samples at random."""

from __future__ import annotations

from torch import Tensor, nn

from retiarii.nn.pytorch import basic_unit


@basic_unit
class DropPath(nn.Module):
    """Sets the output of a branch to zero for each sample with a probability, and scales the rest up; in training only.

    Args:
        drop_prob: The probability, from 0 to less than 1; the attribute may be changed during training.

    Raises:
        ValueError: The probability is below 0, or 1 or more.

    Reference:
        FractalNet (Larsson et al., 2017), arXiv:1605.07648, section 4; per sample as in NASNet, arXiv:1707.07012.
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = _checked(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, ``[B, ...]``, with some samples zero."""
        if not self.training or self.drop_prob <= 0.0:
            return x
        keep = 1.0 - self.drop_prob
        mask = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"drop_prob={self.drop_prob}"


def set_drop_path_prob(network: nn.Module, drop_prob: float) -> None:
    """Set the probability of every `DropPath` in a network, as schedules do during training.

    Raises:
        ValueError: The probability is below 0, or 1 or more.
    """
    drop_prob = _checked(drop_prob)
    for module in network.modules():
        if isinstance(module, DropPath):
            module.drop_prob = drop_prob


def _checked(drop_prob: float) -> float:
    """Return a probability with which samples can still be kept."""
    if not 0.0 <= drop_prob < 1.0:
        raise ValueError(f"The probability of DropPath is {drop_prob!r}, expected at least 0 and less than 1.")
    return drop_prob
