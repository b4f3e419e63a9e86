"""`main`: run a command; a deliberate error becomes one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.text import Text

from retiarii.cli._app import app
from retiarii.cli._context import current_settings
from retiarii.cli._text import error_console
from retiarii.errors import RetiariiError

EXIT_ERROR = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: The words after the program's name; None for those of this process.

    Raises:
        SystemExit: Always, with 0 for success, 1 for an error, 2 for wrong usage, 130 after Ctrl-C.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="retiarii")
    except RetiariiError as err:
        console = error_console()
        if current_settings().debug:
            console.print_exception()
        console.print(Text.assemble(("Error: ", "bold red"), str(err)), soft_wrap=True)
        sys.exit(EXIT_ERROR)
