"""``retiarii run``: a script that imports nni, run with the names of this package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def run(
    script: Annotated[
        Path,
        typer.Argument(metavar="SCRIPT", help="The Python file.", exists=True, dir_okay=False, show_default=False),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="Its own arguments.", show_default=False)
    ] = None,
    over_nni: Annotated[
        bool, typer.Option("--over-nni", help="Also where NNI is installed: 'import nni' then means retiarii.")
    ] = False,
) -> None:
    """Run a script that was written for NNI: 'import nni...' finds the names of retiarii.

    What comes after SCRIPT is for the script. Its trials, and the experiment when it is resumed, find the names too.
    """
    if over_nni:
        os.environ["RETIARII_OVER_NNI"] = "1"
    from retiarii.compat import run_script

    run_script(script, arguments or ())
