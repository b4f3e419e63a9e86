"""Spaces of cells: NAS-Bench-101, NAS-Bench-201, and the family of NASNet."""
