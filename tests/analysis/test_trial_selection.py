import math

import pytest

from retiarii.analysis import TrialFilter, TrialTable, sort_columns, sorted_rows
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.testing.records import zoo
from retiarii.trial import Failure, FailureKind, Trial, TrialState


@pytest.fixture
def table():
    done = {"state": TrialState.COMPLETED, "started": 10.0}
    return TrialTable.of(
        ExperimentRecord("e"),
        [
            Trial(0, Architecture({"op": "conv", "width": 8}), metrics={"acc": 0.5}, ended=12.0, **done),
            Trial(1, Architecture({"op": "pool"}), metrics={"acc": math.nan}, ended=11.0, **done),
            Trial(2, Architecture({"op": "conv", "width": 1}), metrics={"acc": math.inf}, ended=10.5, **done),
            Trial(3, Architecture({"op": "conv", "width": True}), metrics={"acc": 0.5, "ms": 3.0}, ended=19.0, **done),
            Trial(
                4,
                Architecture({"op": "pool", "width": 16}),
                TrialState.FAILED,
                failure=Failure(FailureKind.RAISED, "<b>"),
                parent=0,
            ),
        ],
    )


def numbers(table, rows):
    return table.number[rows].tolist()


@pytest.mark.parametrize(
    ("column", "ascending", "descending"),
    [
        ("number", [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]),
        ("metric:acc", [0, 3, 2, 1, 4], [2, 0, 3, 1, 4]),
        ("metric:ms", [3, 0, 1, 2, 4], [3, 0, 1, 2, 4]),
        ("choice:op", [0, 2, 3, 1, 4], [1, 4, 0, 2, 3]),
        ("choice:width", [2, 3, 0, 4, 1], [4, 0, 3, 2, 1]),
        ("duration_s", [2, 1, 0, 3, 4], [3, 0, 1, 2, 4]),
        ("state", [0, 1, 2, 3, 4], [4, 0, 1, 2, 3]),
        ("parent", [4, 0, 1, 2, 3], [4, 0, 1, 2, 3]),
        ("failure", [4, 0, 1, 2, 3], [4, 0, 1, 2, 3]),
    ],
)
def test_rows_are_sorted_by_any_column_and_missing_values_come_last(table, column, ascending, descending):
    assert numbers(table, sorted_rows(table, column)) == ascending
    assert numbers(table, sorted_rows(table, column, descending=True)) == descending


def test_a_column_of_floats_is_sorted_by_their_size():
    trials = [Trial(number, Architecture({"lr": lr})) for number, lr in enumerate([0.3, 1e-9, 20.0])]
    table = TrialTable.of(ExperimentRecord("e"), [*trials, Trial(3, Architecture({}))])
    assert numbers(table, sorted_rows(table, "choice:lr")) == [1, 0, 2, 3]
    assert numbers(table, sorted_rows(table, "choice:lr", descending=True)) == [2, 0, 1, 3]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TrialFilter(), [0, 1, 2, 3, 4]),
        (TrialFilter(states=[TrialState.FAILED]), [4]),
        (TrialFilter(text=" CONV"), [0, 2, 3]),
        (TrialFilter(text="<b>"), [4]),
        (TrialFilter(text="3"), [3]),
        (TrialFilter(text="nothing has this"), []),
        (TrialFilter(states=[]), []),
        (TrialFilter(choices={"op": ["conv"]}), [0, 2, 3]),
        (TrialFilter(choices={"width": [1, 16]}), [2, 4]),
        (TrialFilter(choices={"width": [True]}), [3]),
        (TrialFilter(choices={"depth": [1]}), []),
        (TrialFilter(metrics={"acc": (0.5, 1.0)}), [0, 3]),
        (TrialFilter(metrics={"acc": (-math.inf, math.inf)}), [0, 2, 3]),
        (TrialFilter(metrics={"loss": (0, 1)}), []),
        (TrialFilter(choices={"op": ["conv"]}, metrics={"acc": (0.6, math.inf)}), [2]),
    ],
)
def test_trials_are_filtered_by_state_choice_and_metric(table, wanted, expected):
    assert table.number[wanted.matches(table)].tolist() == expected


def test_every_column_of_a_table_sorts():
    table = TrialTable.of(ExperimentRecord("e"), zoo())
    for column in sort_columns(table):
        assert sorted(sorted_rows(table, column).tolist()) == list(range(len(table)))
    with pytest.raises(KeyError):
        sorted_rows(table, "__class__")
