"""`Operator`: the base class of the modules that replace choices in a supernet; and weighted sums for mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch.primitives import Freezer, Mutable, Survey
from retiarii.oneshot._decisions.decision import Decision

_TO_MAKE_EQUAL = "Make them equal (padding, stride)"


class Operator(Mutable):
    """A module of a supernet whose behaviour follows from decisions.

    It takes the place of a choice, but a supernet itself has no choices to report or to fix: its ``base`` has.

    Args:
        path: Its path in the model, for messages.

    Attributes:
        decisions: The decisions that set this operator, without those of operators inside it.
    """

    decisions: Sequence[Decision] = ()
    may_need_constructor = False

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def declare_choices(self, survey: Survey) -> NoReturn:
        """Refuse: the model is a supernet.

        Raises:
            SupernetError: Always.
        """
        raise self._no_choice()

    def freeze_by(self, freezer: Freezer) -> NoReturn:
        """Refuse: the model is a supernet.

        Raises:
            SupernetError: Always.
        """
        raise self._no_choice()

    def _no_choice(self) -> SupernetError:
        return SupernetError(
            f"The model is a supernet, in which the choice at {self.path!r} is a {type(self).__name__}: it has no "
            "choices to list or to fix. Its space is supernet.space, and retiarii.oneshot.subnet(search, architecture) "
            "returns the network of an architecture. To have the model back, call supernet.unbind(), or unbind() of "
            "the trainer or mutator that made the supernet.",
            path=self.path,
        )

    def active_tensor(self, name: str) -> Tensor:
        """Return the tensor of the supernet that a tensor of the base model has on the active path.

        Args:
            name: The name of the tensor within the module that this operator replaces.
        """
        head, _, rest = name.partition(".")
        return active_tensor(self._modules[head], rest)  # type: ignore[arg-type]  # the base model has a tensor inside

    def check(self) -> None:
        """Check that every combination of values can be computed.

        Raises:
            SupernetError: A combination cannot.
        """


def active_tensor(module: nn.Module, name: str) -> Tensor:
    """Return the tensor of a supernet that a tensor of the base model has on the active path.

    Args:
        module: The supernet, or a part of it.
        name: The name of the tensor in the same part of the base model.
    """
    if isinstance(module, Operator):
        return module.active_tensor(name)
    head, _, rest = name.partition(".")
    if rest:
        return active_tensor(module._modules[head], rest)  # type: ignore[arg-type]  # the base model has a tensor inside
    tensor: Tensor = getattr(module, head)
    return tensor


def weighted_sum(
    weights: Sequence[Tensor],
    outputs: Sequence[Any],
    path: str,
    decisions: Sequence[Decision] = (),
    *,
    to_make_equal: str = _TO_MAKE_EQUAL,
) -> Any:
    """Return the weighted sum of the outputs of several candidates.

    Args:
        weights: One number for each output.
        outputs: Tensors, or tuples, lists or dicts of tensors, all of one form; None where it is None everywhere.
        path: The path of the operator, for messages.
        decisions: The decisions of the operator, for messages.
        to_make_equal: Advice against different shapes, for messages.

    Raises:
        SupernetError: The outputs have different forms or shapes.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, eq. 2; no deviation.
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        return _weighted_tensors(weights, outputs, path, decisions, to_make_equal)
    if all(output is None for output in outputs):
        return None
    if isinstance(first, (tuple, list)) and all(type(o) is type(first) and len(o) == len(first) for o in outputs):
        columns = zip(*outputs, strict=True)
        parts = [weighted_sum(weights, part, path, decisions, to_make_equal=to_make_equal) for part in columns]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if isinstance(first, dict) and all(isinstance(o, dict) and o.keys() == first.keys() for o in outputs):
        by_key = {key: [output[key] for output in outputs] for key in first}
        return {
            key: weighted_sum(weights, part, path, decisions, to_make_equal=to_make_equal)
            for key, part in by_key.items()
        }
    raise _no_sum(outputs, path, decisions)


def labelled(decisions: Sequence[Decision]) -> str:
    """Return the labels of decisions in brackets, for messages; nothing where there are none."""
    labels = ", ".join(repr(decision.label) for decision in decisions)
    return f" (label{'s' if len(decisions) > 1 else ''} {labels})" if labels else ""


def _weighted_tensors(
    weights: Sequence[Tensor], outputs: Sequence[Any], path: str, decisions: Sequence[Decision], to_make_equal: str
) -> Tensor:
    shape = outputs[0].shape
    if any(not isinstance(output, Tensor) for output in outputs):
        raise _no_sum(outputs, path, decisions)
    if any(output.shape != shape for output in outputs):
        shapes = ", ".join(sorted({str(tuple(output.shape)) for output in outputs}))
        raise SupernetError(
            f"The candidates of {path!r}{labelled(decisions)} return tensors of different shapes ({shapes}), which "
            f"have no weighted sum. {to_make_equal}, or use a strategy that samples single paths (RandomOneShot, "
            "ENAS).",
            path=path,
        )
    total: Tensor = weights[0] * outputs[0]
    for weight, output in zip(weights[1:], outputs[1:], strict=True):
        total = total + weight * output
    return total


def _no_sum(outputs: Sequence[Any], path: str, decisions: Sequence[Decision]) -> SupernetError:
    kinds = ", ".join(sorted({type(output).__name__ for output in outputs}))
    return SupernetError(
        f"The candidates of {path!r}{labelled(decisions)} return {kinds}, which have no weighted sum. Expected tensors "
        "of one shape, or tuples, lists or dicts of them. Use a strategy that samples single paths (RandomOneShot, "
        "ENAS).",
        path=path,
    )
