"""`StructuredMutableTreeNode`: the mutables of a model, nested as in the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import nn

from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, Mutable
from retiarii.errors import LabelConflictError
from retiarii.nn.pytorch import extract_space
from retiarii.nn.pytorch.labels import first_number
from retiarii.space import AutomaticLabel


class StructuredMutableTreeNode:
    """A mutable with the mutables inside it: those of a scope, or of the candidates of a layer choice.

    Iteration yields the mutables below, in the order of the model's modules, one for each key.

    Args:
        mutable: The mutable; None for the root.

    Attributes:
        children: The nodes of the mutables inside it.
    """

    def __init__(self, mutable: Mutable | None) -> None:
        self.mutable = mutable
        self.children: list[StructuredMutableTreeNode] = []

    def add_child(self, mutable: Mutable) -> StructuredMutableTreeNode:
        """Add a mutable and return its node."""
        self.children.append(StructuredMutableTreeNode(mutable))
        return self.children[-1]

    def type(self) -> type[Mutable] | type[None]:
        """Return the class of the mutable."""
        return type(self.mutable)

    def __iter__(self) -> Iterator[Mutable]:
        return self.traverse()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def traverse(
        self, order: Literal["pre", "post"] = "pre", deduplicate: bool = True, memo: set[str] | None = None
    ) -> Iterator[Mutable]:
        """Yield the mutables of this node and below.

        Args:
            order: Whether a mutable comes before or after those inside it.
            deduplicate: Whether to leave out all but the first of each key.
            memo: The keys that were yielded already.
        """
        known = set() if memo is None else memo
        own = [] if self.mutable is None or (deduplicate and self.mutable.key in known) else [self.mutable]
        known.update(mutable.key for mutable in own)
        if order == "pre":
            yield from own
        for child in self.children:
            yield from child.traverse(order, deduplicate, known)
        if order == "post":
            yield from own


def mutable_tree(model: nn.Module) -> StructuredMutableTreeNode:
    """Return the mutables of a model, and give them their names and final keys.

    Raises:
        LabelConflictError: One key stands for two different choices, or for a choice and a scope.
        TypeError: This is no model.
    """
    extract_space(model)  # finds conflicts between choices
    root = StructuredMutableTreeNode(None)
    _collect(model, root, "", set())
    _name_keys(list(root.traverse(deduplicate=False)), first_number(model))
    _refuse_shared_keys(root)
    return root


def _collect(module: nn.Module, node: StructuredMutableTreeNode, path: str, visited: set[nn.Module]) -> None:
    if module in visited:
        return
    visited.add(module)
    if isinstance(module, Mutable):
        node = node.add_child(module)
        module.name = path
    for name, child in module._modules.items():
        if child is not None:
            _collect(child, node, f"{path}.{name}" if path else name, visited)


def _name_keys(mutables: list[Mutable], first: int) -> None:
    """Make automatic keys final: choices are numbered as in the search space, other mutables among themselves."""
    others = [mutable._label for mutable in mutables if not _is_choice(mutable)]
    numbers = [label.number for label in others if isinstance(label, AutomaticLabel) and label.number is not None]
    first_other = min(numbers, default=1)
    for mutable in mutables:
        label = mutable._label
        if isinstance(label, AutomaticLabel):
            mutable._key = label.relative_to(first if _is_choice(mutable) else first_other)


def _is_choice(mutable: Mutable) -> bool:
    return isinstance(mutable, (LayerChoice, InputChoice))


def _refuse_shared_keys(root: StructuredMutableTreeNode) -> None:
    known: dict[str, Mutable] = {}
    for mutable in root.traverse(deduplicate=False):
        first = known.setdefault(mutable.key, mutable)
        if _is_choice(first) != _is_choice(mutable):
            raise LabelConflictError(
                f"The key {mutable.key!r} stands for a {type(first).__name__} at {first.name} and for a "
                f"{type(mutable).__name__} at {mutable.name}. Give one of them another key.",
                label=mutable.key,
                places=(first.name, mutable.name),
            )
