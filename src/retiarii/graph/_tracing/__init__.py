"""Graphs from PyTorch modules."""
