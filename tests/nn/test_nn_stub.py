"""The stub from which type checkers and editors read `retiarii.nn.pytorch`."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

import retiarii.nn.pytorch as nn

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(nn.__file__).with_suffix(".pyi")


def test_the_stub_is_what_the_script_writes():
    pinned = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    if torch.__version__.partition("+")[0] != pinned or sys.version_info < (3, 11):
        pytest.skip(f"the stub is written with torch {pinned}, on Python 3.11 or newer")
    spec = importlib.util.spec_from_file_location("layer_stubs", ROOT / "scripts" / "layer_stubs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert STUB.read_text() == script.stub(), "The stub is out of date: make stubs"


def test_the_stub_has_every_name_of_the_package_and_no_other():
    if torch.__version__.partition("+")[0] not in STUB.read_text():
        pytest.skip("another torch has other layers")
    names = set()
    for statement in ast.parse(STUB.read_text()).body:
        if isinstance(statement, ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.ImportFrom):
            names |= {alias.asname for alias in statement.names if alias.asname}
    assert set(nn.__all__) <= names
    assert all(hasattr(nn, name) for name in names)
