"""Modules from graphs, and checks that run a graph."""
