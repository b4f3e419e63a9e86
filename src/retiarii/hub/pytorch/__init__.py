"""Ready-made search spaces for PyTorch: models with the choices of published papers."""

__all__: list[str] = []
