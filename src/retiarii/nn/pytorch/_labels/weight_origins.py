"""Where the modules of a fixed model have their weights in the base model.

If the weights of a child were further inside in the base model, its parent has a dict of paths in ``__dict__``: plain
strings that are copied and pickled with the module. Modules without such a dict have their children where the base
model has them, so a model that was never fixed needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

# The name of the dict: from the name of a child to names on the way from there to the module in the base model; under
# the empty name, those of a model as a whole, which has no parent.
BASE_NAMES = "_base_names"
_WHOLE = ""
# The name of a second dict, of modules whose parts have weights of their own in a supernet, which the base model has
# no names for: from the beginning of names in the base model to that of names in a supernet, both within the module.
SUPERNET_NAMES = "_supernet_names"


def note_origin(parent: nn.Module, name: str, inner: tuple[str, ...]) -> None:
    """Note that the child ``name`` of a module that is fixed was further inside in the base model."""
    if not inner and BASE_NAMES not in vars(parent):
        return
    names = vars(parent).setdefault(BASE_NAMES, {})
    if inner:
        names[name] = inner
    else:
        names.pop(name, None)
    if not names:
        del vars(parent)[BASE_NAMES]


def note_whole(model: nn.Module, inner: tuple[str, ...]) -> None:
    """Note the path for a whole model, which has no parent."""
    note_origin(model, _WHOLE, inner)


def note_supernet_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """Note where parts of a fixed module have weights of their own in a supernet; see `SUPERNET_NAMES`."""
    if names:
        vars(module)[SUPERNET_NAMES] = dict(names)


def noted_origin(parent: nn.Module, name: str) -> tuple[str, ...]:
    """Return the path that `note_origin` noted, or an empty one."""
    noted: tuple[str, ...] = vars(parent).get(BASE_NAMES, {}).get(name, ())
    return noted


def copy_origins(old: nn.Module, new: nn.Module) -> None:
    """Take over the notes of a fixed model to another one in which modules have the same names."""
    modules = dict(new.named_modules(remove_duplicate=False))
    for name, module in old.named_modules(remove_duplicate=False):
        noted = vars(module).get(BASE_NAMES)
        if noted and name in modules:
            for child, inner in noted.items():
                note_origin(modules[name], child, inner)
        if SUPERNET_NAMES in vars(module) and name in modules:
            note_supernet_names(modules[name], vars(module)[SUPERNET_NAMES])


def tensor_origins(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of all tensors of a frozen model's state dict, and their names in that of the base model."""
    for module, name, origin in _modules(model, "", _joined("", noted_origin(model, _WHOLE))):
        for tensor, value in (*module._parameters.items(), *module._buffers.items()):
            if value is not None and tensor not in module._non_persistent_buffers_set:
                yield name + tensor, origin + tensor


def supernet_names(model: nn.Module) -> dict[str, str]:
    """Return where a supernet has weights of its own: from the beginning of names in the base model to that there."""
    return {
        origin + base: origin + own
        for module, _, origin in _modules(model, "", _joined("", noted_origin(model, _WHOLE)))
        for base, own in vars(module).get(SUPERNET_NAMES, {}).items()
    }


def _modules(module: nn.Module, name: str, origin: str) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield all modules, with the beginning of the names of their tensors here and in the base model."""
    yield module, name, origin
    for child, submodule in module._modules.items():
        if submodule is not None:
            inner = _joined(f"{origin}{child}.", noted_origin(module, child) or noted_origin(submodule, _WHOLE))
            yield from _modules(submodule, f"{name}{child}.", inner)


def module_origins(old: nn.Module, new: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield the modules of a base model that fixed modules have their weights from, each with that fixed module.

    Args:
        old: The base model, or a part of it.
        new: What was made of it.
    """
    start = _inside(old, noted_origin(new, _WHOLE))
    if start is not None:
        yield from _module_origins(start, new)


def _module_origins(old: nn.Module, new: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    yield old, new
    for name, child in new._modules.items():
        part = _inside(old, (name, *noted_origin(new, name)))
        if child is not None and part is not None:
            yield from _module_origins(part, child)


def _inside(module: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """Return the module on the way along ``names``; None where there is none."""
    for name in names:
        child = module._modules.get(name)
        if child is None:
            return None
        module = child
    return module


def _joined(prefix: str, names: tuple[str, ...]) -> str:
    return prefix + "".join(f"{name}." for name in names)
