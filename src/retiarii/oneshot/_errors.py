"""What goes wrong with supernets."""

from __future__ import annotations

from retiarii.errors import RetiariiError


class SupernetError(RetiariiError):
    """A model cannot be made into a supernet, or a supernet cannot do what was asked.

    Attributes:
        path: The module in question, as in ``model.get_submodule(path)``; empty where no single one is.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
