"""`AutomaticLabel`: the numbered label of a choice that was declared without a label."""

from __future__ import annotations

from typing import Any


class AutomaticLabel(str):
    """A numbered label that records which numbering it comes from.

    Attributes:
        origin: An id of the numbering: two outermost namespaces have different ones.
        number: The creation number, for a label made outside of any namespace, whose text is provisional; else None.
        key: What the text begins with: the key of the namespace.
        joint: The text between the key and the number.
        rest: The text after the number, for example ``/op_2_0`` inside a cell.
    """

    __slots__ = ("joint", "key", "number", "origin", "rest")

    origin: int
    number: int | None
    key: str
    joint: str
    rest: str

    def __new__(
        cls,
        text: str,
        *,
        origin: int,
        number: int | None = None,
        key: str = "model",
        joint: str = "_",
        rest: str = "",
    ) -> AutomaticLabel:
        label = super().__new__(cls, text)
        label.origin, label.number, label.key, label.joint, label.rest = origin, number, key, joint, rest
        return label

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        names = ("origin", "number", "key", "joint", "rest")
        return (str(self),), {name: getattr(self, name) for name in names}

    def __reduce_ex__(self, protocol: Any) -> Any:
        args, options = self.__getnewargs_ex__()
        return _restore_label, (*args, options)

    def relative_to(self, first: int) -> str:
        """Return the final text in a model whose first choice has the creation number ``first``."""
        return str(self) if self.number is None else f"{self.key}{self.joint}{self.number - first + 1}{self.rest}"


def _restore_label(text: str, options: dict[str, Any]) -> AutomaticLabel:
    return AutomaticLabel(text, **options)
