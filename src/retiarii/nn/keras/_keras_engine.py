"""`KerasEngine`: builds the Keras model of an architecture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from retiarii.errors import ConfigError, FreezeError
from retiarii.nn.keras._blueprints import Blueprint
from retiarii.nn.keras._fixed_networks import build_network, numbered_space, require_blueprint
from retiarii.nn.keras.installed import keras
from retiarii.space import Architecture, Cost, Engine, SearchSpace

_REMEMBERED = 10_000  # architectures whose costs are not computed again
_FORKABLE = ("numpy", "torch")  # JAX and TensorFlow run threads; a forked process lacks them and waits for them forever


class KerasEngine(Engine):
    """Builds the models of a blueprint.

    Args:
        model: The blueprint; it is not changed.
        input_shape: The shape of a batch of input. If given, each network is built for this shape immediately.
    """

    def __init__(self, model: Blueprint, input_shape: Sequence[int] | None = None) -> None:
        self._model = require_blueprint(model, "KerasEngine")
        self._input_shape = None if input_shape is None else tuple(input_shape)
        self._space, self._first = numbered_space(model)

    @property
    def space(self) -> SearchSpace:
        """The choices in the model."""
        return self._space

    @property
    def start_method(self) -> str | None:
        """``"spawn"`` for backends that do not work in a forked process."""
        return None if keras.backend.backend() in _FORKABLE else "spawn"

    def build(self, architecture: Architecture) -> Any:
        """Return a plain Keras model; see `retiarii.nn.keras.freeze`.

        Raises:
            FreezeError: The network does not take an input of the shape that was given.
        """
        network = build_network(self._model, self._space, self._first, architecture, strict=False)
        if self._input_shape is not None:
            _build_for(network, self._input_shape)
        return network

    @property
    def costs(self) -> Mapping[str, Cost]:
        """``"params"``: the number of the network's parameters, trainable or not."""

        @lru_cache(_REMEMBERED)
        def params(architecture: Architecture) -> float:
            return self.measure(self.build(architecture), ["params"])["params"]

        return {"params": params}

    def measure(self, built: Any, names: Collection[str]) -> dict[str, float]:
        """Return the cost ``"params"`` of a network, if it is asked for.

        Raises:
            ConfigError: The network does not know the shape of its input yet.
        """
        if "params" not in names:
            return {}
        if not built.built:
            raise ConfigError(
                "The parameters of a Keras model depend on its input, which is not known: begin the model with "
                "retiarii.nn.keras.Input(shape), or give the shape of a batch, for example config.dummy_input = "
                "[1, 28, 28, 1]."
            )
        return {"params": float(built.count_params())}


def _build_for(network: Any, shape: tuple[int, ...]) -> None:
    try:
        network(keras.Input(batch_shape=shape))
    except Exception as error:
        raise FreezeError(
            f"The network does not take an input of the shape {list(shape)} (config.dummy_input): "
            f"{type(error).__name__}: {error}"
        ) from error
