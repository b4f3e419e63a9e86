"""The classic API for PyTorch: choices whose decisions a mutator makes, trainers, and retraining.

The modules are those of ``nni.nas.pytorch`` and ``nni.algorithms.nas.pytorch``, under the same names. A model has
choices from `mutables`: `LayerChoice`, `InputChoice`, `MutableScope`. A mutator (`mutator`, `random`) is bound to the
model and decides them: ``reset()`` draws an architecture, and ``export()`` returns the final one.
`fixed.apply_fixed_architecture` turns the model into that network, for retraining.

The choices are those of `retiarii.nn.pytorch`, so that ``extract_space``, ``freeze``, experiments, one-shot strategies
and graphs take the same model.
"""
