"""``retiarii export``: write the best architectures as JSON for ``fixed_arch``, or the best network as code."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from retiarii._readable import number_text
from retiarii.cli._json_output import trial_json
from retiarii.cli._show_supernet import undecided_labels
from retiarii.cli._store_access import IdArgument, StorageOption, at_least, found
from retiarii.cli._text import error_console
from retiarii.errors import ExperimentError
from retiarii.storage import ExperimentRecord
from retiarii.terminal import plain, shortened, visible_line, write, write_json
from retiarii.trial import Direction, Trial


class OptimizeMode(str, Enum):
    """The values of ``--optimize-mode``."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Format(str, Enum):
    """The values of ``--format``."""

    JSON = "json"
    CODE = "code"
    ONNX = "onnx"
    PT2 = "pt2"
    SVG = "svg"


def export(
    experiment_id: IdArgument,
    top_k: Annotated[
        int, typer.Option("--top-k", parser=at_least(1), metavar="N", help="How many; more than one gives a list.")
    ] = 1,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            parser=at_least(0),
            metavar="N",
            help="Export this trial instead of the best.",
            show_default=False,
        ),
    ] = None,
    optimize_mode: Annotated[
        OptimizeMode | None,
        typer.Option(
            "--optimize-mode", help="Which metrics are better; by default as in the search.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write there instead of printing."),
    ] = None,
    format_name: Annotated[
        Format,
        typer.Option(
            "--format",
            help="json: the architecture. Of the best network: code (a Python file that needs PyTorch only), onnx, "
            "pt2 (torch.export), svg (a drawing).",
        ),
    ] = Format.JSON,
    input_shape: Annotated[
        str | None,
        typer.Option(
            "--input-shape", metavar="1,3,32,32", help="A batch of input, for onnx and pt2.", show_default=False
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For each, also its trial, metrics and hash; always a list.")
    ] = False,
) -> None:
    """Export the best architectures, or that of one trial, as JSON, ready for [bold]fixed_arch[/].

    Choices in the evaluator's arguments are not part of the model; [bold]--json[/] shows them, too.

    Raises:
        ExperimentError: No trial has completed, or the file cannot be written.
        NotFoundError: There is no such trial.
    """
    if trial is not None and (top_k > 1 or optimize_mode is not None):
        raise typer.BadParameter(
            "it names one trial, so --top-k and --optimize-mode have no meaning.", param_hint="--trial"
        )
    direction = None if optimize_mode is None else Direction(optimize_mode.value)
    with found(storage, experiment_id) as (store, record):
        url = store.url
        best = store.best_trials(record.id, top_k, direction) if trial is None else [store.get_trial(record.id, trial)]
        undecided = undecided_labels(store.list_epochs(record.id), best[0].architecture) if best else []
        show = store.command(f"show {record.id}")
    if not best:
        raise ExperimentError(
            f"Experiment {record.id!r} has no completed trial, so there is nothing to export. "
            f"`{show}` shows its state and why trials failed."
        )
    _warn_about(undecided, record.id)
    if format_name is Format.JSON:
        text = json.dumps(_exported(record, best, top_k, in_full=as_json), indent=2, ensure_ascii=False)
    else:
        from retiarii.cli._export_network import network_text  # loads torch

        network = network_text(record.id, url, format_name.value, input_shape, direction, output, trial)
        if network is None:
            return
        text, best = network, best[:1]
    if output is None:
        (write_json if format_name is Format.JSON else write)(text)
    else:
        _write(output, text)
        numbers = ", ".join(f"{trial.number} ({number_text(trial.metric)})" for trial in best)
        error_console().print(
            plain(f"Wrote {visible_line(str(output))}: trial{'s' if len(best) > 1 else ''} {numbers}"), soft_wrap=True
        )


def _warn_about(undecided: list[str], experiment_id: str) -> None:
    """Print a warning if a one-shot search has not decided on some labels."""
    if undecided:
        labels = shortened(visible_line(", ".join(undecided)))
        error_console().print(
            plain(
                f"Warning: the search has not decided on {labels}: the values in the architecture are as good as "
                f"random. Probabilities: retiarii show {experiment_id}"
            ),
            soft_wrap=True,
        )


def _exported(record: ExperimentRecord, best: list[Trial], top_k: int, *, in_full: bool) -> Any:
    if in_full:
        return [trial_json(trial) for trial in best]
    of_evaluator = record.config.get("evaluator_labels", ())
    architectures = [
        trial.architecture.restricted(set(trial.architecture).difference(of_evaluator)).to_json() for trial in best
    ]
    return architectures[0] if top_k == 1 else architectures


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as err:
        raise ExperimentError(
            f"The file {str(path)!r} cannot be written: {err.strerror or err}. Choose another place with -o."
        ) from err
