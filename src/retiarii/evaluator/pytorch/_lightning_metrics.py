"""The metrics that the ready-made evaluators log."""

from __future__ import annotations

import torch
from torch import Tensor

from retiarii.errors import EvaluatorError
from retiarii.evaluator.pytorch._lightning_extra import torchmetrics


class MeanLoss(torchmetrics.Metric):
    """The mean of a loss over samples; NaN stays NaN."""

    full_state_update = False
    loss_sum: Tensor
    num_samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("loss_sum", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("num_samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, loss: Tensor, num_samples: int) -> None:
        """Add the mean loss of a batch."""
        self.loss_sum = self.loss_sum + loss.detach() * num_samples
        self.num_samples = self.num_samples + num_samples

    def compute(self) -> Tensor:
        """Return the mean over all samples."""
        return self.loss_sum / self.num_samples


class Accuracy(torchmetrics.Metric):
    """The share of correctly classified samples; the number of classes need not be given.

    Shapes: ``B`` batch, ``C`` classes, ``...`` positions (each counts as a sample).

    Args:
        num_classes: If given, the model's output is checked against it.
    """

    full_state_update = False
    correct: Tensor
    total: Tensor

    def __init__(self, num_classes: int | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("correct", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, output: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            output: Logits or probabilities ``[B, C, ...]``; or, for two classes, logits ``[B]`` or ``[B, 1, ...]``.
            target: Class indices ``[B, ...]``, or class probabilities in the shape of ``output``.

        Raises:
            EvaluatorError: The model's output has another number of classes than ``num_classes``.
        """
        is_binary = output.shape == target.shape and (output.ndim == 1 or output.shape[1] == 1)
        self._check_classes(2 if is_binary else output.shape[1], output)
        if is_binary:
            right = (output > 0) == (target > 0.5)
        else:
            right = output.argmax(dim=1) == (target.argmax(dim=1) if target.shape == output.shape else target)
        self.correct = self.correct + right.sum()
        self.total = self.total + right.numel()

    def compute(self) -> Tensor:
        """Return the share of correct samples."""
        return self.correct / self.total

    def _check_classes(self, found: int, output: Tensor) -> None:
        if self.num_classes is not None and found != self.num_classes:
            raise EvaluatorError(
                f"The model's output has the shape {list(output.shape)}, that is {found} classes, but "
                f"Classification(num_classes={self.num_classes}) expects {self.num_classes}. Correct one of them."
            )
