"""The one place that imports Keras, an optional dependency."""

from __future__ import annotations

from retiarii.errors import MissingExtraError

_BACKENDS = ("jax", "tensorflow", "torch", "openvino")

try:
    import keras
except ModuleNotFoundError as err:
    if err.name == "keras":
        raise MissingExtraError(
            "Keras is not installed. Install it, with JAX as its backend, with: pip install 'retiarii[keras]'"
        ) from err
    if err.name in _BACKENDS:
        raise MissingExtraError(
            f"Keras needs its backend {err.name}, which is not installed. Install it, or name another backend "
            "before Keras is imported: KERAS_BACKEND=jax (pip install 'retiarii[keras]' brings JAX)."
        ) from err
    raise  # installed but broken: its own message says more

__all__ = ["keras"]
