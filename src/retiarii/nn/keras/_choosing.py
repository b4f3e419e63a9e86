"""`LayerChoice`, `InputChoice` and `Repeat`: choose a layer, some inputs, a number of blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from retiarii.errors import DomainError
from retiarii.nn._labels.conditions import condition_where
from retiarii.nn._values.block_depth import block_depth, depth_extremes, needs_index
from retiarii.nn._values.value_choice import new_label
from retiarii.nn.keras._blueprints import Blueprint, BlueprintBuilder, BlueprintWalk
from retiarii.nn.keras._keras_layers import adopted, placed
from retiarii.nn.keras._picked_inputs import REDUCTIONS, PickedInputs, Reduction
from retiarii.nn.keras.installed import keras
from retiarii.space import Categorical, Choice, Expression, Subset, Test, Value


def LayerChoice(
    candidates: Sequence[Any] | Mapping[str, Any], prior: Sequence[float] | None = None, label: str | None = None
) -> Any:
    """Choose one of several layers.

    Candidates may contain choices, also other layer choices, to any depth; these are decided only if their candidate is
    chosen. Where the code of a model runs, this returns the chosen layer.

    Args:
        candidates: Layers in a list, or by name in a dict. Architectures know the candidates by name, or by index in a
            list.
        prior: The probability of each candidate in random sampling; uniform if None.
        label: The name of the decision. Choices of one label choose the same.

    Raises:
        DomainError: There is no candidate, a candidate occurs twice or is not a layer, or a name or the prior is
            impossible.

    Examples:
        >>> knn.LayerChoice({"conv": knn.Conv2D(8, 3, padding="same"), "skip": knn.Identity()}, label="op")
    """
    label = new_label(label)
    if isinstance(candidates, Mapping):
        named: dict[Any, Any] = dict(candidates)
    elif isinstance(candidates, (list, tuple)):
        named = dict(enumerate(candidates))
    else:
        raise DomainError(
            f"LayerChoice {label!r} got candidates of type {type(candidates).__name__}, expected a list or a dict of "
            "layers."
        )
    _check_candidates(named, label)
    return placed(LayerChoiceBlueprint(_categorical(label, tuple(named), prior), list(adopted(named).values())))


def _check_candidates(candidates: Mapping[Any, Any], label: str) -> None:
    names: dict[int, Any] = {}
    for name, candidate in candidates.items():
        if not _is_layer(candidate):
            raise DomainError(
                f"LayerChoice {label!r} has the candidate {name!r}: {candidate!r}, expected a layer of "
                "retiarii.nn.keras or of Keras."
            )
        if id(candidate) in names:
            raise DomainError(
                f"LayerChoice {label!r} has one layer as two candidates, {names[id(candidate)]!r} and {name!r}. "
                "Build it twice."
            )
        names[id(candidate)] = name


def _categorical(label: str, values: tuple[Any, ...], prior: Sequence[float] | None) -> Categorical:
    return Categorical(label, values=values, prior=None if prior is None else tuple(prior), by_index=True)


def _is_layer(value: Any) -> bool:
    return isinstance(value, (Blueprint, keras.Layer))


class LayerChoiceBlueprint(Blueprint):
    """The blueprint of one of several layers.

    Args:
        choice: The choice.
        candidates: The layers, in the order of its values.
    """

    def __init__(self, choice: Categorical, candidates: list[Any]) -> None:
        self._choice, self._candidates = choice, candidates

    @property
    def name(self) -> str:
        """The primitive, with its label."""
        return f"LayerChoice {self._choice.label!r}"

    @property
    def parts(self) -> tuple[Blueprint, ...]:
        """The candidates with choices."""
        return tuple(each for each in self._candidates if isinstance(each, Blueprint))

    def declare(self, walk: BlueprintWalk) -> None:
        """Report the choice, and the choices in each candidate with the condition that the candidate is chosen."""
        walk.choice(self._choice)
        for value, candidate in zip(self._choice.values, self._candidates, strict=True):
            with walk.under(frozenset({frozenset({Test(self._choice.label, frozenset({value}))})})):
                walk.argument(candidate, str(value))

    def build(self, assembly: BlueprintBuilder) -> Any:
        """Return the chosen candidate; the others are not built."""
        chosen = self._candidates[self._choice.index_of(assembly.value(self._choice))]
        return assembly.arguments((chosen,), {})[0][0]


def InputChoice(
    n_candidates: int | None = None,
    n_chosen: int | None = 1,
    reduction: Reduction = "sum",
    *,
    prior: Sequence[float] | None = None,
    label: str | None = None,
    choose_from: Sequence[str] | None = None,
) -> Any:
    """Choose some of several tensors, and reduce them to one.

    Where the code of a model runs, this returns a `PickedInputs`, a layer that is called with a list, or with a dict
    that has the names of ``choose_from``.

    Args:
        n_candidates: How many tensors there are to choose from.
        n_chosen: How many are chosen; None for any number, including 0, for which the result is None.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along the channels), or ``"none"`` for a list of the chosen.
        prior: With ``n_chosen=1``: the probability of each input in random sampling; uniform if None.
        label: The name of the decision. Choices of one label choose the same.
        choose_from: The names of the inputs. Architectures then know the inputs by name; otherwise by index.

    Raises:
        DomainError: The numbers, names, prior or reduction do not fit together.

    Examples:
        >>> x = knn.InputChoice(2, label="skip")([x, knn.Conv2D(8, 3, padding="same")(x)])
    """
    label = new_label(label)
    where = f"InputChoice {label!r}"
    if reduction not in REDUCTIONS:
        raise DomainError(f"{where} has reduction={reduction!r}, expected one of {', '.join(REDUCTIONS)}.")
    values: tuple[Value, ...] = tuple(range(n_candidates or 0)) if choose_from is None else tuple(choose_from)
    if not values or n_candidates not in (None, len(values)):
        raise DomainError(
            f"{where} has n_candidates={n_candidates!r} and choose_from={choose_from!r}, expected the number of its "
            "inputs, or their names."
        )
    if prior is not None and n_chosen != 1:
        raise DomainError(f"{where} has a prior and n_chosen={n_chosen!r}: only n_chosen=1 has one.")
    return placed(InputChoiceBlueprint(_choice_of_inputs(label, values, n_chosen, prior), reduction, choose_from))


def _choice_of_inputs(
    label: str, values: tuple[Value, ...], n_chosen: int | None, prior: Sequence[float] | None
) -> Choice:
    if n_chosen == 1:
        return _categorical(label, values, prior)
    low, high = (0, len(values)) if n_chosen is None else (n_chosen, n_chosen)
    return Subset(label, values=values, min_chosen=low, max_chosen=high)


class InputChoiceBlueprint(Blueprint):
    """The blueprint of the layer that picks some inputs.

    Args:
        choice: The choice.
        reduction: How the chosen inputs become one tensor.
        names: The names of all inputs, if they have names.
    """

    def __init__(self, choice: Choice, reduction: Reduction, names: Sequence[str] | None) -> None:
        self._choice, self._reduction, self._names = choice, reduction, names

    @property
    def name(self) -> str:
        """The primitive, with its label."""
        return f"InputChoice {self._choice.label!r}"

    @property
    def parts(self) -> tuple[Blueprint, ...]:
        """There are none."""
        return ()

    def declare(self, walk: BlueprintWalk) -> None:
        """Report the choice."""
        walk.choice(self._choice)

    def build(self, assembly: BlueprintBuilder) -> Any:
        """Return the layer that picks the chosen inputs."""
        value = assembly.value(self._choice)
        chosen = list(value) if isinstance(value, tuple) else [value]
        return PickedInputs(chosen, self._reduction, self._names)


def Repeat(blocks: Any, depth: int | tuple[int, int] | Expression, *, label: str | None = None) -> Any:
    """Repeat a block; the number of repetitions is a choice.

    Where the code of a model runs, this returns a ``keras.Sequential`` of that many blocks, or
    ``keras.layers.Identity`` for 0 blocks. A choice in block 3 is decided only if the depth is more than 3.

    Args:
        blocks: A layer, which is copied (its choices have the same labels in all blocks, so they choose the same); a
            function or class that makes a block, called with the index of the block if it needs an argument; or a list
            of layers or functions, of which the first ones are used.
        depth: A number; ``(min, max)``, both included; or a `ValueChoice` or expression of integers. 0 is allowed.
        label: The name of the decision where ``depth`` is ``(min, max)``.

    Raises:
        DomainError: ``depth`` has another form, or there are fewer blocks than the largest depth.

    Examples:
        >>> knn.Repeat(lambda index: knn.Dense(8, activation="relu"), (1, 4), label="depth")
    """
    depth_choice = block_depth(depth, label)
    number = depth_extremes(depth_choice)[1]
    return placed(RepeatBlueprint(adopted(_make_blocks(blocks, number)), depth_choice))


def _make_blocks(blocks: Any, number: int) -> list[Any]:
    if isinstance(blocks, (list, tuple)):
        if len(blocks) < number:
            raise DomainError(f"Repeat got {len(blocks)} blocks, but may need {number}. Give more, or a smaller depth.")
        return [_make_block(block, index) for index, block in enumerate(blocks) if index < number]
    return [_make_block(blocks, index) for index in range(number)]


def _make_block(block: Any, index: int) -> Any:
    if not _is_layer(block) and callable(block):
        factory: Callable[..., Any] = block
        block = factory(index) if needs_index(factory) else factory()
    if not _is_layer(block):
        raise DomainError(f"Block {index} of Repeat is {block!r}, expected a layer or a function that returns one.")
    return block


class RepeatBlueprint(Blueprint):
    """The blueprint of a variable number of blocks.

    Args:
        blocks: As many blocks as the largest depth; a block that occurs several times is copied.
        depth: The number of blocks.
    """

    def __init__(self, blocks: list[Any], depth: int | Expression) -> None:
        self._blocks, self._depth = blocks, depth

    @property
    def name(self) -> str:
        """The primitive, with its depth."""
        return f"Repeat({self._depth!r})"

    @property
    def parts(self) -> tuple[Blueprint, ...]:
        """The blocks with choices."""
        return tuple(block for block in self._blocks if isinstance(block, Blueprint))

    def declare(self, walk: BlueprintWalk) -> None:
        """Report the depth, and the choices in each block with the condition that the depth includes the block."""
        walk.argument(self._depth, "depth")
        for index, block in enumerate(self._blocks):
            with walk.under(condition_where(self._depth, partial(operator.lt, index))):
                walk.argument(block, f"blocks.{index}")

    def build(self, assembly: BlueprintBuilder) -> Any:
        """Return the chosen number of blocks; the others are not built."""
        chosen = self._blocks[: assembly.evaluate(self._depth)]
        if not chosen:
            return keras.layers.Identity()
        seen: dict[int, int] = {}
        blocks = []
        for block in chosen:
            number = seen[id(block)] = seen.get(id(block), -1) + 1
            blocks.append(assembly.build_copy(block, number) if number else assembly.arguments((block,), {})[0][0])
        return keras.Sequential(blocks)
