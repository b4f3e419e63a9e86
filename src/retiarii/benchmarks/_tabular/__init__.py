"""Benchmarks as something to search: spaces with known results, their evaluators and the simulated clock."""
