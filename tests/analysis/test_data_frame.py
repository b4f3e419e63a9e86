import sys

import numpy as np
import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.analysis import FIDELITY, TrialTable, arrow_table, data_frame
from retiarii.errors import ConfigError, ExperimentError, MissingExtraError
from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import ExperimentRecord
from retiarii.strategy import GridSearch
from retiarii.testing.records import completed, failed, running
from retiarii.trial import Failure, FailureKind, Fidelity

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


def table_of(*architectures):
    trials = [completed(number).evolve(architecture=Architecture(arch)) for number, arch in enumerate(architectures)]
    return TrialTable.of(ExperimentRecord("first"), trials)


@pytest.fixture
def table():
    trials = [
        completed(0, 0.25).evolve(started=1_700_000_000.5, ended=1_700_000_002.0, fidelity=Fidelity(epochs=3)),
        failed(1, Failure(FailureKind.RAISED, "bug")).evolve(violation=0.5),
        running(2).evolve(parent=0, started=None, device=None),
    ]
    return TrialTable.of(ExperimentRecord("first"), trials)


def test_a_frame_has_a_row_for_each_trial_and_typed_columns(table):
    frame = data_frame(table)
    assert list(frame.columns) == [
        *("number", "state", "metric:default", "choice:op", "choice:width", FIDELITY + "epochs", "started", "ended"),
        *("duration_s", "device", "failure_kind", "failure_message", "parent", "finish_order", "violation"),
    ]
    assert frame["state"].tolist() == ["completed", "failed", "running"]
    assert data_frame(table, is_running=False)["state"].tolist() == ["completed", "failed", "interrupted"]
    assert frame["metric:default"][0] == 0.25
    assert frame["metric:default"].isna().tolist() == [False, True, True]
    assert frame["choice:width"].dtype == "int64"
    assert frame["choice:op"].dtype == "category"
    assert frame["started"][0].isoformat() == "2023-11-14T22:13:20.500000+00:00"
    assert frame["started"].isna().tolist() == [False, False, True]
    assert frame["duration_s"][0] == 1.5
    assert frame["fidelity:epochs"][0] == 3
    assert frame["failure_kind"].tolist() == [np.nan, "raised", np.nan]
    assert frame["failure_message"][1] == "bug"
    assert frame["parent"].isna().tolist() == [True, True, False]
    assert frame["parent"][2] == 0
    assert frame["violation"].tolist() == [0.0, 0.5, 0.0]


def test_a_column_has_the_narrowest_type_for_its_values():
    frame = data_frame(
        table_of(
            {"some": 1, "float": 1, "flag": True, "mixed": 1, "text": "a", "big": 2**70, "none": None},
            {"float": 0.5, "mixed": "b", "text": "b", "big": 1, "none": None},
            {"mixed": ("x", 2), "text": "a", "none": None},
        )
    )
    assert {name: str(frame[f"choice:{name}"].dtype) for name in ("some", "float", "flag", "mixed", "text", "big")} == {
        "some": "Int64",
        "float": "float64",
        "flag": "boolean",
        "mixed": "object",
        "text": "category",
        "big": "object",
    }
    assert frame["choice:mixed"].tolist() == [1, "b", ("x", 2)]
    assert frame["choice:big"].tolist() == [2**70, 1, None]
    assert frame["choice:none"].isna().all()


def test_an_arrow_table_has_the_same_columns_and_can_be_written(tmp_path, table):
    from pyarrow import parquet

    found = arrow_table(table)
    assert found.column_names == list(data_frame(table).columns)
    parquet.write_table(found, tmp_path / "trials.parquet")
    again = parquet.read_table(tmp_path / "trials.parquet")
    assert again["choice:op"].to_pylist() == ["conv", "conv", "conv"]
    assert again["parent"].to_pylist() == [None, None, 0]
    lists = arrow_table(table_of({"picked": (1, 2), "mixed": 1, "big": 2**70}, {"picked": (3,), "mixed": ("a",)}))
    assert lists["choice:picked"].to_pylist() == [[1, 2], [3]]
    assert lists["choice:mixed"].to_pylist() == ["1", '["a"]']
    assert lists["choice:big"].to_pylist() == [str(2**70), None]


def test_no_trials_make_an_empty_table():
    empty = TrialTable.of(ExperimentRecord("first"), [])
    assert len(data_frame(empty)) == arrow_table(empty).num_rows == 0


@pytest.mark.parametrize(("make", "missing"), [(data_frame, "pandas"), (arrow_table, "pyarrow")])
def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, table, make, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf'{missing}.*pip install "retiarii\[dataframe\]"'):
        make(table)


def test_an_experiment_returns_its_trials_as_a_frame(tmp_path):
    experiment = RetiariiExperiment(SearchSpace([Categorical("width", [8, 16])]), measure, strategy=GridSearch())
    with pytest.raises(ExperimentError, match="has not run"):
        experiment.to_dataframe()
    experiment.run(RetiariiExeConfig("in_process", storage=tmp_path / "store.db", progress=False))
    frame = experiment.to_dataframe()
    assert sorted(frame[["choice:width", "metric:default"]].values.tolist()) == [[8, 4.0], [16, 8.0]]
    assert experiment.to_dataframe(format="arrow").num_rows == 2
    with pytest.raises(ConfigError, match="format is 'csv', expected 'pandas' or 'arrow'"):
        experiment.to_dataframe(format="csv")


def measure(architecture):
    return architecture["width"] / 2
