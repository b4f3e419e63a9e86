"""The full view of one trial for ``retiarii show --trial``, with the reason of its failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from retiarii._readable import duration_text, number_text
from retiarii.cli._text import failure_text, heading, plain_table
from retiarii.terminal import coloured, joined, plain, visible_line

if TYPE_CHECKING:
    from retiarii.trial import Metrics, Trial

_FIRST_STEPS, _LAST_STEPS = 20, 80  # of the intermediate results; a table of a million takes minutes
_STATE_STYLES = {"running": "green", "completed": "blue", "failed": "red", "pruned": "yellow", "interrupted": "yellow"}


def print_trial(trial: Trial, out: Console, folder: Path | None = None) -> None:
    """Print all data of a trial.

    Args:
        trial: The trial, with intermediate results and output.
        out: The console to print to.
        folder: The folder of its files, if they were kept.
    """
    state = (trial.state.value, _STATE_STYLES[trial.state.value])
    took = f"  {duration_text(trial.duration_s)} on {visible_line(trial.device or '-')}"
    out.print(joined((f"Trial {trial.number}", "bold"), "  ", state, took))
    if trial.metrics is not None:
        out.print(plain(_metrics_text(trial.metrics)))
    for line in _circumstances(trial):
        out.print(plain(visible_line(line)), soft_wrap=True)
    if folder is not None:
        out.print(plain(visible_line(f"files in {folder}")), soft_wrap=True)
    _print_architecture(trial, out)
    _print_intermediates(trial, out)
    if trial.failure is not None:
        out.print()
        out.print(heading("Failure"))
        out.print(failure_text(trial.failure.kind, trial.failure.message), soft_wrap=True)
        if trial.failure.traceback:
            out.print(coloured(trial.failure.traceback.rstrip()), soft_wrap=True)
    if trial.output:
        out.print()
        out.print(heading("Last output"))
        out.print(coloured(trial.output.rstrip()), soft_wrap=True)


def _circumstances(trial: Trial) -> Iterator[str]:
    if trial.fidelity:
        yield f"given {trial.fidelity}"
    if trial.parent is not None:
        yield f"continues trial {trial.parent}"
    if not trial.is_feasible:
        yield "infeasible: its metrics break a constraint"
    if trial.reason:
        yield f"pruned: {trial.reason}"


def _print_architecture(trial: Trial, out: Console) -> None:
    out.print()
    out.print(heading("Architecture"))
    table = plain_table("label", "value")
    for label, value in trial.architecture.items():
        table.add_row(plain(visible_line(label)), plain(repr(value)))
    out.print(table)


def _print_intermediates(trial: Trial, out: Console) -> None:
    if not trial.intermediates:
        return
    out.print()
    out.print(heading("Reported on the way"))
    table = plain_table("step", "metrics", right=("step",))
    count = len(trial.intermediates)
    for step in range(count):
        if step == _FIRST_STEPS and count > _FIRST_STEPS + _LAST_STEPS:
            table.add_row("...", plain(f"{count - _FIRST_STEPS - _LAST_STEPS:,} more (--json has them all)"))
        if step < _FIRST_STEPS or step >= count - _LAST_STEPS:
            table.add_row(str(step), plain(_metrics_text(trial.intermediates[step])))
    out.print(table)


def _metrics_text(metrics: Metrics) -> str:
    return "  ".join(f"{visible_line(name)} {number_text(value)}" for name, value in metrics.items())
