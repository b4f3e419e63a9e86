"""`BaseTrainer`: what every trainer of the classic API can do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

__all__ = ["BaseTrainer"]


class BaseTrainer(ABC):
    """Trains a model together with its mutator. `Trainer` implements most of it."""

    @abstractmethod
    def train(self) -> None:
        """Train the model and search the architecture."""

    @abstractmethod
    def validate(self) -> None:
        """Measure the model on the validation data."""

    @abstractmethod
    def export(self, file: str | os.PathLike[str]) -> None:
        """Write the final architecture to a JSON file, for `apply_fixed_architecture`."""

    @abstractmethod
    def checkpoint(self, file: str | os.PathLike[str]) -> None:
        """Write a file from which the training can go on."""
