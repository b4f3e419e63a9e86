import os
import subprocess
import sys

import pytest


@pytest.fixture(autouse=True)
def nni():
    """``import nni`` finds the names of retiarii in a test, and what it did before afterwards."""
    from retiarii import compat

    compat.install()
    yield
    compat.uninstall()


@pytest.fixture
def python(tmp_path):
    """Runs Python in an empty folder, with an experiments folder of its own."""

    def python(*arguments, code=0, **environment):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "RETIARII_HOME": str(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == code, done.stderr[-3000:]
        return done

    return python


@pytest.fixture
def run(python, tmp_path):
    """Runs parts of a script, one after the other, by ``retiarii run``."""

    def run(*parts):
        (tmp_path / "script.py").write_text("\n".join(parts))
        return python("-m", "retiarii", "run", "script.py").stdout

    return run
