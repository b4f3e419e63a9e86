"""`PickedInputs`: the layer that a fixed `InputChoice` becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from retiarii.nn.keras.installed import keras

Reduction = Literal["sum", "mean", "concat", "none"]
REDUCTIONS = ("sum", "mean", "concat", "none")


@keras.saving.register_keras_serializable(package="retiarii")
class PickedInputs(keras.Layer):  # type: ignore[misc] # Keras has no type hints
    """Picks some of its input tensors, and reduces them to one.

    Shapes: equal for ``sum`` and ``mean``, equal but for the channels for ``concat``.

    Args:
        chosen: The indices of the inputs to pick, or their names; one or several.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along the channels), or ``"none"`` for the list itself.
        names: The names of all inputs; needed if ``chosen`` has names and the inputs come in a list.
        kwargs: Arguments that every layer of Keras has, such as ``name``.
    """

    def __init__(
        self,
        chosen: Sequence[int | str],
        reduction: Reduction = "sum",
        names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chosen = list(chosen)
        self.reduction = reduction
        self.names = None if names is None else list(names)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; return None if no input is chosen, which Keras does not accept from ``call``."""
        if not self.chosen and self.reduction != "none":
            return None
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Sequence[Any] | Mapping[str, Any]) -> Any:
        """Return the reduced tensor, or the list of the chosen tensors with reduction ``"none"``."""
        picked = [self._pick(inputs, name) for name in self.chosen]
        if self.reduction == "none":
            return picked
        if len(picked) == 1:
            return picked[0]
        if self.reduction == "concat":
            channels_last = keras.config.image_data_format() == "channels_last"
            return keras.ops.concatenate(picked, axis=-1 if channels_last else 1)
        total = sum(picked[1:], start=picked[0])
        return total / len(picked) if self.reduction == "mean" else total

    def _pick(self, inputs: Any, name: int | str) -> Any:
        if isinstance(inputs, Mapping):
            return inputs[name] if isinstance(name, str) else list(inputs.values())[name]
        return inputs[name if isinstance(name, int) else list(self.names or ()).index(name)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"chosen": list(self.chosen), "reduction": self.reduction, "names": self.names}
        return {**super().get_config(), **own}
