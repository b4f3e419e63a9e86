import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples, is_active

from retiarii.errors import DomainError, SpaceError
from retiarii.space import ALWAYS, Categorical, Condition, Subset, Test, both, either, when

PARENTS = {
    "a": Categorical("a", (1, 2, 3)),
    "b": Categorical("b", (1, 2, 3)),
    "s": Subset("s", (1, 2, 3), 0, 3),
}
tests = st.builds(Test, st.sampled_from("abs"), st.frozensets(st.integers(1, 3), min_size=1))
conditions = st.frozensets(st.frozensets(tests, max_size=3), max_size=3)


def truth_table(condition: Condition) -> list[bool]:
    choice = Categorical("x", (1,), condition=condition)
    return [
        is_active(choice, PARENTS, dict(zip("abs", values, strict=True)))
        for values in itertools.product((1, 2, 3), (1, 2, 3), [(), (1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3)])
    ]


@examples(100)
@given(conditions, conditions)
def test_both_is_and_either_is_or(first, second):
    pairs = list(zip(truth_table(first), truth_table(second), strict=True))
    assert truth_table(both(first, second)) == [one and other for one, other in pairs]
    assert truth_table(either(first, second)) == [one or other for one, other in pairs]


def test_always_and_repetition_disappear():
    inner = both(when("a", 1), when("b", 2))
    assert both(ALWAYS, inner) == both(inner, inner) == either(inner, inner) == inner
    assert either(ALWAYS, inner) == ALWAYS


def test_values_of_one_label_are_joined():
    assert either(when("a", 1), when("a", 2, 3)) == when("a", 1, 2, 3)
    assert either(when("a", 1), both(when("a", 1), when("b", 1))) == when("a", 1)


def test_a_test_keeps_plain_values():
    assert Test("a", [[1, 2], "x"]).values == frozenset({(1, 2), "x"})
    assert Test("a", ["x"]) == Test("a", {"x"})


@pytest.mark.parametrize(("values", "message"), [([], "names no value"), ([object()], "plain value")])
def test_impossible_tests_are_refused(values, message):
    with pytest.raises(SpaceError, match=f"'a' .*{message}"):
        Test("a", values)
    with pytest.raises(SpaceError, match=f"'a' .*{message}"):
        when("a", *values)


@pytest.mark.parametrize("condition", [None, True, [[]], {Test("a", [1])}, frozenset({Test("a", [1])}), Test("a", [1])])
def test_what_is_no_condition_is_refused(condition):
    with pytest.raises(DomainError, match=r"'x' has the condition .*model\.x.*when\(\)"):
        Categorical("x", (1, 2), condition=condition, declared_at="model.x")
