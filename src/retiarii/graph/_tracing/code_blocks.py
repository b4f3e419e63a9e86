"""`Surroundings`: the modes of PyTorch and the blocks of code in which an operation of ``forward`` happens."""

from __future__ import annotations

from types import CodeType
from typing import Any

import torch

from retiarii.graph._tracing.user_frames import enclosing_block, user_frames

_QUESTIONS: dict[str, Any] = {
    "the gradient mode": torch.is_grad_enabled,
    "the inference mode": torch.is_inference_mode_enabled,
    "autocast": lambda: (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
    "autocast on GPUs": lambda: (torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")),
    "the default dtype": torch.get_default_dtype,
}


class Surroundings:
    """Notices operations that a graph would take out of their surroundings.

    Args:
        root: The function that calls the traced model; frames outside of it do not count.
    """

    def __init__(self, root: CodeType) -> None:
        self._root = root
        self._modes = {name: ask() for name, ask in _QUESTIONS.items()}

    def problem(self) -> str | None:
        """Return why the operation that happens now cannot be in a graph; None if it can."""
        for name, ask in _QUESTIONS.items():
            if ask() != self._modes[name]:
                return f"forward changes {name} (torch.no_grad(), torch.autocast(), ...), which a graph does not hold."
        for frame in user_frames(self._root):
            block = enclosing_block(frame)
            if block == "except":
                return (
                    "forward computes in a try block with an except: whether something fails is known only when the "
                    "model runs."
                )
            if block == "with":
                return "forward computes in a with block, which a graph does not hold."
        return None
