"""Costs that are added up from parts equal those of the whole, or are not added up."""

import pickle
import random
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.space import (
    AdditiveCost,
    Architecture,
    Categorical,
    CostReport,
    Float,
    Integer,
    SearchSpace,
    Subset,
    when,
)
from retiarii.testing.spaces import SPACES

OPERATIONS = ("conv", "pool", "skip")


def wide_space(count=12):
    return SearchSpace([Categorical(f"layer{index}", OPERATIONS) for index in range(count)])


def counted(measure):
    def counting(architecture):
        counting.calls += 1
        return measure(architecture)

    counting.calls = 0
    return counting


def of_neighbours(architecture):
    """Each part depends on its own choice and on the one before it."""
    values = [OPERATIONS.index(value) for value in architecture.values()]
    return {f"layer{index}": (values[index - 1] + 1) * (2 + values[index]) for index in range(len(values))}


def assert_right(cost, measure, space, seed=0, count=300):
    rng = random.Random(seed)
    for _ in range(count):
        architecture = space.sample(rng)
        assert cost(architecture) == sum(measure(architecture).values())


def test_after_some_networks_most_are_not_built():
    measure, space = counted(of_neighbours), wide_space()
    cost = AdditiveCost("params", space, measure)
    assert_right(cost, of_neighbours, space, count=3000)
    report = cost.report()
    assert isinstance(report, CostReport)
    assert report.is_additive
    assert report.num_added > 2500
    assert report.num_wrong == 0
    assert report.num_built == measure.calls < 500
    assert report.num_parts == 12
    assert report.num_entries == 12 * 9


def test_few_architectures_cost_one_build_each():
    measure, space = counted(of_neighbours), wide_space()
    cost = AdditiveCost("params", space, measure)
    assert_right(cost, of_neighbours, space, count=60)
    assert_right(cost, of_neighbours, space, count=60)
    assert measure.calls == 60
    assert cost.report().reason == "0 of 64 sums in a row were checked"


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_parts_of_any_few_choices_are_found(data):
    """Also those whose influence shows only for some values of other choices."""
    space = wide_space(8)
    labels = st.lists(st.sampled_from(list(space)), min_size=1, max_size=3, unique=True)
    influences = data.draw(st.lists(labels.map(lambda choices: [choice.label for choice in choices]), max_size=6))
    shapes = data.draw(st.lists(st.sampled_from([max, min, sum]), min_size=len(influences), max_size=len(influences)))

    def measure(architecture):
        return {
            f"part{index}": shape(OPERATIONS.index(architecture[label]) for label in names)
            for index, (names, shape) in enumerate(zip(influences, shapes, strict=True))
        }

    cost = AdditiveCost("flops", space, measure, seed=data.draw(st.integers(0, 5)))
    assert cost.learn().is_additive
    assert_right(cost, measure, space)
    assert cost.report().num_wrong == 0


def test_choices_inside_others_and_of_every_kind():
    space = SearchSpace(
        [
            Categorical("block", ("conv", "mixed", "skip")),
            Integer("width", 1, 500, condition=when("block", "conv")),
            Subset("inputs", (0, 1, 2), 0, 3, condition=when("block", "mixed")),
            Categorical("bias", (None, 1), condition=when("block", "mixed")),
            *wide_space(4),
        ]
    )

    def measure(architecture):
        parts = {"width": architecture.get("width", 0), "inputs": len(architecture.get("inputs", ()))}
        return {**parts, "bias": 5 if "bias" in architecture and architecture["bias"] is None else 0}

    cost = AdditiveCost("params", space, measure)
    assert_right(cost, measure, space, count=2500)
    assert cost.report().num_added > 100


@pytest.mark.parametrize("name", SPACES)
def test_every_kind_of_space(name):
    space = SPACES[name]()

    def measure(architecture):
        return {label: len(str(value)) for label, value in architecture.items()}

    cost = AdditiveCost("size", space, measure)
    cost.learn(400)
    assert_right(cost, measure, space, count=100)


def test_labels_of_others_do_not_count():
    measure, space = counted(of_neighbours), wide_space()
    cost = AdditiveCost("params", space, measure)
    cost.learn()
    known = space.sample(random.Random(0))
    before = measure.calls
    assert len({cost(Architecture({**known, "learning_rate": rate})) for rate in (0.1, 0.2, 0.3)}) == 1
    assert measure.calls <= before + 1


