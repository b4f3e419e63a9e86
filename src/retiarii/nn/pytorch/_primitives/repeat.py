"""`Repeat`: a variable number of blocks."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import nn

from retiarii.errors import DomainError
from retiarii.nn._labels.conditions import condition_where
from retiarii.nn._values.block_depth import block_depth, depth_extremes, needs_index
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey
from retiarii.space import Expression, Variable

BlockFactory = Callable[..., nn.Module]
Blocks = nn.Module | BlockFactory | list[nn.Module | BlockFactory]


class Repeat(Mutable):
    """Repeats a block a number of times that is chosen.

    The model that is not fixed runs the default depth. Once it is fixed, an ``nn.Sequential`` of as many blocks stands
    in the place of it. A choice in block 3 is decided only if the depth is more than 3.

    Args:
        blocks: A module, which is copied (its choices have the same labels in all blocks, so they choose the same); a
            function or class that makes a block, called with the index of the block if it needs an argument; or a list
            of modules or functions, of which the first ones are used.
        depth: A number; ``(min, max)``, both included; or a `ValueChoice` or expression of integers. 0 is allowed.
        label: The name of the decision where ``depth`` is ``(min, max)``.

    Attributes:
        blocks: All blocks, as many as the largest depth.
        depth_choice: The depth as an expression, or a number.

    Raises:
        DomainError: The depth is no such thing, or there are too few blocks.

    Examples:
        >>> self.blocks = nn.Repeat(lambda index: nn.Linear(8, 8), (1, 4), label="depth")
    """

    may_need_constructor = False

    def __init__(self, blocks: Blocks, depth: int | tuple[int, int] | Expression, *, label: str | None = None) -> None:
        super().__init__()
        self.depth_choice = block_depth(depth, label)
        self.min_depth, self.max_depth = depth_extremes(self.depth_choice)
        self.blocks = nn.ModuleList(_make_blocks(blocks, self.max_depth))

    @property
    def label(self) -> str | None:
        """The name of the decision, or None where the depth is a number or computed from several choices."""
        return self.depth_choice.label if isinstance(self.depth_choice, Variable) else None

    def declare_choices(self, survey: Survey) -> None:
        """Report the depth, and the choices of the blocks on condition that the depth reaches them."""
        survey.expression(self.depth_choice, "depth")
        for index in range(self.max_depth):
            condition = condition_where(self.depth_choice, partial(operator.lt, index))
            with survey.inside("blocks"), survey.under(condition):
                survey.child(self.blocks, str(index))

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the chosen number of blocks, fixed; the others are not looked at."""
        sequential = nn.Sequential()
        sequential.training = self.training
        for index in range(freezer.evaluate(self.depth_choice)):
            freezer.attach(sequential, str(index), freezer.child(self.blocks, str(index)))
        return Frozen(sequential, ("blocks",))

    def forward(self, x: Any) -> Any:
        """Run the default number of blocks."""
        depth = self.depth_choice.default() if isinstance(self.depth_choice, Expression) else self.depth_choice
        for block in list(self.blocks)[:depth]:
            x = block(x)
        return x

    def __getitem__(self, index: int) -> nn.Module:
        return self.blocks[index]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return self.max_depth

    def extra_repr(self) -> str:
        """Return the depth."""
        return f"depth={self.depth_choice!r}"


def _make_blocks(blocks: Any, number: int) -> list[nn.Module]:
    if isinstance(blocks, (list, tuple, nn.ModuleList)):
        if len(blocks) < number:
            raise DomainError(f"Repeat got {len(blocks)} blocks, but may need {number}. Give more, or a smaller depth.")
        return [_make_block(block, index) for index, block in enumerate(blocks) if index < number]
    if isinstance(blocks, nn.Module):
        return [blocks, *(copy.deepcopy(blocks) for _ in range(number - 1))]
    return [_make_block(blocks, index) for index in range(number)]


def _make_block(block: Any, index: int) -> nn.Module:
    if not isinstance(block, nn.Module) and callable(block):
        block = block(index) if needs_index(block) else block()
    if not isinstance(block, nn.Module):
        raise DomainError(f"Block {index} of Repeat is {block!r}, expected a module or a function that returns one.")
    return block
