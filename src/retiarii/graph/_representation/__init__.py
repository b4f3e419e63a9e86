"""Models, graphs, nodes and edges."""
