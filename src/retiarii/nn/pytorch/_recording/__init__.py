"""How modules were built, and the search space that follows from it."""
