"""Graphs as JSON and as hashes."""
