"""What a primitive of your own is made of; `docs/extending/primitives.md` has a worked example.

A primitive is a subclass of `Mutable` with two methods: `Mutable.declare_choices` reports its choices to a `Survey`,
and `Mutable.freeze_by` returns the module that an architecture makes of it, with the help of a `Freezer`. It then works
with `extract_space`, `freeze`, `fixed_arch`, graphs, exported code, and supernets that compute single paths, as
`LayerChoice` does. `retiarii.testing.primitives` tests all of this.
"""

from retiarii.nn._labels.conditions import condition_where
from retiarii.nn._labels.namespace import class_label, sublabel
from retiarii.nn._values.value_choice import new_label
from retiarii.nn.pytorch._primitives.input_choice import reduce_inputs
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey

__all__ = [
    "Freezer",
    "Frozen",
    "Mutable",
    "Survey",
    "class_label",
    "condition_where",
    "new_label",
    "reduce_inputs",
    "sublabel",
]
