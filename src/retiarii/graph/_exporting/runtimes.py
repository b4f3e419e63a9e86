"""`export_onnx` and `export_program`: networks as ONNX files and ``torch.export`` programs."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retiarii.errors import GraphError, MissingExtraError
from retiarii.graph._building.module_builder import build_module
from retiarii.graph._building.shape_check import example_arguments
from retiarii.graph._representation.model import Model
from retiarii.graph._tracing.lowering import lower
from retiarii.nn.pytorch import extract_space, freeze


def export_onnx(
    model: nn.Module | Model,
    path: str | os.PathLike[str],
    example_input: Any,
    architecture: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network as an ONNX file, with its weights, in evaluation mode.

    Args:
        model: A module, with or without choices, or a graph `Model`.
        path: The file to write.
        example_input: A tensor, or a tuple of the arguments of ``forward``. Its shapes are those of the exported
            network.
        architecture: What to fix a module to; None for the first candidate of every choice.

    Returns:
        The path.

    Raises:
        MissingExtraError: ``onnx`` or ``onnxscript`` is not installed.
        GraphError: PyTorch cannot export this network.
        ArchitectureError: ``architecture`` does not fit.
    """
    try:
        import onnx  # noqa: F401 - checks that it is installed
        import onnxscript  # noqa: F401 - as above
    except ImportError as err:
        raise MissingExtraError("Exporting to ONNX needs two more packages: pip install onnx onnxscript") from err
    network = plain_network(model, architecture)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _quietly("ONNX"):
        program = torch.onnx.export(network, example_arguments(example_input), dynamo=True, verbose=False)
        assert program is not None
        program.save(str(target))
    return target


def export_program(
    model: nn.Module | Model,
    path: str | os.PathLike[str],
    example_input: Any,
    architecture: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network as a ``torch.export`` program (``.pt2``), with its weights, in evaluation mode.

    Args:
        model: A module, with or without choices, or a graph `Model`.
        path: The file to write.
        example_input: A tensor, or a tuple of the arguments of ``forward``. Its shapes are those of the exported
            network.
        architecture: What to fix a module to; None for the first candidate of every choice.

    Returns:
        The path.

    Raises:
        GraphError: PyTorch cannot export this network.
        ArchitectureError: ``architecture`` does not fit.
    """
    network = plain_network(model, architecture)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _quietly("torch.export"):
        program = torch.export.export(network, example_arguments(example_input))
        torch.export.save(program, str(target))
    return target


def plain_network(model: nn.Module | Model, architecture: Mapping[str, Any] | None) -> nn.Module:
    """Return the network to export, in evaluation mode."""
    if isinstance(model, Model):
        return build_module(model).eval()
    space = extract_space(model)
    if len(space):
        chosen = space.default() if architecture is None else architecture
        return freeze(model, chosen).eval()
    return build_module(lower(model)).eval()


@contextlib.contextmanager
def _quietly(what: str) -> Iterator[None]:
    """Silence the output and warnings of exporters, and raise their errors as `GraphError`."""
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        warnings.simplefilter("ignore")
        try:
            yield
        except OSError:
            raise
        except Exception as err:
            raise GraphError(f"{what} cannot export this network: {type(err).__name__}: {err}") from err
