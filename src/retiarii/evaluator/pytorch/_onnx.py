"""`write_onnx`: write a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from retiarii.errors import EvaluatorError, MissingExtraError


def write_onnx(model: nn.Module, x: Any, path: Path) -> None:
    """Write a model, in evaluation mode, to one ONNX file.

    Args:
        model: The model, on the device of ``x``; it is not changed.
        x: An example input.
        path: The file to write; missing folders are made.

    Raises:
        MissingExtraError: The packages that torch needs to write ONNX are not installed.
        EvaluatorError: The model cannot be written as ONNX.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(False), torch.no_grad():
            x = tree_map_only(Tensor, torch.clone, x)  # tensors made in inference mode cannot be exported
            torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False)
    except ImportError as err:
        raise MissingExtraError(
            f"export_onnx needs {err.name}, which is not installed. Install it with: pip install onnx onnxscript"
        ) from err
    except RuntimeError as err:
        raise EvaluatorError(
            f"{type(model).__name__} cannot be written as ONNX to {path}: {err} Leave out export_onnx, or change the "
            "model until torch.onnx.export takes it."
        ) from err
    finally:
        model.train(was_training)
