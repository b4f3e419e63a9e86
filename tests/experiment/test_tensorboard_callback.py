"""Trials in TensorBoard, read back by TensorBoard itself."""

import subprocess
import sys
import threading

import pytest
import tracked_search as tracked
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from retiarii.errors import ExperimentError, MissingExtraError
from retiarii.experiment import TensorBoardCallback
from retiarii.experiment._trackers import tracker
from retiarii.experiment._trackers.tracker import Tracker
from retiarii.storage import EpochRecord, ExperimentRecord


def read(folder):
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    texts = {
        tag: found.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        for tag in found.Tags()["tensors"]
        if not tag.startswith("_hparams_")
    }
    return (
        found,
        {tag: [(p.step, round(p.value, 6)) for p in found.Scalars(tag)] for tag in found.Tags()["scalars"]},
        texts,
    )


def hparams(found):
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("tensorboard")
    tracked.search(TensorBoardCallback(place / "runs"), place)
    (root,) = (place / "runs").iterdir()
    return root


def test_the_curves_and_choices_of_a_trial_are_read_by_tensorboard(runs):
    found, scalars, texts = read(runs / "trial-00000")
    assert scalars["intermediate/default"] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert scalars["intermediate/loss ($)"] == [(0, 1.0), (1, 0.0), (2, -1.0)]
    assert scalars["final/default"] == [(2, 0.75)]
    assert hparams(found) == {
        "kind": "good",
        tracked.ODD: 1.0,
        "größe [2]/../<b>": True,
        "inputs": '["a", "b"]',
    }
    assert texts["state"].strip() == "completed"


def test_the_reason_of_a_failure_is_shown_as_it_is(runs):
    text = read(runs / "trial-00001")[2]["state"]
    assert all(line.startswith("    ") for line in text.splitlines())  # no Markdown, no HTML
    assert "failed" in text
    assert "<script>no</script>" in text
    assert "the end" in text


def test_the_experiment_is_a_run_with_the_best_so_far(runs):
    _, scalars, texts = read(runs)
    assert scalars["best/default"] == [(1, 0.75), (2, 0.75), (3, 0.75)]
    assert "done: the strategy has nothing left" in texts["state"]
    assert "trial 0, 0.75" in texts["state"]
    assert "GridSearch" in texts["experiment"]
    assert runs.name.startswith("odd_n_me-")


