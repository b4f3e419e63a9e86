"""The refusal of choices that a constructor calls, where they have no value yet."""

from __future__ import annotations

import sys
from types import FrameType

from retiarii._lazy import is_a
from retiarii.errors import ChoiceMisuseError
from retiarii.space import Expression


def refuse_in_constructor(choice: Expression) -> None:
    """Refuse a choice that the constructor of a module calls: its default would be built in, and nothing be chosen.

    Raises:
        ChoiceMisuseError: The code of a module that called is an ``__init__``.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if is_a(owner, "torch.nn:Module"):
            break
        frame = frame.f_back
    if frame is not None and frame.f_code.co_name == "__init__":
        raise ChoiceMisuseError(
            f"{choice!r} was called in the constructor of {type(owner).__qualname__}, where it has no value yet: the "
            "default would be built in, and the choice not be searched. Pass the choice itself to a layer of "
            "retiarii.nn.pytorch or a class marked with @basic_unit, or use ModelParameterChoice for a value that "
            "__init__ itself computes with. Calls are for forward."
        )
