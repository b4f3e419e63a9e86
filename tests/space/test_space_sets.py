"""Spaces that are a list of architectures, not described by conditions."""

import pickle
import random

import pytest

from retiarii.errors import ArchitectureError, ConfigError, SpaceError
from retiarii.space import Architecture, ArchitectureSet, Categorical, Float, Integer, SearchSpace
from retiarii.strategy import GridSearch, RegularizedEvolution


class Listed(ArchitectureSet):
    """Architectures that were found good before; a second label is there for some of them."""

    has_fixed_labels = False
    choices = (Categorical("op", ("conv", "pool")),)
    is_counted = True
    feature_names = ("number",)

    def __init__(self, *listed):
        self.listed = [Architecture(values) for values in listed]

    @property
    def size(self):
        return len(self.listed)

    estimated_size = size

    def summary(self):
        return f"{self.size} listed"

    def default(self):
        return self.listed[0]

    def architecture(self, raw):
        if Architecture(raw) not in self.listed:
            raise ArchitectureError(f"{raw} is not listed.")
        return Architecture(raw)

    def at(self, index):
        return self.listed[index]

    def every(self):
        return iter(self.listed)

    def sample(self, rng):
        return self.listed[int(rng.random() * self.size)]

    def mutate(self, architecture, rng, probability):
        return self.sample(rng)

    def crossover(self, first, second, rng):
        return first

    def neighbours(self, architecture):
        return (other for other in self.listed if other != architecture)

    def encode(self, architecture):
        return [float(self.listed.index(architecture))]

    def encode_all(self, architectures):
        return [self.encode(architecture) for architecture in architectures]

    def merge(self, other):
        return Listed(*({**one, **two} for one in self.listed for two in other.every()))


CONV, POOL, WIDE = {"op": "conv"}, {"op": "pool"}, {"op": "conv", "width": 8}


@pytest.fixture
def space():
    return SearchSpace.of(Listed(CONV, POOL, WIDE))


def test_a_space_of_listed_architectures_is_searched_like_any_other(space):
    search = RegularizedEvolution(population_size=4, sample_size=2).search(space, seed=0)
    assert {proposal.architecture for proposal in search.ask(4)} <= set(map(Architecture, (CONV, POOL, WIDE)))
    proposed = GridSearch(shuffle=False).search(space).ask(3)
    assert [dict(proposal.architecture) for proposal in proposed] == [CONV, POOL, WIDE]


def test_constraints_come_on_top(space):
    wide = space.constrained(lambda architecture: "width" in architecture)
    assert [dict(found) for found in wide.grid()] == [WIDE]
    assert dict(wide.sample(random.Random(0))) == dict(wide.mutate(wide.default(), random.Random(0))) == WIDE
    assert [dict(found) for found in wide.neighbours(Architecture(CONV))] == [WIDE]
    assert wide.size == 3
    assert repr(wide).endswith(", 1 constraint not counted)")
    assert "3 listed, 1 constraint not counted" in wide.describe()
    with pytest.raises(SpaceError, match="expected a number from 0 to 1"):
        wide.mutate(wide.default(), random.Random(0), probability=2)


@pytest.mark.parametrize("first", [True, False])
def test_merged_with_choices_it_stays_what_it_is(space, first):
    choices = SearchSpace([Integer("epochs", 1, 2)])
    both = space.merge(choices) if first else choices.merge(space)
    assert not both.has_fixed_labels
    assert both.size == 6
    assert dict(both.at(5)) == {**WIDE, "epochs": 2}


def test_spaces_of_choices_and_of_lists_are_told_apart(space):
    plain = SearchSpace(space.choices)
    assert plain.has_fixed_labels
    assert plain != space == SearchSpace.of(Listed(CONV))
    assert pickle.loads(pickle.dumps(space)).at(2) == space.at(2)
    assert plain.encode_all([plain.default()]) == [plain.encode(plain.default())] == [[1.0, 1.0, 0.0]]
    with pytest.raises(ConfigError, match="mutators add choices"):
        GridSearch(float_points=3).search(SearchSpace.of(type("F", (Listed,), {"choices": (Float("x", 0, 1),)})(CONV)))
