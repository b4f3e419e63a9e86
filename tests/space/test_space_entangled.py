"""Spaces whose exact size would take minutes."""

import json
import math
import random

import pytest

from retiarii.errors import ConfigError, SpaceError
from retiarii.space import Categorical, SearchSpace, Test, _counting
from retiarii.strategy import GridSearch, Random


def entangled(num_parents, seed=0):
    """A space in which each of many choices depends on a random handful of others."""
    rng = random.Random(seed)
    labels = [f"c{index}" for index in range(num_parents)]
    choices = [{"kind": "categorical", "label": label, "values": [0, 1, 2]} for label in labels]
    for index in range(num_parents):
        condition = [
            [{"label": label, "values": [rng.randrange(3)]} for label in rng.sample(labels, 2)] for _ in range(2)
        ]
        choices.append({"kind": "categorical", "label": f"d{index}", "values": [0, 1], "condition": condition})
    return {"choices": choices}


def test_a_space_that_is_too_entangled_is_described_with_an_estimate():
    data = entangled(55)
    assert len(json.dumps(data)) < 16_000
    space = SearchSpace.from_json(data)
    assert not space.is_counted
    assert space.size == math.inf
    assert "about " in repr(space)
    assert "estimated: its conditions are too entangled to count" in space.describe()
    assert 3**55 < space.estimated_size < 6**55


def test_what_needs_numbers_is_refused_and_the_rest_works(monkeypatch):
    monkeypatch.setattr(_counting, "MAX_WORK", 5_000)
    space = SearchSpace.from_json(entangled(55))
    for use in (lambda: space.at(0), lambda: space.grid()):
        with pytest.raises(SpaceError, match=r"too entangled to count .*Use a strategy that samples"):
            use()
    with pytest.raises(ConfigError, match="cannot enumerate"):
        GridSearch().search(space, seed=0)
    search = Random(dedup=True).search(space, seed=0)
    assert len({proposal.architecture.key for proposal in search.ask(20)}) == 20
    assert space.architecture(space.default()) == space.default()


@pytest.mark.parametrize("seed", range(5))
def test_the_estimate_is_of_the_right_order(seed, monkeypatch):
    data = entangled(7, seed)
    exact = SearchSpace.from_json(data)
    assert exact.is_counted
    assert exact.estimated_size == exact.size
    monkeypatch.setattr(_counting, "MAX_WORK", 10)
    guessed = SearchSpace.from_json(data)
    assert not guessed.is_counted
    assert guessed.estimated_size == SearchSpace.from_json(data).estimated_size
    assert exact.size / 1.5 < guessed.estimated_size < exact.size * 1.5


def test_the_estimate_knows_continuous_choices(monkeypatch):
    data = entangled(4)
    data["choices"].append({"kind": "float", "label": "rate", "low": 0.1, "high": 1.0})
    monkeypatch.setattr(_counting, "MAX_WORK", 10)
    assert SearchSpace.from_json(data).estimated_size == math.inf


def test_ordinary_large_spaces_are_counted_exactly():
    choices = [Categorical("depth", values=tuple(range(1, 50)))]
    for index in range(400):
        condition = frozenset({frozenset({Test("depth", frozenset(range(index % 49 + 1, 50)))})})
        choices.append(Categorical(f"op{index}", values=("a", "b", "c"), condition=condition))
    space = SearchSpace(choices)
    assert space.is_counted
    assert isinstance(space.size, int)
