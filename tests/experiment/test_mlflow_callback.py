"""Trials in MLflow, read back by its client from a database."""

import pytest
import tracked_search as tracked

from retiarii.errors import ExperimentError
from retiarii.experiment import MLflowCallback

# MLflow's own, with SQLAlchemy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


class Found:
    """The runs of the only experiment of retiarii in a database."""

    def __init__(self, uri, name="retiarii"):
        from mlflow import MlflowClient  # takes two seconds, which other workers need not wait

        self.client = MlflowClient(uri)
        experiment = self.client.get_experiment_by_name(name)
        runs = self.client.search_runs([experiment.experiment_id])
        (self.parent,) = (run for run in runs if "retiarii.trial" not in run.data.tags)
        self.trials = {int(run.data.tags["retiarii.trial"]): run for run in runs if "retiarii.trial" in run.data.tags}
        assert len(self.trials) == len(runs) - 1

    def curve(self, run, name):
        return [(point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, name)]


@pytest.fixture(scope="module")
def interrupted_and_resumed(tmp_path_factory):
    """A search that was interrupted in its last trial, before and after a resume."""
    place = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{place / 'mlflow.db'}"
    experiment = tracked.search(MLflowCallback(tracking_uri=uri), place, tracked.Interrupting(2))
    before = Found(uri)
    tracked.resume(experiment, MLflowCallback(tracking_uri=uri), place)
    return experiment, before, Found(uri)


def test_trials_are_nested_runs_with_choices_curves_and_states(interrupted_and_resumed):
    _, _, found = interrupted_and_resumed
    good, bad, slow = (found.trials[number] for number in (0, 1, 2))
    assert {run.data.tags["mlflow.parentRunId"] for run in found.trials.values()} == {found.parent.info.run_id}
    assert good.data.params["kind"] == "good"
    assert good.data.params["inputs"] == '["a", "b"]'
    assert found.curve(good, "intermediate/default") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert good.data.metrics["final/default"] == 0.75
    assert [run.info.status for run in (good, bad, slow)] == ["FINISHED", "FAILED", "KILLED"]
    assert [run.data.tags["retiarii.state"] for run in (good, bad, slow)] == ["completed", "failed", "pruned"]


def test_names_that_mlflow_forbids_are_mapped_without_collision_and_texts_are_cut(interrupted_and_resumed):
    _, _, found = interrupted_and_resumed
    odd = {name: value for name, value in found.trials[0].data.params.items() if name.startswith("größe")}
    assert sorted(odd.values()) == ["1", "True"]
    assert sorted(name[: name.rindex("-")] for name in odd) == ["größe _1_/_/_b_", "größe _2_/_/_b_"]
    reason = found.trials[1].data.tags["retiarii.failure"]
    assert reason.startswith("... ")
    assert "the end" in reason
    assert len(reason) == 5000


def test_a_resume_goes_on_in_the_same_run_and_logs_no_trial_twice(interrupted_and_resumed):
    experiment, before, after = interrupted_and_resumed
    assert before.parent.info.run_id == after.parent.info.run_id
    assert before.parent.data.tags["retiarii.state"] == "stopped"
    assert before.parent.data.tags["retiarii.message"] == "RuntimeError: interrupted"
    assert before.trials[2].data.tags["retiarii.state"] == "interrupted"
    assert [before.trials[n].info.run_id == after.trials[n].info.run_id for n in (0, 1, 2)] == [True, True, False]
    assert after.curve(after.trials[2], "intermediate/default") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert after.curve(after.parent, "best/default") == [(1, 0.75), (2, 0.75), (3, 0.75)]
    assert after.parent.info.status == "FINISHED"
    assert after.parent.data.tags["retiarii.best_trial"] == "0"
    assert after.parent.data.params["id"] == experiment.id
    assert after.parent.data.params["strategy"] == "GridSearch(shuffle=False, float_points=None)"


def test_a_database_that_cannot_be_opened_is_a_warning_and_the_search_goes_on(tmp_path, caplog):
    (tmp_path / "mlflow.db").write_text("this is no database, but a file of another kind")
    callback = MLflowCallback(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert len(tracked.search(callback, tmp_path).trials()) == 3
    (warning,) = (record.getMessage() for record in caplog.records if "The search goes on" in record.getMessage())
    assert warning.startswith("MLflow logs nothing more of experiment")
    with pytest.raises(ExperimentError, match="MLflow logs nothing more"):
        tracked.search(MLflowCallback(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", strict=True), tmp_path)
    assert tracked.num_trackers() == 0
