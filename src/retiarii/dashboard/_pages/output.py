"""`output_tail`: the end of what a trial printed, however long it is."""

from __future__ import annotations

from retiarii._readable import size_text
from retiarii.dashboard._pages.blocks import code
from retiarii.dashboard._pages.elements import text

_MOST_CHARACTERS = 40_000


def output_tail(output: str) -> None:
    """Draw the end of an output, and say how long the whole is.

    Args:
        output: The output.
    """
    if not output.strip():
        text("p", "It printed nothing.", "muted small")
        return
    tail = output[-_MOST_CHARACTERS:]
    if len(tail) < len(output):
        tail = tail[tail.find("\n") + 1 :] or tail
        note = f"The last {size_text(len(tail))} of {size_text(len(output))} of output"
    else:
        note = "Last output"
    text("h3", note)
    code(tail.rstrip(), name="output", wraps=True)
