"""The template: the process from which trials are forked, the executor that owns it, and the loop inside it."""
