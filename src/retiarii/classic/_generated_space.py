"""`generate_search_space`: the search space that is written into the model of a trial command."""

from __future__ import annotations

from pathlib import Path

from retiarii.classic._parameter_space import ParameterSpace
from retiarii.errors import ConfigError
from retiarii.evaluator import search_space_of_command


def generate_search_space(command: str, folder: str | Path = ".", *, timeout_s: float = 300.0) -> ParameterSpace:
    """Run a trial command until it calls `get_and_apply_next_architecture`, and end it there.

    Args:
        command: The trial command, a line for the shell.
        folder: The folder in which it runs.
        timeout_s: How long the command may take, in seconds.

    Returns:
        The search space of the command's model.

    Raises:
        EvaluatorError: The command fails, never calls the function, calls it twice, or takes too long.
        ConfigError: What the command told is no search space.
    """
    description = search_space_of_command(command, folder, timeout_s=timeout_s)
    try:
        return ParameterSpace(description)
    except ConfigError as err:
        raise ConfigError(f"The command {command!r} told no search space: {err}") from err
