"""The tables of names in the migration guide: those that run old scripts, in a form that a reader can use."""

import importlib.util
import re
from pathlib import Path

import pytest

from retiarii.compat._nni_table import CONTINUED, MODULES

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "nni_names.py"


@pytest.fixture(scope="module")
def guide():
    spec = importlib.util.spec_from_file_location("nni_names", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(guide, generation):
    """Return the rows of names of a section: the names, the text about our equivalent, and NNI's modules."""
    section = guide.tables().split(f"### Names of {generation}\n")[1].split("\n### ")[0]
    lines = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)
    return [(re.findall("`(.*?)`", names), ours, re.findall("`(.*?)`", modules)) for names, ours, modules in lines[1:]]


def test_the_guide_has_the_table_of_names(guide):
    assert guide.PAGE.read_text() == guide.page(), "run: make names"


def test_every_name_of_every_module_is_found_in_the_section_of_its_generation(guide):
    for module, names in MODULES.items():
        listed = rows(guide, guide.generation_of(module)) if names or module in CONTINUED else []
        for name in [*names, *([f"{CONTINUED[module][0]}Conv2d"] if module in CONTINUED else [])]:
            found = [ours for some, ours, roots in listed if name in some and any(is_below(module, r) for r in roots)]
            assert found, f"{module}.{name} is not in the guide"


def is_below(module, root):
    return module == root or module.startswith(f"{root}.")


def test_no_reader_scrolls_through_lines_that_say_the_same(guide):
    for generation in guide.ORDER:
        if f"### Names of {generation}\n" in guide.tables():
            places = [ours for _, ours, _ in rows(guide, generation)]
            assert len(set(places)) == len(places), f"{generation} has several rows of one place"


def test_a_name_without_words_for_readers_is_named(guide):
    with pytest.raises(SystemExit, match=r"Strange .*retiarii\.compat\._strange.* WRITTEN"):
        list(guide._names({"nni.strange": {"Strange": "retiarii.compat._strange:Strange"}}))
