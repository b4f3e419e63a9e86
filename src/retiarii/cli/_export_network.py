"""``retiarii export --format code|onnx|pt2|svg``: export the best network, with torch and the stored objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retiarii.cli._text import error_console
from retiarii.errors import ConfigError, ExperimentError
from retiarii.terminal import plain, visible_line
from retiarii.trial import Direction

if TYPE_CHECKING:
    from torch import Tensor

    from retiarii.graph import Model

NEED_INPUT = ("onnx", "pt2")
NEED_FILE = ("onnx", "pt2")


def network_text(
    experiment_id: str,
    storage: str,
    format_name: str,
    shape: str | None,
    direction: Direction | None,
    path: Path | None,
    trial: int | None = None,
) -> str | None:
    """Export the best network of an experiment, or that of one trial.

    Args:
        experiment_id: The id of the experiment.
        storage: The URL of its store.
        format_name: ``"code"``, ``"onnx"``, ``"pt2"`` or ``"svg"``.
        shape: The shape of a batch of input, as ``"1,3,32,32"``; None takes ``dummy_input`` of the experiment.
        direction: Whether larger or smaller metrics are better; None as in the search.
        path: The file to write; this function writes only binary formats.
        trial: The number of the trial; None for the best.

    Returns:
        The text, for text formats; None for binary formats.

    Raises:
        ExperimentError: The experiment's objects are not this user's, or no trial of it completed.
        ConfigError: The format needs a shape or a file, and none is given.
    """
    from retiarii.experiment.pytorch import RetiariiExperiment
    from retiarii.graph import draw, export_code, export_onnx, export_program

    if format_name in NEED_FILE and path is None:
        raise ConfigError(f"--format {format_name} writes a binary file: say which with -o FILE.")
    experiment = RetiariiExperiment.load(experiment_id, storage=storage)
    model: Model
    if trial is None:
        mode = None if direction is None else direction.value
        model = experiment.export_top_models(1, mode, "graph")[0]
    else:
        model = experiment.export_trial(trial, "graph")
    assert experiment.config is not None  # load() sets it
    example = _example(shape, experiment.config.dummy_input)
    if format_name == "code":
        return export_code(model)
    if format_name == "svg":
        return draw(model, example_input=example)
    if example is None:
        raise ConfigError(
            f"--format {format_name} runs the network once: give the shape of a batch of input, for example "
            "--input-shape 1,3,32,32."
        )
    assert path is not None  # checked above
    try:
        (export_onnx if format_name == "onnx" else export_program)(model, path, example)
    except OSError as err:
        raise ExperimentError(f"The file {str(path)!r} cannot be written: {err.strerror or err}.") from err
    error_console().print(plain(f"Wrote {visible_line(str(path))}"), soft_wrap=True)
    return None


def _example(shape: str | None, default: Sequence[int] | None) -> Tensor | None:
    import torch

    if shape is None:
        return None if default is None else torch.zeros(*default)
    try:
        return torch.zeros(*[int(size) for size in shape.split(",")])
    except (ValueError, RuntimeError):
        raise ConfigError(f"--input-shape is {shape!r}, expected sizes such as 1,3,32,32.") from None
