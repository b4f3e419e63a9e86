"""Supernets: building one from a model, setting it, and taking a network out of it."""
