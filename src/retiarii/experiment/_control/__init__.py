"""Callbacks, the stop signal and the clock of a running experiment."""
