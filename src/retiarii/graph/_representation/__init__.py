"""A model as graphs of nodes and edges."""
