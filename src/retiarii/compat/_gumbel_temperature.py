"""`gumbel_darts`: the strategy with NNI 3.0's argument ``temperature``, which replaces three of ours."""

from __future__ import annotations

from typing import Any

from retiarii.errors import ConfigError
from retiarii.strategy import GumbelDARTS


def gumbel_darts(temperature: Any = (1.0, 0.33), **arguments: Any) -> GumbelDARTS:
    """Return the strategy.

    Args:
        temperature: A constant; a tuple of the first and the last temperature; or a dict of these two, with the keys
            ``"init"`` and ``"min"``.
        arguments: Further arguments of `retiarii.strategy.GumbelDARTS`.

    Raises:
        ConfigError: ``temperature`` has another form.
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
