"""Where the modules and tensors of a fixed model come from in its base model.

A fixed model remembers it: `tensor_origins` gives the names of its tensors in the base model, `module_origins` the
modules themselves, and `copy_origins` passes the notes on to another model with the same names.
"""

from retiarii.nn.pytorch._labels.weight_origins import copy_origins, module_origins, tensor_origins

__all__ = ["copy_origins", "module_origins", "tensor_origins"]
