"""`paused_collector`: code that makes very many objects of which none is garbage runs without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Turn Python's garbage collector off inside the block, for all threads.

    It would look at all objects of the process again and again. Blocks may nest, and overlap in several threads: the
    one that turned it off turns it on.
    """
    is_on = gc.isenabled()
    if is_on:
        gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()
