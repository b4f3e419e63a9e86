"""The ``retiarii`` command: list, show, stop, resume, export and delete experiments, and check the installation.

The console script calls `main`. Each command is a module that reads a `retiarii.storage.Store` and prints tables, or
JSON with ``--json``. torch is imported only by commands that need it, such as ``resume``, ``demo`` and ``doctor``.
Errors of retiarii are printed as one line with exit code 1; wrong usage has exit code 2.
"""

from retiarii.cli._main import main

__all__ = ["main"]
