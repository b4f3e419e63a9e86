"""Search spaces and architectures as plain data.

A `SearchSpace` is an ordered set of labelled choices: `Categorical`, `Subset`, `Integer`, `Float`. Each has a condition
under which it is active: `ALWAYS`, or `when` another label has some value, joined with `both` and `either`. An
`Architecture` gives each active label a value; it is immutable, JSON-able and has one stable `Architecture.key`. A
space counts, numbers, samples, validates, mutates and mixes architectures. `Expression` is arithmetic on values that
a `Variable` will have once an architecture is fixed. All randomness comes from generators made by `rng_for`.

This room knows neither torch nor models nor algorithms: `retiarii.nn.pytorch` extracts spaces from models and fixes
models to architectures, `retiarii.strategy` decides which architectures to try.
"""

from retiarii.space._architecture import Architecture
from retiarii.space._categorical import Categorical
from retiarii.space._choice import Choice
from retiarii.space._condition import ALWAYS, Condition, Test, both, either, when
from retiarii.space._execution_engine import Cost, Engine
from retiarii.space._expression import ChoiceMisuseWarning, Expression, Variable
from retiarii.space._label import AutomaticLabel
from retiarii.space._numeric import Float, Integer
from retiarii.space._plain_value import Value, identity, nearest, plain_value
from retiarii.space._seeds import rng_for
from retiarii.space._space import MAX_TRIES, Constraint, SearchSpace
from retiarii.space._subset import Subset
from retiarii.space._variable import ChoiceVariable

__all__ = [
    "ALWAYS",
    "MAX_TRIES",
    "Architecture",
    "AutomaticLabel",
    "Categorical",
    "Choice",
    "ChoiceMisuseWarning",
    "ChoiceVariable",
    "Condition",
    "Constraint",
    "Cost",
    "Engine",
    "Expression",
    "Float",
    "Integer",
    "SearchSpace",
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
    "when",
]
