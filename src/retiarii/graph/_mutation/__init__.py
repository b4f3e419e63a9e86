"""Mutators, and the search space that a model and its mutators span."""
