"""From a model and an architecture to a plain PyTorch model."""
