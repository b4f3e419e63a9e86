"""`NniFinder`: the import hook for modules called ``nni...``, and the functions that install it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from retiarii.compat._nni_names import ROOT, attribute, is_module, names_of, no_equivalent, submodules_of
from retiarii.errors import ConfigError, NoEquivalentError

OVER_NNI_VARIABLE = "RETIARII_OVER_NNI"


class NniFinder(MetaPathFinder, Loader):
    """Finds modules of NNI in the table of names.

    Every module is a package, so that ``from nni.x import y`` asks here about a ``y`` that is not there.

    Args:
        installed_by: The function that installs it, as ``"module:function"``, for processes that should find the same
            modules; see `retiarii.execution.finders_here`.
    """

    def __init__(self, installed_by: str) -> None:
        self.installed_by = installed_by

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to make a module of NNI; None for other modules.

        Raises:
            NoEquivalentError: It is a module, or a name, of NNI that has no row in the table.
        """
        if fullname.partition(".")[0] != ROOT:
            return None
        if is_module(fullname):
            return ModuleSpec(fullname, self, origin="retiarii.compat", is_package=True)
        raise NoEquivalentError(no_equivalent(fullname))

    def exec_module(self, module: ModuleType) -> None:
        """Give a module its names, each of which is loaded when it is used."""
        vars(module)["__getattr__"] = functools.partial(_attribute_of, module)
        vars(module)["__dir__"] = functools.partial(_names_in, module.__name__)


def _attribute_of(module: ModuleType, name: str) -> Any:
    if name == "__all__":
        return [name for name in names_of(module.__name__) if not name.startswith("_")]
    if name in submodules_of(module.__name__):
        return importlib.import_module(f"{module.__name__}.{name}")
    try:
        found = attribute(module.__name__, name)
    except KeyError:
        text = f"module {module.__name__!r} has no attribute {name!r}"
        hint = "" if name.startswith("__") else f". {no_equivalent(f'{module.__name__}.{name}')}"
        raise AttributeError(f"{text}{hint}") from None
    vars(module)[name] = found  # the next access finds it directly
    return found


def _names_in(module: str) -> list[str]:
    return sorted({*names_of(module), *submodules_of(module)})


def install() -> None:
    """Let ``import nni`` find the names of this package, unless NNI is installed; may be called again.

    Where NNI is installed, a warning says so, and it is what ``import nni`` means. The environment variable
    ``RETIARII_OVER_NNI=1`` puts this package before it.

    Raises:
        ConfigError: The variable is set, and a module of the installed NNI was imported before.
    """
    if _installed():
        return
    if os.environ.get(OVER_NNI_VARIABLE, "0") not in ("", "0"):
        install_over_nni()
        return
    found = sys.modules.get(ROOT) or importlib.util.find_spec(ROOT)
    if found is None or _place(found) is None:
        sys.meta_path.insert(0, NniFinder("retiarii.compat:install"))
        return
    warnings.warn(
        f"NNI is installed ({_place(found)}), and it is what 'import nni' means. Set {OVER_NNI_VARIABLE}=1, or use "
        "'retiarii run --over-nni', to let these imports mean retiarii.",
        stacklevel=2,
    )


def install_over_nni() -> None:
    """Let ``import nni`` find the names of this package, also where NNI is installed; may be called again.

    Raises:
        ConfigError: A module of the installed NNI was imported before.
    """
    if _installed():
        return
    foreign = sys.modules.get(ROOT)
    if foreign is not None and not isinstance(getattr(foreign.__spec__, "loader", None), NniFinder):
        raise ConfigError(
            f"NNI was imported already, from {_place(foreign)}, so its place cannot be taken any more. Import "
            "retiarii.compat before it."
        )
    sys.meta_path.insert(0, NniFinder("retiarii.compat:install_over_nni"))


def uninstall() -> None:
    """Let ``import nni`` mean what it did before; modules that were imported keep working."""
    for finder in _installed():
        sys.meta_path.remove(finder)
    ours = [name for name, module in sys.modules.items() if _is_ours(name, module)]
    for name in ours:
        del sys.modules[name]


def _installed() -> list[NniFinder]:
    return [finder for finder in sys.meta_path if isinstance(finder, NniFinder)]


def _is_ours(name: str, module: ModuleType) -> bool:
    is_named = name == ROOT or name.startswith(f"{ROOT}.")
    return is_named and isinstance(getattr(module.__spec__, "loader", None), NniFinder)


def _place(found: Any) -> str | None:
    """Return where a module, or the specification of one, comes from; None for a mere folder without code."""
    places = [getattr(found, "origin", None), getattr(found, "__file__", None)]
    return next((place for place in places if isinstance(place, str)), None)
