"""``retiarii create``, ``retiarii resume`` and ``retiarii demo``: the commands that search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from retiarii.cli._store_access import IdArgument, StorageOption, at_least, current_settings, found
from retiarii.cli._text import console, error_console
from retiarii.terminal import plain, visible_line

EXIT_INTERRUPTED = 130


def create(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration file (YAML).", show_default=False)
    ],
    storage: StorageOption = None,
) -> None:
    """Run an experiment whose trials are a command of yours.

    The configuration file names the command, the search space and the tuner. It may be one of NNI 1.x or 2.x.

    Raises:
        ConfigError: The file is wrong; the message has the line.
    """
    from retiarii.classic import read_config

    read = read_config(config)
    if read.without_effect:
        names = visible_line(f"{config}: without effect here: {', '.join(read.without_effect)}")
        error_console().print(plain(names, style="dim"), soft_wrap=True)
    chosen = current_settings().storage if storage is None else storage
    if chosen is not None:
        read.settings.storage = chosen
    with _interruptible("See what is there with: retiarii list"):
        read.experiment().run(read.settings)


def resume(
    experiment_id: IdArgument,
    max_trial_number: Annotated[
        int | None,
        typer.Option("--max-trial-number", parser=at_least(1), metavar="N", help="Go on to so many trials in all."),
    ] = None,
    max_experiment_duration: Annotated[
        str | None,
        typer.Option(
            "--max-experiment-duration",
            metavar="3h",
            help="Go on until it has run so long in all, earlier runs included.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Continue an experiment that was stopped or killed.

    Give it more trials with [bold]--max-trial-number[/], more time with [bold]--max-experiment-duration[/]. Runs the
    model, evaluator and strategy that were stored.
    """
    with found(storage, experiment_id) as (store, record):  # reports a wrong id before torch is imported
        url, resume, show = store.url, store.command(f"resume {record.id}"), store.command(f"show {record.id}")
    settings: dict[str, Any] = {
        "max_trial_number": max_trial_number,
        "max_experiment_duration": max_experiment_duration,
    }
    changes = {name: value for name, value in settings.items() if value is not None}
    from retiarii.experiment.pytorch import RetiariiExperiment
    from retiarii.storage import ExperimentState

    with _interruptible(f"Go on with: {visible_line(resume)}"):
        RetiariiExperiment.resume(record.id, storage=url, **changes)
    with found(storage, record.id) as (_, record):
        if record.state is ExperimentState.STOPPED:  # the search has printed how to continue
            return
    console().print(plain(f"Look at it with: {visible_line(show)}"), soft_wrap=True)


def demo(storage: StorageOption = None) -> None:
    """Run a real search on handwritten digits, in about a minute."""
    chosen = current_settings().storage if storage is None else storage
    with _interruptible("See what is there with: retiarii list"):
        from retiarii.cli._demo import run_demo

        run_demo(storage=chosen, console=console())


@contextmanager
def _interruptible(advice: str) -> Iterator[None]:
    """End with the exit code of Ctrl-C, not with a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        error_console().print(plain(f"Interrupted. {advice}"), soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
