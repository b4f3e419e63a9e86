"""A project of its own: classify drawings of lines."""
