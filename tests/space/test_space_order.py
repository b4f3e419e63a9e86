import pytest

from retiarii.errors import LabelConflictError, SpaceError
from retiarii.space import ALWAYS, Categorical, Float, Integer, SearchSpace, Subset, both, when


def labels(space):
    return [choice.label for choice in space]


def test_parents_come_first_and_the_rest_stays_in_order():
    space = SearchSpace(
        [
            Categorical("z", (1, 2)),
            Categorical("inner", (1, 2), condition=when("outer", 1)),
            Categorical("a", (1, 2)),
            Categorical("outer", (1, 2), condition=when("root", 1)),
            Categorical("root", (1, 2)),
        ]
    )
    assert labels(space) == ["z", "root", "outer", "inner", "a"]


def test_one_label_is_one_decision():
    first = Categorical("k", (3, 5), condition=when("op", "conv"), declared_at="model.a")
    second = Categorical("k", [3, 5], condition=when("op", "pool"), declared_at="model.b")
    space = SearchSpace([Categorical("op", ("conv", "pool", "skip")), first, second])
    assert len(space) == 2
    assert space["k"].condition == when("op", "conv", "pool")
    assert space["k"].declared_at == "model.a"


@pytest.mark.parametrize(
    "other",
    [
        Categorical("k", (3, 7), declared_at="model.b"),
        Categorical("k", (5, 3), declared_at="model.b"),
        Categorical("k", (3.0, 5), declared_at="model.b"),
        Categorical("k", (3, 5), prior=(0.5, 0.5), declared_at="model.b"),
        Subset("k", (3, 5), 1, 1, declared_at="model.b"),
        Integer("k", 3, 5, 2, declared_at="model.b"),
    ],
)
def test_two_domains_under_one_label_show_both_places(other):
    with pytest.raises(LabelConflictError, match=r"'k' .*model\.a.*model\.b.*rename one") as caught:
        SearchSpace([Categorical("k", (3, 5), declared_at="model.a"), other])
    assert (caught.value.label, caught.value.places) == ("k", ("model.a", "model.b"))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (when("opp", "conv"), "'opp', which is not in this space. Did you mean 'op'"),
        (when("op", "conv5"), r"'conv5' of 'op', whose domain is {'conv', 'pool'} \(declared at model.op\).*'conv'"),
        (when("n", 9), r"9 of 'n', whose domain is 1\.\.8"),
        (when("s", 2), "2 of 's'"),
        (when("lr", 0.5), "continuous choice 'lr'"),
        (when("same", 1), "candidates that Python calls equal: 1, True"),
        (when("x", 1), "circle: 'x' depends on 'x'"),
    ],
)
def test_impossible_conditions_are_explained(condition, message):
    parents = [
        Categorical("op", ("conv", "pool"), declared_at="model.op"),
        Integer("n", 1, 8),
        Subset("s", (0, 1), 1, 2),
        Float("lr", 0, 1),
        Categorical("same", (1, True)),
    ]
    with pytest.raises(SpaceError, match=message):
        SearchSpace([*parents, Categorical("x", (1, 2), condition=condition, declared_at="model.x")])


def test_a_circle_of_conditions_is_shown():
    with pytest.raises(SpaceError, match="'b' depends on 'c' depends on 'b'"):
        SearchSpace(
            [
                Categorical("a", (1,), condition=when("b", 1)),
                Categorical("b", (1,), condition=when("c", 1)),
                Categorical("c", (1,), condition=when("b", 1)),
            ]
        )


def test_what_is_no_choice_is_refused():
    with pytest.raises(SpaceError, match="'op' of type str"):
        SearchSpace(["op"])


def test_conditions_are_shown_without_what_they_imply():
    inner = both(when("a", 1), when("b", 1))
    space = SearchSpace(
        [
            Categorical("a", (1, 2)),
            Categorical("b", (1, 2), condition=when("a", 1)),
            Categorical("c", (1, 2), condition=inner),
        ]
    )
    assert [row[2] for row in space.rows()] == ["always", "a = 1", "b = 1"]
    assert space["c"].condition == inner
    assert space["a"].condition == ALWAYS
