import pytest

from retiarii.space import Categorical, Float, Integer, SearchSpace, Subset, both, either, when
from retiarii.space._describe import size_text


def test_a_small_space_is_a_plain_table():
    space = SearchSpace([Categorical("op", ("conv", "pool")), Integer("width", 8, 64, 8)])
    assert space.describe() == (
        "label  domain\n"
        "-----  ----------------\n"
        "op     {'conv', 'pool'}\n"
        "width  8..64 (step 8)\n"
        "\n"
        "2 labels, 16 architectures"
    )
    assert repr(space) == "SearchSpace(2 labels, 16 architectures)"


def test_conditions_and_places_have_columns_where_there_are_any():
    space = SearchSpace(
        [
            Categorical("op", ("conv", "pool"), declared_at="model.op"),
            Subset("inputs", (0, 1, 2), 1, 2, condition=when("op", "conv"), declared_at="model.inputs"),
            Float("lr", 0.001, 0.1, log=True, declared_at="evaluator.lr"),
        ]
    ).constrained(bool)
    assert space.describe() == (
        "label   domain               active when  declared at\n"
        "------  -------------------  -----------  ------------\n"
        "op      {'conv', 'pool'}     always       model.op\n"
        "inputs  1 to 2 of {0, 1, 2}  op = 'conv'  model.inputs\n"
        "lr      [0.001, 0.1] (log)   always       evaluator.lr\n"
        "\n"
        "3 labels, infinitely many architectures, 1 constraint not counted"
    )


def test_conditions_read_well():
    mixed = Categorical("m", (1, 10, 9, "x", None, (2, 1), (1, "a")))
    inputs = Subset("s", ("x", "y", "z"), 1, 3)
    inner = [
        Categorical("one", (0, 1), condition=either(both(when("m", 9), when("s", "y")), when("m", "x"))),
        Categorical("two", (0, 1), condition=when("s", "z", "x")),
        Categorical("three", (0, 1), condition=when("m", 10, 9, None, (1, "a"), (2, 1))),
        Categorical("four", (0, 1), condition=frozenset()),
    ]
    assert [row[2] for row in SearchSpace([mixed, inputs, *inner]).rows()] == [
        "always",
        "always",
        "m = 'x' or m = 9 and s contains 'y'",
        "s contains one of {'x', 'z'}",
        "m in {None, 9, 10, (1, 'a'), (2, 1)}",
        "never",
    ]


def test_a_large_space_stays_readable():
    space = SearchSpace([Categorical(f"cell{i}", tuple(f"operation_{k}" for k in range(20))) for i in range(40)])
    text = space.describe()
    assert len(text.splitlines()) == 44
    assert max(map(len, text.splitlines())) <= 70
    assert "{'operation_0', 'operation_1', ... 20 in all}" in text
    assert text.endswith("40 labels, 1.1e52 architectures")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1, "1 architecture"),
        (999_999, "999,999 architectures"),
        (1_234_567_890, "1,234,567,890 (1.2e9) architectures"),
        (999_999_999, "999,999,999 (1.0e9) architectures"),
        (10**30, "1.0e30 architectures"),
        pytest.param(7 * 10**5000, "7.0e5000 architectures", id="more digits than str() converts"),
    ],
)
def test_sizes_for_people(size, text):
    assert size_text(size) == text


def test_the_empty_space_can_be_described():
    assert SearchSpace([]).describe().endswith("0 labels, 1 architecture")
