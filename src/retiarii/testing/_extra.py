"""The one place that imports pytest for the conformance tests, with a clear error if it is missing."""

from __future__ import annotations

from retiarii.errors import MissingExtraError

try:
    import pytest
except ModuleNotFoundError as err:
    if err.name != "pytest":
        raise  # installed but broken: its own message says more
    raise MissingExtraError(
        "The conformance tests of retiarii.testing need pytest, which is not installed. Install it with: "
        "pip install pytest"
    ) from err

__all__ = ["pytest"]
