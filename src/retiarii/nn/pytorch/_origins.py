"""Where the modules of a frozen model have their weights in the base model; kept outside of the models."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from torch import nn

# Parent module -> name of its child -> names on the way from there to the module in the base model.
_inner_paths: WeakKeyDictionary[nn.Module, dict[str, tuple[str, ...]]] = WeakKeyDictionary()

# The same for models as a whole, which have no parent.
_roots: WeakKeyDictionary[nn.Module, tuple[str, ...]] = WeakKeyDictionary()


# While a model is being built, the same is an attribute of the parent, so that copies that a constructor makes have it.
_PENDING = "_retiarii_inner_paths"


def remember_origin(parent: nn.Module, name: str, inner: tuple[str, ...]) -> None:
    """Note that the child ``name`` of a frozen module was further inside in the base model."""
    if inner:
        _inner_paths.setdefault(parent, {})[name] = inner


def mark_origin(parent: nn.Module, name: str, inner: tuple[str, ...]) -> None:
    """Note the same of a module that is still being built; `settle_origins` ends that."""
    if inner:
        vars(parent).setdefault(_PENDING, {})[name] = inner
    else:
        vars(parent).get(_PENDING, {}).pop(name, None)


def marked_origin(parent: nn.Module, name: str) -> tuple[str, ...]:
    """Return what `mark_origin` noted."""
    marked: tuple[str, ...] = vars(parent).get(_PENDING, {}).get(name, ())
    return marked


def settle_origins(model: nn.Module) -> None:
    """Take the notes off the modules of a model that is complete."""
    for module in model.modules():
        for name, inner in vars(module).pop(_PENDING, {}).items():
            remember_origin(module, name, inner)


def remember_root(model: nn.Module, inner: tuple[str, ...] = ()) -> None:
    """Note that a model was frozen here."""
    _roots[model] = inner


def is_known(model: nn.Module) -> bool:
    """Return whether a model, or one of the modules in it, was frozen in this process."""
    return any(module in _roots for module in model.modules())


def tensor_origins(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of all tensors of a frozen model's state dict, and their names in that of the base model."""
    yield from _tensor_origins(model, "", _joined("", _roots.get(model, ())))


def _tensor_origins(module: nn.Module, name: str, origin: str) -> Iterator[tuple[str, str]]:
    for tensor, value in (*module._parameters.items(), *module._buffers.items()):
        if value is not None and tensor not in module._non_persistent_buffers_set:
            yield name + tensor, origin + tensor
    for child, submodule in module._modules.items():
        if submodule is not None:
            inner = _joined(f"{origin}{child}.", _inner_paths.get(module, {}).get(child, ()))
            yield from _tensor_origins(submodule, f"{name}{child}.", inner)


def module_origins(old: nn.Module, new: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield the modules of a base model that fixed modules have their weights from, each with that fixed module.

    Args:
        old: The base model, or a part of it.
        new: What was made of it.
    """
    start = _inside(old, _roots.get(new, ()))
    if start is not None:
        yield from _module_origins(start, new)


def _module_origins(old: nn.Module, new: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    yield old, new
    for name, child in new._modules.items():
        part = _inside(old, (name, *_inner_paths.get(new, {}).get(name, ())))
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
