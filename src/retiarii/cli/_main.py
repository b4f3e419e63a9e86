"""`main`: run a command, and print errors of retiarii as one line with an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from retiarii._lasting_output import lasting_output
from retiarii.cli._app import app
from retiarii.cli._store_access import current_settings
from retiarii.cli._text import error_console
from retiarii.errors import RetiariiError
from retiarii.terminal import joined, plain

EXIT_ERROR = 1

# The base of the errors of wrong usage. Newer versions of Typer ship it in a private module.
_USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: The words after the program's name; None for those of this process.

    Raises:
        SystemExit: Always, with 0 for success, 1 for an error, 2 for wrong usage, 130 after Ctrl-C.
    """
    with lasting_output():  # as in ``retiarii list | head -1``
        _run(None if arguments is None else list(arguments))


def _run(words: list[str] | None) -> NoReturn:
    try:
        sys.exit(app(args=words, prog_name="retiarii", standalone_mode=False))
    except RetiariiError as err:
        console = error_console()
        if current_settings().debug:
            console.print_exception()
        console.print(joined(("Error: ", "bold red"), str(err)), soft_wrap=True)
        sys.exit(EXIT_ERROR)
    except _USAGE_ERROR as err:
        _print_usage(err)
        sys.exit(err.exit_code)
    except typer.Abort:
        error_console().print(plain("Aborted."))
        sys.exit(EXIT_ERROR)


def _print_usage(err: Any) -> None:
    """Print the error of a wrong command line, whose words may contain any characters."""
    if type(err).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return
    console = error_console()
    command = "retiarii" if err.ctx is None else err.ctx.command_path
    if err.ctx is not None:
        console.print(plain(err.ctx.get_usage()), soft_wrap=True)
    console.print(joined(("Error: ", "bold red"), _without_prefix(err.format_message())), soft_wrap=True)
    console.print(plain(f"Help: {command} --help", style="dim"))


def _without_prefix(message: str) -> str:
    """Remove the prefix that the option parser puts before a message."""
    return message.replace(": Value error, ", ": ")
