"""How modules were built: the recorded constructor calls of layers, basic units and models.

`module_call` returns the `ModuleCall` of a recorded module. Graphs show recorded modules as nodes with their arguments,
and supernets build layers for other arguments. `build_fixed` builds a part of a model with the values of an
architecture.
"""

from retiarii.nn.pytorch._freezing.building import build_fixed
from retiarii.nn.pytorch._recording.layer_factories import layer_class
from retiarii.nn.pytorch._recording.module_call import ModuleCall, Role, forget_call, module_call
from retiarii.nn.pytorch._recording.snapshot import TORCH_STATE

__all__ = ["TORCH_STATE", "ModuleCall", "Role", "build_fixed", "forget_call", "layer_class", "module_call"]
