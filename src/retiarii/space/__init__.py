"""Search spaces and architectures as plain data.

A `SearchSpace` is an ordered set of labelled choices: `Categorical`, `Subset`, `Integer`, `Float`. Each has a condition
under which it is active: `ALWAYS`, or `when` another label has a certain value, joined with `both` and `either`. An
`Architecture` maps each active label to a value; it is immutable, can be written as JSON and has a stable hash,
`Architecture.key`. A space counts, numbers, samples, validates, mutates and crosses architectures. An `Expression` is
arithmetic on `Variable` objects, whose values follow from an architecture. All randomness comes from generators made by
`rng_for`.

This room does not import torch and contains neither models nor search algorithms: `retiarii.nn.pytorch` extracts spaces
from models and fixes models to architectures, and `retiarii.strategy` proposes architectures.
"""

from retiarii.space._additive_cost import AdditiveCost, CostReport
from retiarii.space._architecture import Architecture
from retiarii.space._architecture_set import ArchitectureSet
from retiarii.space._categorical import Categorical
from retiarii.space._choice import Choice
from retiarii.space._condition import ALWAYS, Condition, Test, both, either, when
from retiarii.space._execution_engine import Cost, Engine, Searchable
from retiarii.space._expression import ChoiceMisuseWarning, Expression, Variable
from retiarii.space._label import AutomaticLabel
from retiarii.space._numeric import Float, Integer
from retiarii.space._part_tables import PartCosts
from retiarii.space._plain_value import Value, identity, nearest, plain_value
from retiarii.space._rounded import rounded_range
from retiarii.space._seeds import rng_for
from retiarii.space._space import MAX_TRIES, Constraint, SearchSpace
from retiarii.space._subset import Subset
from retiarii.space._variable import ChoiceVariable

__all__ = [
    "ALWAYS",
    "MAX_TRIES",
    "AdditiveCost",
    "Architecture",
    "ArchitectureSet",
    "AutomaticLabel",
    "Categorical",
    "Choice",
    "ChoiceMisuseWarning",
    "ChoiceVariable",
    "Condition",
    "Constraint",
    "Cost",
    "CostReport",
    "Engine",
    "Expression",
    "Float",
    "Integer",
    "PartCosts",
    "SearchSpace",
    "Searchable",
    "Subset",
    "Test",
    "Value",
    "Variable",
    "both",
    "either",
    "identity",
    "nearest",
    "plain_value",
    "rng_for",
    "rounded_range",
    "when",
]
