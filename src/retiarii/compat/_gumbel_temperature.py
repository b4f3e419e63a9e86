"""`gumbel_darts`: the strategy with NNI 3.0's argument for the temperature, which stands for three of ours."""

from __future__ import annotations

from typing import Any

from retiarii.errors import ConfigError
from retiarii.strategy import GumbelDARTS


def gumbel_darts(temperature: Any = (1.0, 0.33), **arguments: Any) -> GumbelDARTS:
    """Return the strategy.

    Args:
        temperature: A number, the first and the last temperature, or a dict with these as ``init`` and ``min``.
        arguments: Others, as the strategy has them.

    Raises:
        ConfigError: The temperature is something else.
    """
    if isinstance(temperature, dict) and {"init", "min"} <= set(temperature):
        temperature = (temperature["init"], temperature["min"])
    first, last = (
        temperature if isinstance(temperature, tuple) and len(temperature) == 2 else (temperature, temperature)
    )
    if not all(isinstance(number, (int, float)) for number in (first, last)):
        raise ConfigError(
            f"GumbelDARTS got temperature={temperature!r}, expected a number, two numbers in a tuple, or a dict with "
            "'init' and 'min'."
        )
    return GumbelDARTS(gumbel_temperature=first, use_temp_anneal=first != last, min_temp=last, **arguments)
