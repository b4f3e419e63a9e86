import importlib.util
import json
from pathlib import Path

import pytest

from retiarii.testing.spaces import SPACES

GOLDEN = Path(__file__).parent / "golden"
_spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
make_golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_golden)


@pytest.mark.parametrize("space", make_golden.TRACED_SPACES)
@pytest.mark.parametrize("name", make_golden.STRATEGIES)
def test_proposals_are_those_of_the_golden_trace(name, space):
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert make_golden.trace(make_golden.STRATEGIES[name], SPACES[space]()) == golden[space]


def test_golden_traces_are_proposals_of_their_spaces():
    files = sorted(GOLDEN.glob("*.json"))
    assert [file.stem for file in files] == sorted(make_golden.STRATEGIES)
    for file in files:
        for space, proposals in json.loads(file.read_text(encoding="utf-8")).items():
            assert len(proposals) == make_golden.NUM_PROPOSALS
            architectures = [proposal.get("architecture", proposal) for proposal in proposals]
            assert all(SPACES[space]().architecture(values).to_json() == values for values in architectures)
