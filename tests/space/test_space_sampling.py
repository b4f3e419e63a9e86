import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples, spaces

from retiarii.errors import ConstraintError, SpaceError
from retiarii.space import Architecture, Categorical, Float, Integer, SearchSpace, Subset, rng_for, when

seeds = st.integers(0, 2**63)


def is_valid(space, architecture):
    return space.architecture(architecture.to_json()) == architecture


@examples(70)
@given(spaces(), seeds)
def test_samples_are_valid_and_follow_the_seed(space, seed):
    architecture = space.sample(rng_for(seed))
    assert is_valid(space, architecture)
    assert space.sample(rng_for(seed)) == architecture


@examples(70)
@given(spaces(), seeds)
def test_a_mutant_differs_in_one_decision(space, seed):
    rng = rng_for(seed)
    parent = space.sample(rng)
    if space.size == 1:
        with pytest.raises(SpaceError, match="single architecture"):
            space.mutate(parent, rng)
        return
    mutant = space.mutate(parent, rng)
    changed = [label for label in mutant if label in parent and mutant[label] != parent[label]]
    assert is_valid(space, mutant)
    assert len(changed) == 1


@examples(50)
@given(spaces(), seeds, st.floats(0, 1))
def test_mutation_with_a_probability_is_valid(space, seed, probability):
    rng = rng_for(seed)
    parent = space.sample(rng)
    assert is_valid(space, space.mutate(parent, rng, probability=probability))
    assert space.mutate(parent, rng, probability=0) == parent
    all_changed = space.mutate(parent, rng, probability=1)
    assert all(
        all_changed[label] != parent[label] for label in parent if label in all_changed and space[label].is_mutable
    )


@examples(50)
@given(spaces(), seeds)
def test_children_take_each_value_from_a_parent(space, seed):
    rng = rng_for(seed)
    first, second = space.sample(rng), space.sample(rng)
    child = space.crossover(first, second, rng)
    assert is_valid(space, child)
    for label, value in child.items():
        owners = [parent[label] for parent in (first, second) if label in parent]
        assert value in owners or not owners
    assert space.crossover(first, first, rng) == first


@examples(50)
@given(spaces(max_labels=4), seeds)
def test_neighbours_are_all_changes_of_one_decision(space, seed):
    architecture = space.sample(rng_for(seed))
    neighbours = list(space.neighbours(architecture))
    assert len(neighbours) == sum(space[label].cardinality - 1 for label in architecture)
    assert len(set(neighbours)) == len(neighbours)
    assert all(is_valid(space, neighbour) and neighbour != architecture for neighbour in neighbours)


def test_every_architecture_of_a_small_space_is_sampled():
    space = SearchSpace(
        [Categorical("op", ("conv", "skip")), Subset("in", ("a", "b"), 0, 2, condition=when("op", "conv"))]
    )
    rng = rng_for(0)
    assert {space.sample(rng) for _ in range(500)} == set(space.grid())


def test_the_prior_is_respected():
    space = SearchSpace([Categorical("op", ("never", "often", "rarely"), prior=(0, 0.9, 0.1))])
    rng = rng_for(1)
    counts = collections.Counter(space.sample(rng)["op"] for _ in range(2000))
    assert counts["never"] == 0
    assert 1700 < counts["often"] < 1900


def test_golden_samples():
    # These values must never change: experiments are resumed by drawing them again.
    space = SearchSpace(
        [
            Categorical("op", ("conv", "pool", "skip")),
            Integer("width", 8, 64, 8),
            Float("lr", 0.25, 0.75),
            Subset("inputs", (0, 1, 2, 3), 1, 3),
            Categorical("kernel", (3, 5, 7), prior=(0.5, 0.25, 0.25), condition=when("op", "conv", "pool")),
        ]
    )
    rng = rng_for(11, 1)
    samples = [space.sample(rng).to_json() for _ in range(3)]
    assert samples == [
        {"op": "pool", "width": 56, "lr": 0.28724539619109274, "inputs": [0], "kernel": 5},
        {"op": "skip", "width": 32, "lr": 0.7314035227750778, "inputs": [0, 2, 3]},
        {"op": "pool", "width": 24, "lr": 0.4954799154091526, "inputs": [1, 2], "kernel": 3},
    ]
    mutant = space.mutate(Architecture(samples[0]), rng)
    assert mutant.to_json() == {**samples[0], "width": 8}
    assert space.crossover(Architecture(samples[1]), mutant, rng).to_json() == samples[1]


def test_continuous_choices_mutate_to_another_number():
    space = SearchSpace([Float("lr", 1e-4, 1e-1, log=True)])
    rng = rng_for(3)
    parent = space.sample(rng)
    assert space.mutate(parent, rng) != parent
    with pytest.raises(SpaceError, match="'lr' is continuous"):
        next(space.neighbours(parent))


def test_the_same_architecture_under_a_float_of_one_value_cannot_mutate():
    space = SearchSpace([Float("lr", 0.5, 0.5), Integer("n", 3, 3)])
    assert list(space.neighbours(space.default())) == []
    with pytest.raises(SpaceError, match="more candidates"):
        space.mutate(space.default(), rng_for(0))


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_an_impossible_mutation_probability_is_refused(probability):
    space = SearchSpace([Integer("n", 0, 9)])
    with pytest.raises(SpaceError, match="from 0 to 1"):
        space.mutate(space.default(), rng_for(0), probability=probability)


class TestConstraints:
    space = SearchSpace([Integer("a", 0, 9), Integer("b", 0, 9)]).constrained(lambda arch: arch["a"] + arch["b"] <= 5)

    def test_everything_generated_meets_them(self):
        rng = rng_for(5)
        parents = [self.space.sample(rng) for _ in range(50)]
        mutants = [self.space.mutate(parent, rng) for parent in parents]
        children = [self.space.crossover(*pair, rng) for pair in zip(parents, mutants, strict=True)]
        neighbours = [neighbour for parent in parents[:5] for neighbour in self.space.neighbours(parent)]
        assert all(map(self.space.satisfies, [*parents, *mutants, *children, *neighbours]))

    def test_the_grid_leaves_out_the_others(self):
        assert len(list(self.space.grid())) == 21
        assert self.space.size == 100

    def test_impossible_ones_end_with_an_error_that_names_them(self):
        def too_strict(architecture: Architecture) -> bool:
            return False

        with pytest.raises(ConstraintError, match=r"10,000 .*too_strict"):
            self.space.constrained(too_strict).sample(rng_for(0))


def test_a_seed_in_the_place_of_a_generator_is_an_error_that_says_what_to_write():
    with pytest.raises(
        SpaceError, match=r"sample\(\) got 0, expected a random generator: sample\(random.Random\(0\)\)"
    ):
        SearchSpace([Integer("x", 1, 3)]).sample(0)
