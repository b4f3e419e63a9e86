"""`run_script`: run a Python file as ``python script.py`` does, in this process."""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def run_script(path: str | os.PathLike[str], arguments: Sequence[str] = ()) -> None:
    """Run a Python file as the main program of this process.

    The script is ``__main__``, has its own ``sys.argv``, and can import the modules in its folder. An exception that it
    does not catch is shown as Python shows it, without the frames of this package.

    Args:
        path: The file.
        arguments: The script's arguments, which follow its name in ``sys.argv``.

    Raises:
        SystemExit: The script raised it, or ended with an exception (exit code 1, or 130 after Ctrl-C).
        OSError: The file cannot be read.
    """
    name = os.path.abspath(path)  # as Python names the file of its main program
    loader = SourceFileLoader("__main__", name)
    source = loader.get_data(name)
    main = types.ModuleType("__main__")
    vars(main).update(__builtins__=builtins, __cached__=None, __file__=name, __loader__=loader)
    sys.modules["__main__"] = main
    sys.argv[:] = [os.fspath(path), *arguments]
    sys.path.insert(0, os.path.dirname(os.path.realpath(name)))
    try:
        exec(compile(source, name, "exec", dont_inherit=True), vars(main))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - shown as the interpreter shows an uncaught exception
        frames = error.__traceback__.tb_next if error.__traceback__ is not None else None  # without this function
        sys.excepthook(type(error), error.with_traceback(frames), frames)
        sys.exit(EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_ERROR)
