"""Ready-made search spaces of published papers."""
