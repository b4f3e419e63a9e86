"""`AutomaticLabel`: the numbered label of a choice that was declared without a label."""

from __future__ import annotations

from typing import Any


class AutomaticLabel(str):
    """A numbered label that records which numbering it comes from.

    Attributes:
        origin: An id of the numbering: two outermost namespaces have different ones.
        number: The creation number, for a label made outside of any namespace, whose text is provisional; else None.
        key: The key of the namespace.
        rest: The text after the number, for example ``/op_2_0`` inside a cell.
    """

    __slots__ = ("key", "number", "origin", "rest")

    origin: int
    number: int | None
    key: str
    rest: str

    def __new__(
        cls, text: str, *, origin: int, number: int | None = None, key: str = "model", rest: str = ""
    ) -> AutomaticLabel:
        label = super().__new__(cls, text)
        label.origin, label.number, label.key, label.rest = origin, number, key, rest
        return label

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (str(self),), {"origin": self.origin, "number": self.number, "key": self.key, "rest": self.rest}

    def __reduce_ex__(self, protocol: Any) -> Any:
        args, options = self.__getnewargs_ex__()
        return _restore_label, (*args, options)

    def relative_to(self, first: int) -> str:
        """Return the final text in a model whose first choice has the creation number ``first``."""
        return str(self) if self.number is None else f"{self.key}_{self.number - first + 1}{self.rest}"


def _restore_label(text: str, options: dict[str, Any]) -> AutomaticLabel:
    return AutomaticLabel(text, **options)