def test_a_resume_goes_on_in_the_same_place_and_logs_no_trial_twice(tmp_path):
    interrupted = tracked.search(TensorBoardCallback(tmp_path / "runs"), tmp_path, tracked.Interrupting(2))
    (root,) = (tmp_path / "runs").iterdir()
    _, before, _ = read(root / "trial-00002")
    assert before == {"intermediate/default": [(0, 0.0), (1, 0.1)], "intermediate/loss ($)": [(0, 1.0), (1, 0.0)]}
    tracked.resume(interrupted, TensorBoardCallback(tmp_path / "runs"), tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [root.name]
    assert len(list((root / "trial-00000").iterdir())) == 1
    assert read(root / "trial-00002")[1]["intermediate/default"] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert [step for step, _ in read(root)[1]["best/default"]] == [1, 2, 3]


def test_a_resume_by_id_goes_on_with_the_callback_of_the_start(tmp_path):
    interrupted = tracked.search(TensorBoardCallback(tmp_path / "runs"), tmp_path, tracked.Interrupting(2))
    tracked.resume(interrupted, None, tmp_path)
    (root,) = (tmp_path / "runs").iterdir()
    assert [step for step, _ in read(root)[1]["best/default"]] == [1, 2, 3]
    assert "done" in read(root)[2]["state"]


def test_a_callback_serves_several_experiments_one_after_the_other(tmp_path):
    callback = TensorBoardCallback(tmp_path / "runs")
    ids = {tracked.search(callback, tmp_path).id for _ in range(2)}
    assert {path.name.rpartition("-")[2] for path in (tmp_path / "runs").iterdir()} == ids


def test_a_resume_logs_the_trials_of_a_time_without_the_callback(tmp_path):
    interrupted = tracked.search(tracked.Callback(), tmp_path, tracked.Interrupting(2))
    tracked.resume(interrupted, TensorBoardCallback(tmp_path / "runs"), tmp_path)
    (root,) = (tmp_path / "runs").iterdir()
    assert [read(root / f"trial-0000{number}")[1].get("final/default") for number in (0, 1)] == [[(0, 0.75)], None]
    assert [step for step, _ in read(root)[1]["best/default"]] == [1, 2, 3]


def test_the_epochs_of_a_supernet_are_curves(tmp_path):
    callback = TensorBoardCallback(tmp_path)
    callback.on_run_start(ExperimentRecord("aa11", name="net"))
    for epoch in range(2):
        record = {"entropy": {"op": 0.5}, "probabilities": {"op": {'"conv"': 0.25 + epoch / 4}}, "temperature": None}
        callback.on_supernet_epoch(EpochRecord(epoch, record, {"default": epoch, "loss": float("nan")}))
    callback.on_run_end(RuntimeError("out of memory"))
    _, scalars, texts = read(tmp_path / "net-aa11")
    assert scalars == {
        "supernet/default": [(0, 0.0), (1, 1.0)],
        "supernet/entropy/op": [(0, 0.5), (1, 0.5)],
        'supernet/probability/op/"conv"': [(0, 0.25), (1, 0.5)],
    }
    assert "stopped: RuntimeError: out of memory" in texts["state"]


def test_an_error_of_another_callback_leaves_no_thread(tmp_path):
    class Broken(tracked.Callback):
        def on_run_start(self, experiment):
            raise RuntimeError("interrupted")

    tracked.search(Broken(), tmp_path, TensorBoardCallback(tmp_path / "runs"))
    tracked.search(TensorBoardCallback(tmp_path / "runs"), tmp_path, Broken())
    assert tracked.num_trackers() == 0


def test_an_error_is_a_warning_and_the_search_goes_on(tmp_path, caplog):
    (tmp_path / "runs").write_text("a file in the way")
    experiment = tracked.search(TensorBoardCallback(tmp_path / "runs"), tmp_path)
    assert len(experiment.trials()) == 3
    (warning,) = (record.getMessage() for record in caplog.records if "TensorBoard" in record.getMessage())
    assert "Error: " in warning
    assert str(tmp_path / "runs") in warning
    assert "The search goes on" in warning
    assert tracked.num_trackers() == 0


def test_a_tool_that_hangs_holds_the_end_up_for_a_limited_time(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(tracker, "QUIET_S", 0.05)
    monkeypatch.setattr(tracker, "CLOSE_S", 0.05)
    go_on = threading.Event()
    monkeypatch.setattr(TensorBoardCallback, "_start", lambda self, trial: go_on.wait(60))
    assert len(tracked.search(TensorBoardCallback(tmp_path / "runs"), tmp_path).trials()) == 3
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "retiarii-tensorboard":
            thread.join()
    waiting, gave_up = (record.getMessage() for record in caplog.records if "TensorBoard" in record.getMessage())
    assert "Waiting for it, at most" in waiting
    assert "not everything was logged. The search goes on" in gave_up


def test_a_strict_callback_ends_the_search_with_the_error(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(ExperimentError, match="TensorBoard logs nothing more of experiment"):
        tracked.search(TensorBoardCallback(tmp_path / "runs", strict=True), tmp_path)
    assert tracked.num_trackers() == 0


def test_a_missing_package_is_said_before_the_search(monkeypatch):
    monkeypatch.setattr(TensorBoardCallback, "package", "no_such_tensorboard")
    assert issubclass(TensorBoardCallback, Tracker)
    with pytest.raises(MissingExtraError, match=r"needs TensorBoard.*pip install 'retiarii\[no_such_tensorboard\]'"):
        TensorBoardCallback()


def test_neither_torch_nor_the_tool_is_imported_for_the_callback():
    script = (
        "import sys; from retiarii.experiment import TensorBoardCallback; TensorBoardCallback();"
        "print(sorted({'torch', 'tensorboard', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
