"""Objects by the text ``"module:attribute"``: loaded when they are used, or asked about without loading anything.

Rooms without torch get at the adapters for it in this way, so that what needs no torch does not import it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def load(path: str) -> Any:
    """Import a module and return one of its attributes.

    Args:
        path: ``"module:attribute"``.
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def is_a(value: object, path: str) -> bool:
    """Return whether a value is an instance of a class; a class whose module was never imported has none.

    Args:
        value: Any object.
        path: The class, as ``"module:attribute"``.
    """
    module, _, name = path.partition(":")
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
