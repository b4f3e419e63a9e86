"""``retiarii ss-gen``: the search-space file of the model in a trial command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retiarii.cli._store_access import at_least
from retiarii.cli._text import console
from retiarii.errors import ConfigError
from retiarii.terminal import plain, visible_line


def ss_gen(
    trial_command: Annotated[
        str,
        typer.Option(
            "--trial-command",
            "-t",
            "--trial_command",
            metavar="COMMAND",
            help="The command of a trial, such as 'python train.py'.",
            show_default=False,
        ),
    ],
    trial_dir: Annotated[
        Path, typer.Option("--trial-dir", "-d", "--trial_dir", metavar="FOLDER", help="Where the command runs.")
    ] = Path(),
    file: Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="The search-space file to write.")] = Path(
        "search_space.json"
    ),
    timeout: Annotated[
        int, typer.Option("--timeout", parser=at_least(1), metavar="SECONDS", help="How long the command may take.")
    ] = 300,
) -> None:
    """Write the search space of a model in your training script to a file, for 'retiarii create'.

    Runs the command until it calls get_and_apply_next_architecture(model), and ends it there. A file that is there is
    overwritten, unless it has hyper-parameters besides layer and input choices that would be lost.

    Raises:
        EvaluatorError: The command fails, never calls the function, calls it twice, or takes too long.
        ConfigError: The file cannot be written, or would lose hyper-parameters.
    """
    from retiarii.classic import generate_search_space

    if not file.expanduser().resolve().parent.is_dir():
        raise ConfigError(f"--file is {str(file)!r}, whose folder does not exist.")
    space = generate_search_space(trial_command, trial_dir, timeout_s=timeout)
    space.save(file.expanduser())
    console().print(plain(f"{space.space.describe()}\n"), soft_wrap=True)
    console().print(plain(visible_line(f"Written to {file}")), soft_wrap=True)
