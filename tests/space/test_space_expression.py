import copy
import math
import operator
import pickle
import warnings
from dataclasses import dataclass
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples

from retiarii.errors import ArchitectureError, ChoiceMisuseError, SpaceError
from retiarii.space import Architecture, Categorical, Choice, ChoiceMisuseWarning, Expression, Float, Variable


class Value(Variable):
    def __init__(self, label: str, *values: Any) -> None:
        self._choice = Categorical(label, values)

    @property
    def label(self) -> str:
        return self._choice.label

    def choice(self) -> Choice:
        return self._choice


WIDTH = Value("width", 32, 64)
DEPTH = Value("depth", 3, 1, 2)
RATE = Value("rate", 0.5, 0.25)
FLAG = Value("flag", True, False)
SIZES = Value("sizes", (1, 3), (5, 7))
CHOSEN = {"width": 64, "depth": 2, "rate": 0.25, "flag": False, "sizes": (5, 7)}

BINARY = {
    symbol: getattr(operator, name)
    for symbol, name in zip(
        ["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">="],
        "add sub mul truediv floordiv mod pow lshift rshift and_ or_ xor eq ne lt le gt ge".split(),
        strict=True,
    )
}
UNARY = {"-": operator.neg, "+": operator.pos, "~": operator.invert, "abs": abs, "round": round} | {
    name: getattr(math, name) for name in ("floor", "ceil", "trunc")
}


@dataclass
class Formula:
    """The same formula twice: as an expression, and as a function that computes it with plain Python."""

    expression: Any
    compute: Any


leaves = st.one_of(
    st.sampled_from([WIDTH, DEPTH, RATE]).map(lambda variable: Formula(variable, lambda: CHOSEN[variable.label])),
    st.one_of(st.integers(-3, 5), st.sampled_from([0.5, -1.5])).map(lambda value: Formula(value, lambda: value)),
)


def combined(inner):
    unary = st.tuples(st.sampled_from(sorted(set(UNARY) - {"~"})), inner).map(
        lambda drawn: Formula(UNARY[drawn[0]](drawn[1].expression), lambda: UNARY[drawn[0]](drawn[1].compute()))
    )
    symbols = sorted(set(BINARY) - {"**", "<<"})  # those grow without bound
    binary = st.tuples(st.sampled_from(symbols), inner, inner).map(
        lambda drawn: Formula(
            BINARY[drawn[0]](drawn[1].expression, drawn[2].expression),
            lambda: BINARY[drawn[0]](drawn[1].compute(), drawn[2].compute()),
        )
    )
    largest = st.lists(inner, min_size=2, max_size=3).map(
        lambda drawn: Formula(
            Expression.max([formula.expression for formula in drawn]),
            lambda: max(formula.compute() for formula in drawn),
        )
    )
    either = st.tuples(inner, inner, inner).map(
        lambda drawn: Formula(
            Expression.condition(*(formula.expression for formula in drawn)),
            lambda: drawn[1].compute() if drawn[0].compute() else drawn[2].compute(),
        )
    )
    return st.one_of(unary, binary, largest, either)


def outcome(compute):
    try:
        value = compute()
    except (TypeError, ZeroDivisionError, ValueError, OverflowError) as err:
        return type(err)
    return repr(value)


@st.composite
def formulas(draw):
    """Draw a formula; those that Python refuses to build from its constants alone become a variable."""
    try:
        return draw(st.recursive(leaves, combined, max_leaves=12))
    except (TypeError, ZeroDivisionError, ValueError, OverflowError):
        return Formula(WIDTH, lambda: CHOSEN["width"])


@examples(150)
@given(formulas())
def test_expressions_agree_with_plain_python(formula):
    if isinstance(formula.expression, Expression):
        assert outcome(lambda: formula.expression.evaluate(CHOSEN)) == outcome(formula.compute)


@pytest.mark.parametrize("symbol", BINARY)
def test_binary_operators_and_their_reflections(symbol):
    function = BINARY[symbol]
    assert function(WIDTH, DEPTH).evaluate(CHOSEN) == function(64, 2)
    assert function(WIDTH, 3).evaluate(CHOSEN) == function(64, 3)
    assert function(70, DEPTH).evaluate(CHOSEN) == function(70, 2)


@pytest.mark.parametrize("name", UNARY)
def test_unary_operators(name):
    assert UNARY[name](WIDTH).evaluate(CHOSEN) == UNARY[name](64)


def test_rounding_to_digits():
    assert round(RATE / 3, 2).evaluate(CHOSEN) == round(0.25 / 3, 2)
    assert round(WIDTH + 3, 1 - DEPTH).evaluate(CHOSEN) == round(67, -1)


def test_tilde_is_not_for_booleans_and_the_complement_for_integers():
    assert (~(WIDTH == 64)).evaluate(CHOSEN) is False
    assert (~FLAG).evaluate(CHOSEN) is True
    assert (~DEPTH).evaluate(CHOSEN) == -3
    assert ((WIDTH > 32) & ~FLAG).evaluate(CHOSEN) is True


def test_indexing_by_numbers_slices_and_choices():
    assert SIZES[1].evaluate(CHOSEN) == 7
    assert SIZES[DEPTH - 1].evaluate(CHOSEN) == 7
    assert SIZES[:1].evaluate(CHOSEN) == (5,)
    assert SIZES[DEPTH - 2 : DEPTH].evaluate(CHOSEN) == (5, 7)
    assert Expression.apply(operator.getitem, [10, 20, 30], DEPTH).evaluate(CHOSEN) == 30


def test_functions_without_an_operator():
    assert Expression.to_int(RATE * 10).evaluate(CHOSEN) == 2
    assert repr(Expression.to_float(WIDTH).evaluate(CHOSEN)) == "64.0"
    assert Expression.max(WIDTH, 100).evaluate(CHOSEN) == 100
    assert Expression.max([WIDTH, DEPTH]).evaluate(CHOSEN) == 64
    assert Expression.max((WIDTH,)).evaluate(CHOSEN) == 64
    assert Expression.min(SIZES).evaluate(CHOSEN) == 5
    assert Expression.min(item for item in (WIDTH, 3)).evaluate(CHOSEN) == 3
    assert Expression.apply(math.gcd, WIDTH, 48).evaluate(CHOSEN) == 16
    assert Expression.apply(sum, [WIDTH, (DEPTH, 1)[0]]).evaluate(CHOSEN) == 66
    for function in (Expression.max, Expression.min):
        with pytest.raises(SpaceError, match="no values"):
            function([])


def test_only_the_branch_that_is_taken_is_computed():
    safe = Expression.condition(DEPTH == 2, WIDTH, 1 / (DEPTH - 2))
    assert safe.evaluate(CHOSEN) == 64
    assert safe.evaluate({"depth": 3}) == 1
    with pytest.raises(ArchitectureError, match="'width'"):
        safe.evaluate({"depth": 2})


def test_defaults_are_first_candidates():
    assert (WIDTH * DEPTH).default() == 96
    assert Expression.condition(FLAG, SIZES[0], 0).default() == 1


def test_variables_are_listed_once_in_order():
    again = Value("width", 32, 64)
    expression = DEPTH + again * WIDTH - Expression.max([RATE, DEPTH])
    variables = expression.variables()
    assert [variable.label for variable in variables] == ["depth", "width", "rate"]
    assert variables[1] is again
    assert SIZES[DEPTH:].variables() == (SIZES, DEPTH)
    assert [variable.label for variable in Expression.condition(FLAG, WIDTH, DEPTH).variables()] == [
        "flag",
        "width",
        "depth",
    ]


def test_the_same_label_has_the_same_value():
    again = Value("width", 32, 64)
    assert (WIDTH - again).possible_values() == (0,)


def test_possible_values_are_distinct_by_type():
    assert (WIDTH // 64).possible_values() == (0, 1)
    assert [repr(value) for value in Expression.condition(DEPTH > 1, Value("v", 1, 1.0), FLAG).possible_values()] == [
        "1",
        "1.0",
        "True",
        "False",
    ]
    assert Expression.apply(lambda depth: [depth % 2], DEPTH).possible_values() == ([1], [0])


def test_too_many_possible_values_are_refused():
    with pytest.raises(SpaceError, match=r"6 combinations .* limit of 5"):
        (WIDTH * DEPTH).possible_values(limit=5)

    class Rate(Value):
        def choice(self) -> Choice:
            return Float("rate", 0, 1)

    with pytest.raises(SpaceError, match="inf combinations"):
        (Rate("rate", 0) * 2).possible_values()


def test_architectures_give_the_values():
    assert (WIDTH * 2).evaluate(Architecture({"width": 32})) == 64
    with pytest.raises(ArchitectureError, match=r"needs a value for the label 'width'.*Did you mean 'widht'") as caught:
        (WIDTH * 2).evaluate({"widht": 3})
    assert caught.value.label == "width"


def test_a_variable_may_stand_for_something_else():
    class Doubled(Value):
        def value_of(self, chosen: Any) -> Any:
            return chosen * 2

    doubled = Doubled("v", 1, 2) + 0
    assert (doubled.default(), doubled.evaluate({"v": 2}), doubled.possible_values()) == (2, 4, (2, 4))


def test_long_and_shared_expressions_are_computed_in_no_time():
    long = sum([WIDTH] * 5000)
    assert long.evaluate(CHOSEN) == 5000 * 64
    shared = DEPTH
    for _ in range(200):
        shared = shared + shared
    assert shared.evaluate({"depth": 1}) == 2**200
    assert shared.variables() == (DEPTH,)
    assert len(repr(shared)) < 100_000
    assert len(repr(long)) < 1000


def test_formulas_can_be_read():
    assert repr(WIDTH) == "Value({32, 64}, label='width')"
    assert repr((WIDTH + 1) * 2) == "(Value({32, 64}, label='width') + 1) * 2"
    assert repr(Expression.max(1, round(RATE[0], 2))) == "max(1, round(Value({0.5, 0.25}, label='rate')[0], 2))"
    assert repr(Expression.apply(lambda x: x, 1)) == "<lambda>(1)"
    assert repr(Expression.condition(FLAG, 1, -DEPTH)) == (
        "condition(Value({True, False}, label='flag'), 1, (-Value({3, 1, 2}, label='depth')))"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda expression: pickle.loads(pickle.dumps(expression))])
def test_expressions_can_be_copied_and_pickled(duplicate):
    expression = Expression.condition(FLAG, WIDTH, SIZES[0] + Expression.apply(math.gcd, WIDTH, 6))
    assert duplicate(expression).evaluate(CHOSEN) == expression.evaluate(CHOSEN) == 7


@pytest.mark.parametrize(
    "misuse",
    [
        bool,
        int,
        float,
        complex,
        len,
        list,
        lambda value: 3 if value else 4,
        lambda value: value in [1, 2],
        lambda value: 1 in value,
        lambda value: [*value],
        math.sqrt,
    ],
)
@pytest.mark.parametrize("expression", [WIDTH, WIDTH * 2])
def test_what_needs_the_value_now_is_explained(misuse, expression):
    with pytest.raises(ChoiceMisuseError, match=r"Value\({32, 64}, label='width'\).*@basic_unit.*ModelParameterChoice"):
        misuse(expression)


@pytest.mark.parametrize("misuse", [range, [1, 2].__getitem__, operator.index, hex])
def test_use_as_an_integer_also_warns(misuse):
    with pytest.warns(ChoiceMisuseWarning, match="'width'"), pytest.raises(ChoiceMisuseError, match="'width'"):
        misuse(WIDTH)


def test_numpy_leaves_arithmetic_to_the_expression():
    product = numpy.float64(2) * WIDTH
    assert isinstance(product, Expression)
    assert product.evaluate(CHOSEN) == 128
    assert (numpy.array([1, 2]) + WIDTH).evaluate(CHOSEN).tolist() == [65, 66]


def test_expressions_are_hashed_by_identity():
    with warnings.catch_warnings(record=True):
        assert len({WIDTH, WIDTH, WIDTH + 1, WIDTH + 1}) == 3
        assert {WIDTH: "found"}[WIDTH] == "found"
