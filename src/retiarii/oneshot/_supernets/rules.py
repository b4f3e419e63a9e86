"""The rule table: for each type of module, the rule that makes its operator in a supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from torch import nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import Cell, InputChoice, LayerChoice, NasBench101Cell, Repeat
from retiarii.nn.pytorch.constructor_calls import ModuleCall
from retiarii.oneshot._decisions.configurations import Configurations
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.cell_operator import CellOperator
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.primitive_operators import InputChoiceOperator, LayerChoiceOperator, RepeatOperator
from retiarii.oneshot._operators.separate_layers import SeparateLayers
from retiarii.oneshot._operators.slice_rule import SliceRule
from retiarii.oneshot._operators.sliced_layer import SlicedLayer
from retiarii.oneshot._operators.torch_slice_rules import SLICE_RULES


@dataclass(frozen=True)
class Site:
    """The place in a model where a rule puts an operator, with what the rule needs to make it.

    Attributes:
        path: The path of the module that is replaced, for messages.
        lookup: Finds the decisions of the supernet by the labels of declarations.
        convert: Replaces the choices inside another module by operators and returns the result, given the module and
            its path. A rule calls it for every module that its operator keeps.
        call: The recorded constructor call of the module that is replaced, with choices in its arguments; None for
            primitives.
    """

    path: str
    lookup: Lookup
    convert: Callable[[nn.Module, str], nn.Module]
    call: ModuleCall | None

    def configurations(self, positional: Sequence[str] = ()) -> Configurations:
        """Return the constructor arguments that the module can have.

        Args:
            positional: The names of positional arguments, if the signature hides them.

        Raises:
            SupernetError: The module is a primitive, so that its arguments are not recorded.
        """
        if self.call is None:
            raise SupernetError(
                f"{self.path!r} is a primitive, so its constructor arguments are not recorded. Use choice_rule and a "
                "ChoiceOperator, whose decisions are those that the primitive declares.",
                path=self.path,
            )
        return Configurations(self.call, self.lookup, self.path, positional)


Rule: TypeAlias = Callable[[Any, Site], nn.Module]
"""Returns the operator for a module at a `Site`. It may change the module, which is part of the later supernet.

It raises `SupernetError` with the path if the module cannot be part of a supernet.
"""


def choice_rule(operator: Callable[[str, Any, Lookup], ChoiceOperator]) -> Rule:
    """Return the rule that puts an operator in the place of a primitive.

    Choices inside the primitive become operators first.

    Args:
        operator: A subclass of `ChoiceOperator`, or a function that returns one, given the path, the primitive and the
            `Lookup`.
    """

    def rule(module: Any, site: Site) -> nn.Module:
        for name, child in list(module.named_children()):
            module._modules[name] = site.convert(child, f"{site.path}.{name}" if site.path else name)
        return operator(site.path, module, site.lookup)

    return rule


def cell_rule(module: Any, site: Site) -> nn.Module:
    """Put a `CellOperator` in the place of a cell."""
    return choice_rule(partial(CellOperator, convert=site.convert))(module, site)


def slice_rule(sizes: SliceRule) -> Rule:
    """Return the rule by which layers of one type and of different sizes share weights.

    Args:
        sizes: How the layers share weights.
    """

    def rule(module: Any, site: Site) -> nn.Module:
        _refuse_changed(module, site)
        return SlicedLayer(site.path, site.configurations(sizes.positional), sizes, module)

    return rule


def _refuse_changed(module: nn.Module, site: Site) -> None:
    """Refuse a layer that was changed after its construction: parametrised, given hooks or other attributes."""
    assert site.call is not None  # only recorded modules have choices in their arguments
    if type(module) is not site.call.cls or module._forward_hooks or module._forward_pre_hooks:
        raise SupernetError(
            f"{site.path!r} has choices in its arguments, but was parametrised or given hooks after its construction, "
            "which the layers of the supernet would not have. Do so after build_supernet, or use a LayerChoice.",
            path=site.path,
        )
    if site.call.snapshot is not None and site.call.snapshot.changed_structure(module):
        raise SupernetError(
            f"{site.path!r} has choices in its arguments, but attributes of it were set after its construction, which "
            "the supernet's layers, built from the arguments, would lack. Give them to the constructor.",
            path=site.path,
        )


def separate_rule(module: Any, site: Site) -> nn.Module:
    """Give each configuration of a module its own weights: the rule for types without a rule of their own."""
    assert site.call is not None  # only recorded modules have choices in their arguments
    return SeparateLayers(site.path, site.configurations(), site.call, module, site.convert)


def refused_graph(module: NasBench101Cell, site: Site) -> nn.Module:
    """Refuse a cell whose operations have shapes that depend on all of its decisions at once.

    Raises:
        SupernetError: Always.
    """
    raise SupernetError(
        f"{site.path or 'The model'} is the NasBench101Cell {module.label!r}, which one-shot strategies cannot train: "
        "the widths of its operations depend on the whole graph, so they share no weights. Use a multi-trial strategy, "
        "or a Cell or NasBench201Cell.",
        path=site.path,
    )


DEFAULT_RULES: Mapping[type[nn.Module], Rule] = {
    LayerChoice: choice_rule(LayerChoiceOperator),
    InputChoice: choice_rule(InputChoiceOperator),
    Repeat: choice_rule(RepeatOperator),
    Cell: cell_rule,
    NasBench101Cell: refused_graph,
    **{layer: slice_rule(rule) for layer, rule in SLICE_RULES.items()},
}
"""The rules that `build_supernet` uses. To add one: ``{**DEFAULT_RULES, MyLayer: slice_rule(SliceRule(...))}``.

A module that is a primitive, or has choices in its arguments, is replaced by the rule of its class or of its nearest
base class. Without one, primitives can be sampled (`ChoiceOperator`), layers without weights are built for each
configuration, and other modules get separate weights (`separate_rule`).
"""

PRIMITIVE_RULE: Rule = choice_rule(ChoiceOperator)
WEIGHTLESS_RULE: Rule = slice_rule(SliceRule())
