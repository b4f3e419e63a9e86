"""The ``retiarii`` command: look at experiments, stop, resume, export and delete them, and check the installation.

`main` is what the console script calls. Each command is a module that reads a `retiarii.storage.Store` and prints
tables, or JSON where a program asks for it. Nothing here imports torch, except when ``resume``, ``demo`` and ``doctor``
need it. Deliberate errors end in one line and exit code 1, wrong usage in exit code 2.
"""

from retiarii.cli._main import main

__all__ = ["main"]
