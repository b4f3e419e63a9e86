"""`SeparateLayers`: a module with choices in its arguments, with weights of its own for each configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch.constructor_calls import ModuleCall
from retiarii.nn.pytorch.labels import numbering_from
from retiarii.oneshot._decisions.configurations import Configurations
from retiarii.oneshot._operators.operator import Operator, active_tensor, labelled, weighted_sum
from retiarii.oneshot._operators.tensor_traits import match_tensors

MAX_COPIES = 64
"""More configurations than this of one module without a rule are refused: each has its own weights."""

_SHARED_SIZES = (
    "Give the choices to layers of retiarii.nn.pytorch directly, give build_supernet a rule "
    "(SliceRule(inputs=..., outputs=...))"
)


class SeparateLayers(Operator):
    """The operator of a module without a rule: a choice between copies, one for each set of constructor arguments.

    Args:
        path: Its path in the model, for messages.
        configurations: The sets of constructor arguments.
        call: The recorded constructor call.
        original: The module of the base model; it is the copy for its own arguments.
        convert: Makes operators of the choices inside a copy.

    Raises:
        SupernetError: There are more than `MAX_COPIES` configurations.
    """

    def __init__(
        self,
        path: str,
        configurations: Configurations,
        call: ModuleCall,
        original: nn.Module,
        convert: Callable[[nn.Module, str], nn.Module],
    ) -> None:
        super().__init__(path)
        self.configurations = configurations
        self.decisions = configurations.decisions
        configs = _listed(configurations, type(original).__name__)
        default = repr(configurations.current())
        self.copies = nn.ModuleList()
        for number, config in enumerate(configs):
            with numbering_from(call.start):
                copy = original if repr(config) == default else configurations.cls(**config)
            match_tensors(copy, original)
            self.copies.append(convert(copy.train(original.training), f"{path}.copies.{number}"))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the active path or the mixture."""
        if not self.configurations.is_mixed:
            return self.active(*args, **kwargs)
        probabilities = self.configurations.probabilities()
        supported = self.configurations.supported()
        outputs = [self._run(number, args, kwargs) for number in supported]
        decisions = self.configurations.decisions
        shares = [probabilities[number] for number in supported]
        return weighted_sum(shares, outputs, self.path, decisions, to_make_equal=_SHARED_SIZES)

    def _run(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one copy for a mixture, where inputs have the full width of the layers before.

        Raises:
            SupernetError: The copy cannot compute with them.
        """
        try:
            return self.copies[number](*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, IndexError, RuntimeError, ValueError) as err:
            config = self.configurations.shown(self.configurations.grid.configs[number])
            shapes = ", ".join(str(tuple(arg.shape)) for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor))
            raise SupernetError(
                f"{self.path!r}{labelled(self.configurations.decisions)}: {config} "
                f"fails on its input of shape {shapes}: {err}. In a mixture, layers before it return their full width, "
                f"and retiarii does not know which part of it each configuration expects. {_SHARED_SIZES}, or use a "
                "strategy that samples single paths (RandomOneShot, ENAS).",
                path=self.path,
            ) from err

    @property
    def active(self) -> nn.Module:
        """The copy of the active path."""
        grid = self.configurations.grid
        return self.copies[grid.index[tuple([decision.index for decision in self.configurations.decisions])]]

    def active_tensor(self, name: str) -> Tensor:
        """Return a tensor of the active copy."""
        return active_tensor(self.active, name)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # what the model reads from its module
            if (
                name.startswith("_")
                or "copies" not in self.__dict__.get("_modules", {})
                or self.configurations.is_mixed
            ):
                raise
            return getattr(self.active, name)


def _listed(configurations: Configurations, kind: str) -> Any:
    advice = (
        f"retiarii does not know how different sizes of {kind} share weights, so that each needs weights of its own. "
        f"Use fewer candidates, put the choices into layers of torch.nn inside {kind}, or give build_supernet a rule "
        f"for {kind}."
    )
    path = configurations.path
    if any(not decision.values for decision in configurations.decisions):
        raise SupernetError(f"{path!r} has a choice with infinitely many values in its arguments. {advice}", path=path)
    configs = configurations.grid.configs
    if len(configs) > MAX_COPIES:
        raise SupernetError(
            f"{path!r} has {len(configs)} different sets of arguments, more than {MAX_COPIES}. {advice}", path=path
        )
    return configs
