"""Writing a model as ONNX."""

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
        model: On the device of ``x``; left as it was.
        x: An input.
        path: Where to; folders are made.

    Raises:
        MissingExtraError: The packages that torch writes ONNX with are not installed.
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
