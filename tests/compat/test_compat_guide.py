"""The table of names in the migration guide is the table that runs old scripts."""

import importlib.util
from pathlib import Path

from retiarii.compat._nni_table import MODULES

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "nni_names.py"


def test_the_guide_has_the_table_of_names():
    spec = importlib.util.spec_from_file_location("nni_names", SCRIPT)
    names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(names)
    assert names.PAGE.read_text() == names.page(), "run: make stubs"
    assert [module for module in MODULES if f"| `{module}` |" not in names.table() and MODULES[module]] == []
