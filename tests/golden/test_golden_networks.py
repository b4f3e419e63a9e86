"""Networks are frozen, extracted and exported to what was recorded, and seeded one-shot searches learn the same."""

import functools
import json
import re
import warnings
from pathlib import Path

import make_golden_networks as golden
import pytest
import torch
from golden_networks import EXAMPLES, NETWORKS

from retiarii.nn.pytorch import WeightsLostWarning

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums have the same order of terms on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recorded(folder, name):
    return json.loads((HERE / folder / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def has_the_recorded_numbers():
    """Return whether torch draws here what it drew where the files were written: it may not on other processors."""
    return golden.of_machine() == json.loads((HERE / "machine.json").read_text())


def assert_same(found, expected):
    """Compare records: what is written exactly, and computed numbers up to the last digits."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            if key not in ("bytes", "output") or has_the_recorded_numbers():
                assert_same(found[key], value)
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    else:
        assert found == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_frozen_built_extracted_and_exported_as_recorded(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsLostWarning)  # weights that were changed by hand and no longer fit
        found = golden.of_network(name)
    expected = recorded("networks", name)
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("network", golden.SEARCHED)
@pytest.mark.parametrize("strategy", golden.STRATEGIES)
def test_a_seeded_search_learns_what_is_recorded(strategy, network):
    if not has_the_recorded_numbers():
        pytest.skip("torch draws other initial weights on this machine than on the one of tests/golden/machine.json")
    assert_same(golden.of_search(strategy, network), recorded("searches", strategy)[network])


def test_forms_agree_where_they_are_the_same_network():
    for name, network in NETWORKS.items():
        for forms in recorded("networks", name):
            names = {forms[form].get("names") for form in golden.FORMS} - {None}
            assert len(names) == 1 or network.mutators(), name
            assert forms["export"]["output"] == pytest.approx(forms["freeze"]["output"]), name


def test_the_models_of_all_examples_are_recorded():
    recorded_examples = [name.removeprefix("example_") for name in NETWORKS if name.startswith("example_")]
    for path in EXAMPLES.glob("*.py"):
        # Recorded are models of PyTorch that an example writes itself. Ready spaces have their own tests.
        if re.search(r"retiarii\.(nn\.keras|hub\.pytorch|benchmarks)\b", path.read_text()):
            continue
        assert any(name.startswith(path.stem) for name in recorded_examples), path.name
    assert sorted(file.stem for file in (HERE / "networks").iterdir()) == sorted(NETWORKS)
    assert sorted(file.stem for file in (HERE / "searches").iterdir()) == sorted(golden.STRATEGIES)
