"""Frameworks in which models are written: `retiarii.nn.pytorch`."""
