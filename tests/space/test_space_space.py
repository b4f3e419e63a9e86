import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples, spaces

from retiarii.errors import ArchitectureError, LabelConflictError, SpaceError
from retiarii.space import ALWAYS, Architecture, Categorical, Float, Integer, SearchSpace, Subset, rng_for, when


@pytest.fixture
def space():
    return SearchSpace(
        [
            Categorical("op", ("conv", "pool"), by_index=True, declared_at="model.op"),
            Categorical("kernel", (3, 5), condition=when("op", "conv"), declared_at="model.op.0"),
            Subset("inputs", ("x", "y", "z"), 1, 2),
            Float("lr", 0, 1),
        ]
    )


def test_it_is_a_collection_of_choices(space):
    assert len(space) == 4
    assert "kernel" in space
    assert "stride" not in space
    assert space["kernel"].values == (3, 5)
    assert [choice.label for choice in space] == ["op", "kernel", "inputs", "lr"]
    with pytest.raises(SpaceError, match=r"'kernal'.*Did you mean 'kernel'"):
        space["kernal"]


def test_every_spelling_becomes_canonical(space):
    found = space.architecture({"lr": 1, "inputs": [False, True, True], "op": [0], "kernel": 5.0})
    assert found == Architecture({"op": "conv", "kernel": 5, "inputs": ("y", "z"), "lr": 1.0})
    assert list(found) == ["op", "kernel", "inputs", "lr"]


def test_active_choices_are_decided_once_each_parents_first(space):
    for op, labels in (("conv", ["op", "kernel", "inputs", "lr"]), ("pool", ["op", "inputs", "lr"])):
        asked = []

        def value_of(choice, op=op, asked=asked):
            asked.append(choice.label)
            return op if choice.label == "op" else choice.default()

        assert list(space.decide(value_of)) == asked == labels
    with pytest.raises(ArchitectureError, match="'op' has value 'skip'"):
        space.decide(lambda choice: "skip")


def test_values_of_inactive_choices_are_dropped(space):
    raw = {"op": "pool", "kernel": "nonsense", "inputs": "x", "lr": 0.5}
    assert space.architecture(raw) == Architecture({"op": "pool", "inputs": ("x",), "lr": 0.5})


@pytest.mark.parametrize(
    ("raw", "message", "label"),
    [
        ({"op": "pool", "inputs": "x", "lr": 0, "kernal": 3}, "no such label. Did you mean 'kernel'", "kernal"),
        ({"op": "conv", "inputs": "x", "lr": 0}, r"no value for 'kernel' \(declared at model.op.0\).*{3, 5}", "kernel"),
        ({"op": "pol", "inputs": "x", "lr": 0}, "Did you mean 'pool'", "op"),
        ({"op": "pool", "inputs": "x", "lr": 2}, "Did you mean 1.0", "lr"),
        (["op"], "expected a mapping|is a mapping", None),
        ({1: 2}, "no such label", "1"),
    ],
)
def test_what_does_not_fit_is_explained(space, raw, message, label):
    with pytest.raises(ArchitectureError, match=message) as caught:
        space.architecture(raw)
    assert caught.value.label == label


@examples(50)
@given(spaces(), st.integers(0, 1000))
def test_positions_name_the_same_architecture(space, seed):
    architecture = space.sample(rng_for(seed))
    raw = {}
    for label, value in architecture.items():
        choice = space[label]
        if isinstance(choice, Subset):
            raw[label] = [candidate in value for candidate in choice.values]
        elif isinstance(choice, Categorical) and choice.by_index:
            raw[label] = choice.values.index(value)
        else:
            raw[label] = value
    assert space.architecture(raw) == architecture


@examples(50)
@given(spaces(), st.integers(0, 1000))
def test_the_encoding_tells_architectures_apart(space, seed):
    rng = rng_for(seed)
    one, other = space.sample(rng), space.sample(rng)
    codes = [space.encode(one), space.encode(other)]
    assert {len(code) for code in codes} == {len(space.feature_names)}
    assert all(0 <= number <= 1 for code in codes for number in code)
    assert (codes[0] == codes[1]) == (one == other)


def test_the_encoding_masks_what_is_inactive(space):
    assert space.feature_names == (
        *("op is active", "op=conv", "op=pool"),
        *("kernel is active", "kernel=3", "kernel=5"),
        *("inputs is active", "inputs=x", "inputs=y", "inputs=z"),
        *("lr is active", "lr"),
    )
    pool = space.architecture({"op": "pool", "inputs": ["x", "z"], "lr": 0.25})
    assert space.encode(pool) == [1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0.25]


def test_log_choices_are_encoded_by_their_logarithm():
    space = SearchSpace([Float("lr", 1e-4, 1e-2, log=True), Integer("n", 1, 100, log=True), Integer("one", 7, 7)])
    assert space.encode(Architecture({"lr": 1e-3, "n": 10, "one": 7})) == pytest.approx([1, 0.5, 1, 0.5, 1, 0])


def test_the_default_takes_first_candidates(space):
    assert space.default() == Architecture({"op": "conv", "kernel": 3, "inputs": ("x",), "lr": 0.0})


def test_merging_shares_labels():
    left = SearchSpace([Integer("a", 0, 9), Integer("b", 0, 9)], [lambda arch: arch["a"] == 1])
    right = SearchSpace([Integer("b", 0, 9), Integer("c", 0, 9)], [lambda arch: arch["c"] == 2])
    both = left.merge(right)
    assert both.size == 1000
    assert len(list(both.grid())) == 10
    assert left.merge(SearchSpace([])).size == left.size
    with pytest.raises(LabelConflictError):
        left.merge(SearchSpace([Integer("b", 0, 8)]))


def test_spaces_compare_by_content(space):
    assert space == SearchSpace(reversed(space.choices))
    assert hash(space) == hash(SearchSpace(reversed(space.choices)))
    assert space != SearchSpace(space.choices[:1])
    assert space != space.constrained(bool)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))])
def test_copies_and_pickles_work(space, duplicate):
    space.sample(rng_for(0))
    other = duplicate(space)
    assert other == space
    assert other.size == space.size
    assert other.sample(rng_for(1)) == space.sample(rng_for(1))


def test_a_pickle_does_not_carry_what_can_be_compiled_again():
    space = SearchSpace([Categorical(f"l{i}", (1, 2), condition=when("l0", 1) if i else ALWAYS) for i in range(50)])
    before = len(pickle.dumps(space))
    space.sample(rng_for(0))
    assert space.size == 2**49 + 1
    assert len(pickle.dumps(space)) == before


def test_threads_may_read_a_new_space():
    choices = [Categorical(f"l{i}", tuple(range(8))) for i in range(30)]
    expected = [SearchSpace(choices).sample(rng_for(seed)) for seed in range(8)]
    fresh = SearchSpace(choices)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda seed: fresh.sample(rng_for(seed)), range(8))) == expected
