"""Cost of architectures: parameters, FLOPs, memory and latency."""

__all__: list[str] = []
