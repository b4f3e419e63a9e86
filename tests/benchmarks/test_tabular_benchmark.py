"""Data frames as benchmarks: spaces, lookups, fidelities, seeds, costs and what is wrong with a frame."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nb201_frame import LABELS, nb201_frame

from retiarii.benchmarks import Benchmark, ResultTable, TabularBenchmark, TabularEvaluator
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError, SpaceError
from retiarii.evaluator import TrialContext
from retiarii.space import Architecture, Categorical, SearchSpace, rng_for
from retiarii.trial import Fidelity

ROWS = [
    {"op": "conv", "width": 16, "acc": 90.0, "time": 300.0},
    {"op": "conv", "width": 32, "acc": 92.0, "time": 400.0},
    {"op": "skip", "width": 16, "acc": 80.0, "time": None},
    {"op": "skip", "width": 32, "acc": 82.0, "time": 100.0},
]


def benchmark(rows=ROWS, **settings):
    return TabularBenchmark(rows, **{"choices": ["op", "width"], "metrics": ["acc"], "seconds": "time", **settings})


def curves():
    """Trainings of 1, 3 and 9 epochs with two seeds, of which the second lacks one result."""
    return [
        {
            "op": op,
            "epochs": epochs,
            "seed": seed,
            "acc": base + epochs + seed / 10,
            "loss": 1 / epochs,
            "time": 10.0 * epochs,
        }
        for op, base in (("conv", 80), ("skip", 70))
        for epochs in (1, 3, 9)
        for seed in (0, 1)
        if (op, epochs, seed) != ("skip", 3, 1)
    ]


def with_curves(rows=None, **settings):
    fixed = {"choices": ["op"], "metrics": ["acc", "loss"], "seconds": "time", "fidelity": "epochs", "seed": "seed"}
    return TabularBenchmark(curves() if rows is None else rows, **{**fixed, **settings})


def evaluated(evaluator, values, **context):
    """The reports and the result of an evaluation, with their times."""
    reports = []
    told = TrialContext(on_report=reports.append, **context)
    result = evaluator.evaluate(Architecture(values), told)
    return [*reports, result], evaluator.seconds(Architecture(values), told)


def test_a_frame_that_has_all_combinations_is_a_plain_space():
    made = benchmark()
    assert made.space == SearchSpace([Categorical("op", ("conv", "skip")), Categorical("width", (16, 32))])
    assert isinstance(made, Benchmark)
    assert made.fidelities() == {}


def test_an_architecture_has_the_results_of_its_row():
    found, seconds = evaluated(benchmark().evaluator(), {"op": "skip", "width": 32})
    assert found == [{"acc": 82.0, "default": 82.0}]
    assert seconds == [100.0]


def test_times_may_be_numbers_of_numpy():
    values = {"op": "conv", "width": 16}
    assert evaluated(benchmark(seconds=np.int64(60)).evaluator(), values)[1] == [60.0]
    assert evaluated(benchmark().evaluator(cost=np.float32(2.5)), values)[1] == [2.5]


def test_a_missing_time_is_the_median():
    assert evaluated(benchmark().evaluator(), {"op": "skip", "width": 16})[1] == [300.0]


class Frame:
    """What is used of a pandas DataFrame."""

    iloc = None

    def __init__(self, columns):
        self._columns = columns

    @property
    def columns(self):
        return list(self._columns)

    def __getitem__(self, name):
        return Column(self._columns[name])


class Column(list):
    def to_numpy(self):
        return np.array(self)


@pytest.mark.parametrize("form", ["dict", "rows", "arrays", "series", "frame", "pandas"])
def test_every_form_of_frame_gives_the_same(form):
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    columns["time"] = [300.0, 400.0, float("nan"), 100.0]
    frames = {
        "dict": columns,
        "rows": ROWS,
        "arrays": {name: np.array(column) for name, column in columns.items()},
        "series": {name: Column(column) for name, column in columns.items()},
        "frame": Frame(columns),
    }
    frame = frames[form] if form in frames else pytest.importorskip("pandas").DataFrame(columns)
    made = benchmark(frame)
    assert made.space == benchmark().space
    for row in ROWS:
        values = {"op": row["op"], "width": row["width"]}
        assert evaluated(made.evaluator(), values) == evaluated(benchmark().evaluator(), values)


def test_of_an_incomplete_frame_only_its_architectures_are_proposed():
    space = benchmark(ROWS[:3]).space
    assert space.size == 3
    drawn = {tuple(space.sample(rng_for(0, number)).values()) for number in range(50)}
    assert drawn == {("conv", 16), ("conv", 32), ("skip", 16)}
    with pytest.raises(ArchitectureError, match="not one of the 3"):
        space.architecture({"op": "skip", "width": 32})
    neighbours = {tuple(other.values()) for other in space.neighbours(space.architecture({"op": "conv", "width": 16}))}
    assert neighbours == {("conv", 32), ("skip", 16)}
    mutants = {tuple(space.mutate(space.at(1), rng_for(0, number)).values()) for number in range(20)}
    assert mutants == {("conv", 16)}  # ("conv", 32) has one neighbour only


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=1, max_size=23), st.integers(0))
def test_neighbours_in_an_incomplete_frame_differ_in_one_label(keys, seed):
    rows = [{"a": a, "b": b, "c": c, "acc": 1.0} for a, b, c in keys]
    space = TabularBenchmark(rows, choices=["a", "b", "c"], metrics=["acc"]).space
    assert {tuple(architecture.values()) for architecture in space.grid()} == keys
    start = space.sample(rng_for(seed))
    key = tuple(start.values())
    expected = {other for other in keys if sum(x != y for x, y in zip(key, other, strict=True)) == 1}
    assert {tuple(other.values()) for other in space.neighbours(start)} == expected
    if expected:
        assert tuple(space.mutate(start, rng_for(seed, 1)).values()) in expected
    else:
        with pytest.raises(SpaceError):
            space.mutate(start, rng_for(seed, 1))
    children = [space.crossover(start, space.sample(rng_for(seed, 2)), rng_for(seed, 3))]
    children.append(space.mutate(start, rng_for(seed, 4), probability=0.5))
    assert {tuple(child.values()) for child in children} <= keys


def test_fidelities_are_reported_on_the_way_and_cost_their_time():
    found, seconds = evaluated(with_curves().evaluator(), {"op": "conv"})
    assert [told["default"] for told in found] == pytest.approx([81.05, 83.05, 89.05])
    assert [told["loss"] for told in found] == pytest.approx([1, 1 / 3, 1 / 9])
    assert seconds == [10.0, 30.0, 90.0]
    assert with_curves().fidelities() == {"epochs": (1.0, 3.0, 9.0)}


def test_a_trial_that_goes_on_takes_the_additional_time():
    context = {"fidelity": Fidelity(epochs=9), "parent": 0, "parent_fidelity": Fidelity(epochs=3)}
    found, seconds = evaluated(with_curves().evaluator(), {"op": "conv"}, **context)
    assert [told["default"] for told in found] == pytest.approx([89.05])
    assert seconds == [60.0]
    context["parent_fidelity"] = Fidelity(epochs=1)
    assert evaluated(with_curves().evaluator(), {"op": "conv"}, **context)[1] == [20.0, 80.0]
    context["parent_fidelity"] = Fidelity(epochs=9)
    assert evaluated(with_curves().evaluator(), {"op": "conv"}, **context)[1] == [0.0]


def test_the_cost_may_be_a_share_of_the_full_training():
    rows = [{**row, "time": 500.0 if row["epochs"] == 1 else 10.0 * row["epochs"]} for row in curves()]
    measured = with_curves(rows).evaluator(fidelity=3)
    assert evaluated(measured, {"op": "conv"})[1] == [500.0, 500.0]  # a time never goes back
    proportional = with_curves(rows).evaluator(fidelity={"epochs": 3}, cost="proportional")
    assert evaluated(proportional, {"op": "conv"})[1] == pytest.approx([10.0, 30.0])
    constant = with_curves(seconds=90).evaluator()
    assert evaluated(constant, {"op": "conv"})[1] == pytest.approx([10.0, 30.0, 90.0])


def test_a_metric_at_a_fixed_fidelity_is_read_there():
    evaluator = with_curves().evaluator(fidelity=1, metrics=["acc@9", "loss"])
    [found], [seconds] = evaluated(evaluator, {"op": "conv"})
    assert found == pytest.approx({"acc": 81.05, "default": 81.05, "acc@9": 89.05, "loss": 1.0})
    assert seconds == 10.0


def test_seeds_are_noise_that_the_trial_draws():
    evaluator = with_curves().evaluator(noise="seed")
    drawn = [evaluated(evaluator, {"op": "conv"}, seed=seed)[0] for seed in range(40)]
    assert {told[-1]["acc"] for told in drawn} == {89.0, 89.1}
    assert all([round(told["acc"] % 1, 6) for told in found] == [round(found[0]["acc"] % 1, 6)] * 3 for found in drawn)
    assert drawn == [evaluated(evaluator, {"op": "conv"}, seed=seed)[0] for seed in range(40)]
    few = [evaluated(evaluator, {"op": "skip"}, seed=seed)[0] for seed in range(40)]
    assert {told[1]["acc"] for told in few} == {73.0}  # at three epochs there is only one seed


def test_without_a_result_a_trial_fails_or_does_not_report():
    rows = [row for row in curves() if (row["op"], row["epochs"]) not in (("skip", 3), ("conv", 9))]
    evaluator = with_curves(rows).evaluator()
    found, seconds = evaluated(evaluator, {"op": "skip"})
    assert [len(found), seconds] == [2, [10.0, 90.0]]
    with pytest.raises(BenchmarkError, match=r"no 'acc' of \{'op': 'conv'\} at epochs=9"):
        evaluator.evaluate(Architecture({"op": "conv"}), TrialContext())


def test_it_can_be_sent_to_other_processes():
    evaluator = pickle.loads(pickle.dumps(with_curves().evaluator(fidelity=3)))
    assert isinstance(evaluator, TabularEvaluator)
    assert evaluated(evaluator, {"op": "conv"}) == evaluated(with_curves().evaluator(fidelity=3), {"op": "conv"})
    space = pickle.loads(pickle.dumps(benchmark(ROWS[:3]).space))
    assert space == benchmark(ROWS[:3]).space


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({}, {"metrics": ["accuracy"]}, "no column 'accuracy'"),
        ({}, {"choices": "op"}, "choices is 'op', expected a list"),
        ({}, {"seconds": -1}, "seconds is -1"),
        ({"op": None}, {}, "Row 1 of the data frame has no value in the column 'op'"),
        ({"op": float("nan")}, {}, "Row 1 of the data frame has no value in the column 'op'"),
        ({"op": object()}, {}, "Row 1 of the data frame, column 'op'"),
        ({"acc": "92 %"}, {}, "Row 1 of the data frame has '92 %' of type str in the column 'acc'"),
        ({"acc": True}, {}, "expected a number"),
        ({"acc": float("inf")}, {}, "Row 1 of the data frame has inf in the column 'acc'"),
        ({"time": -5.0}, {}, "seconds are from -5"),
        ({"width": 16}, {}, "The rows 0 and 1 of the data frame are results of the same architecture"),
        ({"width": 0}, {"choices": ["op"], "fidelity": "width"}, "the fidelity"),
        ({"width": 64}, {"choices": {"op": ["conv", "skip"], "width": [16, 32]}}, "64 in the column 'width'"),
    ],
)
def test_mistakes_in_a_frame_are_named(changes, settings, words):
    rows = [dict(row) for row in ROWS]
    rows[1].update(changes)
    with pytest.raises(BenchmarkError, match=words):
        benchmark(rows, **settings)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([], "expected a pandas DataFrame"),
        (None, "expected a pandas DataFrame"),
        ({"op": ["a"], "width": [1, 2], "acc": [1.0], "time": [1.0]}, "different lengths"),
        ({"op": [], "width": [], "acc": [], "time": []}, "no rows"),
        ({"op": "conv", "width": [1], "acc": [1.0], "time": [1.0]}, "expected a list or an array"),
        ([*ROWS, {"op": "conv"}], "Row 4 of the data frame differs from row 0"),
        ([{**row, "acc": None} for row in ROWS], "only missing values"),
        ([{**row, "time": None} for row in ROWS], "missing for all architectures"),
    ],
)
def test_things_that_are_no_frame_are_refused(frame, words):
    with pytest.raises(BenchmarkError, match=words):
        benchmark(frame)


def test_two_columns_of_one_name_are_named():
    class Frame:  # as pandas does
        columns, iloc = ["op", "op", "acc"], None

        def __getitem__(self, name):
            return self

        def to_numpy(self):
            return np.zeros((4, 2))

    with pytest.raises(BenchmarkError, match=r"several columns 'op' \(a choice\)"):
        TabularBenchmark(Frame(), choices=["op"], metrics=["acc"])


def test_a_model_instead_of_an_architecture_is_named():
    with pytest.raises(BenchmarkError, match=r"got a model of the class object, expected an architecture.*\.space"):
        benchmark().evaluator().evaluate(object())


def test_impossible_arguments_of_an_evaluator_are_named():
    made = with_curves()
    for settings, words in (
        ({"dataset": "cifar"}, "no dataset 'cifar'"),
        ({"noise": "means"}, "Did you mean 'mean'"),
        ({"cost": "free"}, "cost is 'free'"),
        ({"fidelity": {"steps": 3}}, "expected one of 'epochs'"),
        ({"fidelity": "3"}, "fidelity is '3', expected a number"),
        ({"metric": "acc@9", "metrics": ["default"]}, "'default' is that by which trials are compared, here 'acc@9'"),
    ):
        with pytest.raises(ConfigError, match=words):
            made.evaluator(**settings)
    for settings, words in (
        ({"fidelity": 5}, "epochs=5, expected one of 1, 3, 9"),
        ({"metric": "accu"}, "Did you mean 'acc'"),
        ({"metrics": ["acc@two"]}, "expected a number after '@'"),
        ({"metrics": ["acc@5"]}, "epochs=5"),
    ):
        with pytest.raises(BenchmarkError, match=words):
            made.evaluator(**settings)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(BenchmarkError, match="shapes"):
        ResultTable(len, {"acc": np.zeros((3, 2, 1))}, (1.0, 2.0), "epochs", np.zeros((2, 2)))
    with pytest.raises(BenchmarkError, match="no metrics"):
        ResultTable(len, {})
    assert ResultTable(len, {"acc": np.zeros((3, 1, 2))}).num_architectures == 3


def test_the_real_table_is_searchable(shared_data):
    made = TabularBenchmark(
        nb201_frame(shared_data), choices=LABELS, metrics=["valid_12", "test_200"], seconds="seconds"
    )
    assert made.space.size == 15_625
    best = {"cell/0_1": "conv_3x3", "cell/0_2": "conv_3x3", "cell/1_2": "conv_3x3", "cell/0_3": "skip_connect"}
    [found], [seconds] = evaluated(made.evaluator(), {**best, "cell/1_3": "conv_3x3", "cell/2_3": "conv_1x1"})
    assert found["test_200"] > 70
    assert seconds > 100
