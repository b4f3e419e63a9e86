"""Types of values in requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from fastapi import Path
from pydantic import BaseModel, ConfigDict, JsonValue

from retiarii._plain_data import number_to_json

LARGEST_NUMBER = 2**31 - 1
"""The largest number of a trial, step or epoch that a store can hold."""

ExperimentId: TypeAlias = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="The id of an experiment, in full.",
    ),
]
TrialNumber: TypeAlias = Annotated[int, Path(ge=0, le=LARGEST_NUMBER, description="The number of a trial.")]
Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]
"""A number; JSON lacks those that are not finite, which are texts."""
Values: TypeAlias = dict[str, JsonValue]


class Answer(BaseModel):
    """The base of everything that the API answers."""

    model_config = ConfigDict(extra="forbid")


def numbers(metrics: Mapping[str, float]) -> dict[str, Number]:
    """Return metrics as the API answers them."""
    return {name: number(value) for name, value in metrics.items()}


def number(value: float) -> Number:
    """Return a number as the API answers it."""
    return number_to_json(value)  # type: ignore[return-value]  # its texts are those above
