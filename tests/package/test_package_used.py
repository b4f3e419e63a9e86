"""Every public class and function is used by a test."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("unused_names", ROOT / "scripts" / "unused_names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_class_and_function_is_used_by_a_test(script):
    assert script.unused() == [], "write a test that calls these as their docstrings say"


def test_importing_annotating_and_methods_of_the_same_name_are_no_use(script, monkeypatch):
    code = """
from retiarii.graph import draw, lower
import retiarii.strategy as s
def f(x: draw) -> draw:
    return x.lower(), s.Random()
"""
    used = list(script._used(script.ast.parse(code)))
    assert sys.modules["retiarii.strategy"].Random in used
    assert not {"draw", "lower"} & {getattr(found, "__name__", "") for found in used}
    monkeypatch.setattr(script, "_sources", lambda: [code])
    assert {"retiarii.graph.draw", "retiarii.graph.lower"} <= set(script.unused())
    assert "retiarii.strategy.Random" not in script.unused()
