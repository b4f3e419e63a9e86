"""Late imports: attributes, modules and objects that are imported when they are first used.

Importing a package stays cheap this way, and code that needs no torch does not import it: rooms without torch reach
the adapters for it through `load` and `is_a`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any


def lazy_attributes(
    package: str, exports: Mapping[str, str], *, modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package whose names live in other modules.

    Args:
        package: The package's ``__name__``.
        exports: From a public name to the module that defines it.
        modules: Submodules that are attributes without an import of their own, as in ``import retiarii`` and then
            ``retiarii.strategy``.
    """

    def __getattr__(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")  # which makes it an attribute
        module = exports.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module), name)
        vars(importlib.import_module(package))[name] = value  # the next access finds it directly
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(importlib.import_module(package)), *exports, *modules})

    return __getattr__, __dir__


class LazyModule:
    """Stands for a module that is imported when one of its names is used.

    ::

        if TYPE_CHECKING:
            from retiarii import storage
        else:
            storage = LazyModule("retiarii.storage")

    Args:
        name: The module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


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
