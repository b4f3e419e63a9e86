"""`AutoActivation`: an activation function that is composed of simple functions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from retiarii.errors import DomainError
from retiarii.nn._labels.namespace import ModelNamespace, sublabel
from retiarii.nn.pytorch._primitives.layer_choice import LayerChoice

_EPSILON = 1e-10

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "negative": lambda x: -x,
    "abs": torch.abs,
    "square": lambda x: x * x,
    "cube": lambda x: x * x * x,
    "sqrt": lambda x: torch.sqrt(torch.abs(x) + _EPSILON),
    "log": lambda x: torch.log(torch.abs(x) + _EPSILON),
    "exp": torch.exp,
    "sin": torch.sin,
    "cos": torch.cos,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "asinh": torch.asinh,
    "atan": torch.atan,
    "sinc": torch.sinc,
    "relu": torch.relu,
    "negative_relu": lambda x: -torch.relu(-x),
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "gauss": lambda x: torch.exp(-x * x),
    "erf": torch.erf,
}

UNARY_WITH_BETA: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "scaled": lambda x, beta: x * beta,
    "shifted": lambda x, beta: x + beta,
    "constant": lambda x, beta: x * 0 + beta,
}

BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "subtract": lambda a, b: a - b,
    "divide": lambda a, b: a / (b + _EPSILON),
    "max": torch.maximum,
    "min": torch.minimum,
    "gate": lambda a, b: torch.sigmoid(a) * b,
}

BINARY_WITH_BETA: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "gauss_distance": lambda a, b, beta: torch.exp(-beta * (a - b) ** 2),
    "exp_distance": lambda a, b, beta: torch.exp(-beta * torch.abs(a - b)),
    "blend": lambda a, b, beta: beta * a + (1 - beta) * b,
}


class UnaryFunction(nn.Module):
    """A function of one tensor, of ``UNARY`` or ``UNARY_WITH_BETA``.

    Args:
        name: Its name.
    """

    beta: nn.Parameter | None

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.beta = nn.Parameter(torch.ones(())) if name in UNARY_WITH_BETA else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the value of the function at each element."""
        return UNARY[self.name](x) if self.beta is None else UNARY_WITH_BETA[self.name](x, self.beta)

    def extra_repr(self) -> str:
        """Return the name."""
        return self.name


class BinaryFunction(nn.Module):
    """A function of two tensors, of ``BINARY`` or ``BINARY_WITH_BETA``.

    Args:
        name: Its name.
    """

    beta: nn.Parameter | None

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.beta = nn.Parameter(torch.full((), 0.5)) if name in BINARY_WITH_BETA else None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the value of the function at each pair of elements."""
        return BINARY[self.name](a, b) if self.beta is None else BINARY_WITH_BETA[self.name](a, b, self.beta)

    def extra_repr(self) -> str:
        """Return the name."""
        return self.name


class AutoActivation(nn.Module):
    """An activation function with choices: a chain of core units, each of two unary functions and a binary one.

    The first unit computes ``binary(unary(x), unary(x))``. Each later one is ``binary(unary(y), unary(x))``, where
    ``y`` is the output of the unit before. The labels are ``{label}/unary_0``, ``{label}/unary_1``, ... (two for each
    unit) and ``{label}/binary_0``, ... There are 25 unary and 10 binary functions, so one unit has 6,250 architectures.

    Args:
        unit_num: The number of core units.
        label: The name of the activation function. Functions of one label choose the same.

    Raises:
        DomainError: ``unit_num`` is no integer of at least 1.

    Reference:
        Ramachandran et al. (2017), arXiv:1710.05941, section 3 and figure 1. Deviations: the trainable ``beta`` is one
        number for each function that has it, not one per channel; the square root is that of the absolute value; a
        small number is added to divisors and to the arguments of logarithm and root, which must not be zero.

    Examples:
        >>> nn.Sequential(nn.Linear(8, 16), nn.AutoActivation(label="act"), nn.Linear(16, 2))
    """

    def __init__(self, unit_num: int = 1, label: str | None = None) -> None:
        super().__init__()
        self.label = ModelNamespace.next_label() if label is None else label
        if type(unit_num) is not int or unit_num < 1:
            raise DomainError(
                f"AutoActivation {self.label!r} has unit_num={unit_num!r}, expected an integer of at least 1."
            )
        self.unaries = nn.ModuleList()
        self.binaries = nn.ModuleList()
        for unit in range(unit_num):
            for number in (2 * unit, 2 * unit + 1):
                named = {name: UnaryFunction(name) for name in (*UNARY, *UNARY_WITH_BETA)}
                self.unaries.append(LayerChoice(dict(named), label=sublabel(self.label, f"unary_{number}")))
            pairs = {name: BinaryFunction(name) for name in (*BINARY, *BINARY_WITH_BETA)}
            self.binaries.append(LayerChoice(dict(pairs), label=sublabel(self.label, f"binary_{unit}")))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of the elements."""
        output = x
        for unit, binary in enumerate(self.binaries):
            output = binary(self.unaries[2 * unit](output), self.unaries[2 * unit + 1](x))
        return output
