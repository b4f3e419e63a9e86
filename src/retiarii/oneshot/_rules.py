"""The rule table: which operator of a supernet stands in for which type of module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import nn

from retiarii.nn.pytorch import Cell, InputChoice, LayerChoice, Repeat
from retiarii.nn.pytorch._recording import module_call
from retiarii.oneshot._cell import CellOperator
from retiarii.oneshot._choice_operator import ChoiceOperator
from retiarii.oneshot._configurations import Configurations
from retiarii.oneshot._input_choice import InputChoiceOperator
from retiarii.oneshot._layer_choice import LayerChoiceOperator
from retiarii.oneshot._lookup import Lookup
from retiarii.oneshot._repeat import RepeatOperator
from retiarii.oneshot._separate_layers import SeparateLayers
from retiarii.oneshot._slice_rule import SliceRule
from retiarii.oneshot._slice_rules import SLICE_RULES
from retiarii.oneshot._sliced_layer import SlicedLayer

Convert: TypeAlias = Callable[[nn.Module, str], nn.Module]
Rule: TypeAlias = "Callable[[nn.Module, str, Lookup, Convert], nn.Module]"


def choice_rule(operator: Callable[[str, Any, Lookup], ChoiceOperator]) -> Rule:
    """Return the rule that puts an operator in the place of a primitive.

    Args:
        operator: A subclass of `ChoiceOperator`, or something that makes one.
    """

    def rule(module: nn.Module, path: str, lookup: Lookup, convert: Convert) -> nn.Module:
        for name, child in list(module.named_children()):
            module._modules[name] = convert(child, f"{path}.{name}" if path else name)
        return operator(path, module, lookup)

    return rule


def slice_rule(rule_of_sizes: SliceRule) -> Rule:
    """Return the rule by which layers of one type and of different sizes share weights.

    Args:
        rule_of_sizes: How they share them.
    """

    def rule(module: nn.Module, path: str, lookup: Lookup, convert: Convert) -> nn.Module:
        call = module_call(module)
        assert call is not None  # only recorded modules have choices in their arguments
        return SlicedLayer(path, Configurations(call, lookup, path), rule_of_sizes, module)

    return rule


def separate_rule(module: nn.Module, path: str, lookup: Lookup, convert: Convert) -> nn.Module:
    """Give each configuration of a module its own weights: the rule for types of which nothing is known."""
    call = module_call(module)
    assert call is not None  # only recorded modules have choices in their arguments
    return SeparateLayers(path, Configurations(call, lookup, path), call, module, convert)


DEFAULT_RULES: Mapping[type[nn.Module], Rule] = {
    LayerChoice: choice_rule(LayerChoiceOperator),
    InputChoice: choice_rule(InputChoiceOperator),
    Repeat: choice_rule(RepeatOperator),
    Cell: choice_rule(CellOperator),
    **{layer: slice_rule(rule) for layer, rule in SLICE_RULES.items()},
}
"""The rules that `build_supernet` uses. To add one: ``{**DEFAULT_RULES, MyLayer: slice_rule(SliceRule(...))}``.

A module that is a primitive, or has choices in its arguments, is replaced by the rule of its class or of its nearest base
class. Without one, primitives can be sampled (`ChoiceOperator`), layers without weights are built for each configuration, and
other modules get separate weights (`separate_rule`).
"""

PRIMITIVE_RULE: Rule = choice_rule(ChoiceOperator)
WEIGHTLESS_RULE: Rule = slice_rule(SliceRule())
