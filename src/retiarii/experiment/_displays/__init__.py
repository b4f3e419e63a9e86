"""Displays of the progress of a search, on terminals, in notebooks and as lines."""
