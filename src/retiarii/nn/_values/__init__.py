"""Values that are chosen, in models of any framework."""
