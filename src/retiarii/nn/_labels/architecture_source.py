"""Architectures as users give them: as a mapping, or as the path of a file."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from retiarii.errors import ArchitectureError
from retiarii.space import Architecture

ArchitectureSource = Mapping[str, Any] | str | PathLike[str]


def read_architecture(source: ArchitectureSource) -> Architecture:
    """Return the architecture that is given as a mapping or as the path of a JSON file.

    Raises:
        ArchitectureError: It is no mapping from labels to plain values.
        OSError: The file cannot be read.
    """
    if isinstance(source, Architecture):
        return source
    if not isinstance(source, (Mapping, str, PathLike)):
        raise ArchitectureError(
            f"The architecture is {source!r} of type {type(source).__name__}, expected a mapping from labels to values "
            "(an item of export_top_models()), or the path of a JSON file with one."
        )
    return Architecture(source) if isinstance(source, Mapping) else Architecture.load(source)
