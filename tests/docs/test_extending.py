"""Extensions as the docs and CONTRIBUTING.md describe them: pages test what they show, and paths and names exist."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_documentation import ROOT, blocks

KINDS = [
    "strategy",
    "one-shot strategy",
    "primitive",
    "one-shot rule",
    "mutator",
    "evaluator",
    "executor",
    "store",
    "benchmark",
    "ready space",
    "profiler",
    "command",
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in CONTRIBUTING.splitlines()
    if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] in KINDS
}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", ["primitives", "oneshot-rules", "mutators"])
def test_the_extension_on_a_page_passes_the_conformance_tests_on_it(page, tmp_path):
    script = tmp_path / f"test_{page.replace('-', '_')}.py"
    script.write_text("\n".join(blocks(ROOT / "docs" / "extending" / f"{page}.md")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(script)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=190)
    assert run.returncode == 0, run.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", run.stdout).group(1)) >= 10


def test_the_table_of_contributions_has_every_kind_once():
    assert list(ROWS) == KINDS
    assert all(len(cells) == 3 and all(cells) for cells in ROWS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_names_in_the_table_exist(kind):
    quoted = re.findall(r"`([^`]+)`", " ".join(ROWS[kind]))
    paths = [text for text in quoted if "/" in text]
    names = [text for text in quoted if text.startswith("retiarii.")]
    assert paths
    assert names
    assert not [path for path in paths if not (ROOT / path).exists()]
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_every_conformance_test_is_in_the_table():
    classes = {
        f"retiarii.testing.{path.stem}.{name}"
        for path in (ROOT / "src" / "retiarii" / "testing").glob("[!_]*.py")
        for name in re.findall(r"^class (\w+Conformance)\b", path.read_text(), re.MULTILINE)
    }
    assert classes == set(re.findall(r"`(retiarii\.testing\.\w+\.\w+)`", CONTRIBUTING))


def test_each_kind_that_others_write_has_an_example_of_an_outsider():
    folders = {path.name for path in Path(ROOT / "tests" / "thirdparty").iterdir() if any(path.glob("test_*.py"))}
    assert folders >= {"strategy", "primitive", "oneshot_rule", "mutator", "evaluator", "executor", "store"}
