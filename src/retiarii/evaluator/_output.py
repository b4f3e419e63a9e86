"""Where an evaluation may write files: the folder in the environment variable ``RETIARII_OUTPUT_DIR``.

A variable rather than an argument, so that programs that an evaluation starts know it too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OUTPUT_DIR_VARIABLE = "RETIARII_OUTPUT_DIR"


@contextmanager
def output_to(folder: Path) -> Iterator[None]:
    """Name the folder to the evaluation in this block; whoever writes makes it."""
    before = os.environ.get(OUTPUT_DIR_VARIABLE)
    os.environ[OUTPUT_DIR_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(OUTPUT_DIR_VARIABLE, None)  # the evaluation may have removed it, with all the others
        else:
            os.environ[OUTPUT_DIR_VARIABLE] = before
