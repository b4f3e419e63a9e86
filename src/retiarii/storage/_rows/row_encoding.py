"""JSON in columns, compact and ASCII, with NaN and infinities in metrics as in `retiarii._plain_data`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from retiarii._plain_data import metrics_to_json, number
from retiarii.space import Architecture
from retiarii.trial import Fidelity, Metrics, Objectives

_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_DECODE = json.JSONDecoder(parse_constant=lambda name: _no_constant(name)).raw_decode
_DECODE_FINITE = json.JSONDecoder(
    parse_float=lambda digits: _finite(digits), parse_constant=lambda name: _no_constant(name)
).raw_decode
_SHOWN = 200


def encode_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as canonical JSON, non-finite numbers as strings."""
    parts = []
    for name, value in sorted(metrics.items()) if len(metrics) > 1 else metrics.items():
        if type(value) is not float or not math.isfinite(value):
            return _ENCODE(metrics_to_json(metrics))
        parts.append(f"{encode_basestring_ascii(name)}:{value!r}")
    return f"{{{','.join(parts)}}}"  # the same text as json's encoder returns in three times the time


def decode_metrics(text: str) -> Metrics:
    """Read metrics from the JSON text of `encode_metrics`.

    Raises:
        ValueError: The text is something else.
    """
    metrics: Metrics = parse_object(text)
    for name, value in metrics.items():
        if type(value) is not float:
            metrics[name] = number(value)
    return metrics


def encode_fidelity(fidelity: Fidelity) -> str | None:
    """Return a fidelity as JSON; None if it is empty."""
    return _ENCODE(dict(fidelity)) if fidelity else None


@lru_cache(maxsize=256)  # many trials have the same fidelity
def decode_fidelity(text: str) -> Fidelity:
    """Read a fidelity from the JSON text of `encode_fidelity`.

    Raises:
        ValueError: The text is something else.
    """
    return Fidelity(parse_object(text, _DECODE_FINITE))


def decode_architecture(text: str) -> Architecture:
    """Read an architecture from its canonical JSON.

    A store of another user may contain any text, so texts that `Architecture` would not have written are refused. The
    fast path matters when 100,000 architectures are read to resume an experiment; rare texts with strings that look
    like nested objects take the slow path.

    Raises:
        ValueError: The text is not an architecture in canonical form.
    """
    values = parse_object(text, _DECODE_FINITE)
    if text.find("{", 1) > 0 or "\\ud" in text or "\\uD" in text:
        return Architecture(values)
    if "[" in text:
        values = {label: _tuples(value) for label, value in values.items()}
    return Architecture._of(values)


def encode_objectives(objectives: Objectives) -> str:
    """Return objectives as JSON, the first one first."""
    return _ENCODE(objectives.to_json())


def decode_objectives(text: str) -> Objectives:
    """Read the objectives of an experiment.

    Raises:
        ValueError: The text is something else.
    """
    parsed, end = _DECODE(text)
    if end != len(text) or not isinstance(parsed, list):
        raise ValueError(f"expected a JSON list, found {shortened(text)}")
    return Objectives.from_json(parsed)


def decode_tags(text: str) -> tuple[str, ...]:
    """Read the tags of an experiment.

    Raises:
        ValueError: The text is not a JSON list of texts.
    """
    parsed = json.loads(text)
    if not isinstance(parsed, list) or not all(isinstance(tag, str) for tag in parsed):
        raise ValueError(f"expected a JSON list of texts, found {shortened(text)}")
    return tuple(parsed)


def shortened(text: str) -> str:
    """Return a text cut to a length for messages."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def parse_object(text: str, decode: Callable[[str], tuple[Any, int]] | None = None) -> dict[str, Any]:
    """Parse a JSON object of one of these encoders, in half the time of `json.loads`."""
    parsed, end = (decode or _DECODE)(text)
    if end != len(text) or not isinstance(parsed, dict):
        raise ValueError(f"expected a JSON object, found {shortened(text)}")
    return parsed


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {shortened(digits)}")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
