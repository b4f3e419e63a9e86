"""The dashboard: an HTTP API and pages that show the experiments of a store, live (extra ``dashboard``).

It runs as a process of its own, beside searches, reads the store, and never imports torch. `serve` runs it in this
process; the ``retiarii dashboard`` command and ``experiment.run(config, 8081)`` start one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.dashboard._serving.server import ServeOptions, serve

_EXPORTS = {
    "ServeOptions": "retiarii.dashboard._serving.server",
    "serve": "retiarii.dashboard._serving.server",
}

__all__ = ["ServeOptions", "serve"]

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS)
