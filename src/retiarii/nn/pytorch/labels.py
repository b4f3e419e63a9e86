"""Labels: how automatic ones are numbered, and the values that an architecture gives to the choices of a model.

Inside a `ModelNamespace` automatic labels are numbered from 1; `numbering_from` numbers again from a recorded position.
The labels of a model without a namespace count from the first of its choices, whose creation number is `first_number`;
`ChosenValues` finds the value of a choice under either kind of label.
"""

from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.context_stack import ContextStack, get_current_context
from retiarii.nn._labels.namespace import ModelNamespace, Position, numbering_from
from retiarii.nn.pytorch._recording.survey import first_number

__all__ = [
    "ChosenValues",
    "ContextStack",
    "ModelNamespace",
    "Position",
    "first_number",
    "get_current_context",
    "numbering_from",
]
