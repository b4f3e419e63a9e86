"""The support matrix of ready spaces in `docs/hub.md` says what the conformance tests check."""

import importlib
from pathlib import Path

import pytest

from retiarii.testing.hub_spaces import HubSpaceConformance
from retiarii.testing.oneshot_rules import ONE_SHOT

HERE = Path(__file__).resolve().parent


def conformance_tests(cls=HubSpaceConformance):
    """Yield all classes of conformance tests that say which row of the document they are about."""
    for other in cls.__subclasses__():
        if "row" in vars(other):
            yield other
        yield from conformance_tests(other)


def rows_of_the_document():
    lines = (HERE.parents[1] / "docs" / "hub.md").read_text().splitlines()
    cells = [[part.strip() for part in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in cells if len(row) == 1 + len(ONE_SHOT)}


@pytest.fixture(scope="module")
def tested():
    for path in HERE.glob("test_hub_*spaces.py"):
        importlib.import_module(path.stem)
    return list(conformance_tests())


def test_every_row_of_the_document_is_what_conformance_tests_check(tested):
    rows = rows_of_the_document()
    assert rows.pop("space") == [*ONE_SHOT]
    assert set(rows) == {cls.row for cls in tested}
    for cls in tested:
        promised = ["yes" if name in cls.strategies else "no" for name in ONE_SHOT]
        assert rows[cls.row] == promised, cls