def test_a_part_of_many_choices_is_not_added_up(caplog):
    def measure(architecture):
        return {"all": len(set(architecture.values())) + list(architecture.values()).count("conv") ** 2}

    space = wide_space()
    cost = AdditiveCost("flops", space, measure)
    caplog.set_level("INFO", "retiarii")
    assert_right(cost, measure, space, count=400)
    report = cost.report()
    assert not report.is_additive
    assert report.num_added == 0
    assert report.reason == "the part 'all' depends on more than 8 choices"
    assert f"flops cannot be added up from parts ({report.reason}), so each network is built." in caplog.text


def test_a_cost_that_changes_by_itself_is_not_added_up():
    rng = random.Random(0)
    cost = AdditiveCost("latency", wide_space(), lambda architecture: {"all": rng.random()})
    cost.learn()
    assert not cost.report().is_additive


def test_a_rare_influence_is_found_later_and_corrected():
    """It shows in one of 3**6 architectures only, so that the sums are trusted before."""

    def measure(architecture):
        values = list(architecture.values())
        return {**of_neighbours(architecture), "rare": 100 * (values[:6] == ["skip"] * 6)}

    space = wide_space()
    cost = AdditiveCost("flops", space, measure)
    cost.learn()
    assert cost.report().is_additive
    rare = space.architecture({**space.default(), **{f"layer{index}": "skip" for index in range(6)}})
    rng = random.Random(1)
    for _ in range(5_000):
        cost(space.sample(rng))
        cost(rare)
        if cost.report().num_wrong:
            break
    assert cost(rare) == sum(measure(rare).values())
    assert_right(cost, measure, space)


def test_architectures_that_cannot_be_built_are_errors_only_when_asked_for():
    def measure(architecture):
        if architecture["layer0"] == "skip":
            raise ValueError("no such network")
        return of_neighbours(architecture)

    space = wide_space()
    allowed = space.constrained(lambda architecture: architecture["layer0"] != "skip")
    cost = AdditiveCost("params", space, measure)
    assert_right(cost, measure, allowed, count=1500)
    assert cost.report().num_added > 500
    with pytest.raises(ValueError, match="no such network"):
        cost(space.architecture({**space.default(), "layer0": "skip"}))


def test_model_constraints_hold_for_what_is_tried():
    def measure(architecture):
        assert architecture["layer0"] == architecture["layer1"]
        return of_neighbours(architecture)

    space = wide_space().constrained(lambda architecture: architecture["layer0"] == architecture["layer1"])
    cost = AdditiveCost("params", space, measure)
    assert_right(cost, measure, space, count=1000)


def test_a_continuous_choice():
    space = SearchSpace([Float("rate", 0.0, 1.0), *wide_space(4)])
    cost = AdditiveCost("params", space, lambda architecture: of_neighbours(architecture.restricted(wide_space(4))))
    assert cost.learn().is_additive
    assert cost.report().num_entries == 4 * 9


def test_a_copy_starts_anew():
    cost = AdditiveCost("params", wide_space(), of_neighbours)
    cost.learn()
    copied = pickle.loads(pickle.dumps(cost))
    assert copied.report().num_built == 0
    assert copied.__name__ == "params"
    assert_right(copied, of_neighbours, wide_space())


def test_factors_of_a_cost_are_tables_of_their_own():
    """The cost of a part depends on 5 choices with 6 values each (7776 rows); each of its factors on 1 or 2."""
    widths = [Categorical(f"width{index}", (1, 2, 3, 4, 5, 6)) for index in range(6)]
    depth = Integer("depth", 1, 3)
    ratios = [Categorical(f"ratio{index}", (1, 2, 3, 4, 5, 6), condition=when("depth", 3)) for index in range(2)]
    space = SearchSpace([*widths, depth, *ratios])

    def measure(architecture):
        width = [architecture[f"width{index}"] for index in range(6)]
        parts = {f"part{at}": (width[at] * width[at - 1], width[at - 2], width[at - 3] + 7) for at in range(6)}
        if architecture["depth"] == 3:  # otherwise the part is not there, and nothing is known of its factors
            parts["deep"] = (architecture["ratio0"], architecture["ratio1"] * width[0], 10)
        return {**parts, "plain": 3.0, "scalar": ()}

    def total(architecture):
        return sum(prod(cost) if isinstance(cost, tuple) else cost for cost in measure(architecture).values())

    counting = counted(measure)
    cost = AdditiveCost("params", space, counting)
    report = cost.learn(400)
    assert report.is_additive
    assert report.num_parts == 9
    rng = random.Random(1)
    for _ in range(1500):
        architecture = space.sample(rng)
        assert cost(architecture) == total(architecture)
    assert cost.report().num_added > 1300
    assert cost.report().num_wrong == 0
    assert counting.calls < 500
