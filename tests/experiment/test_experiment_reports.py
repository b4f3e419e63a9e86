"""Many intermediate results in one trial."""

import contextvars
import threading
import tracemalloc

import torch

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, report_intermediate_result
from retiarii.errors import EvaluatorError
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import GridSearch
from retiarii.testing.execution import eventually
from retiarii.trial import TrialState

NUM_REPORTS = 5_000


class KeepsTrials(Callback):
    """Keeps every trial that it is told of, as a user may, and how much memory that took."""

    def __init__(self):
        self.told = []
        self.peak_bytes = 0

    def on_experiment_start(self, trials):
        tracemalloc.start()

    def on_intermediate(self, trial, metrics):
        self.told.append((trial, metrics))

    def on_trial_end(self, trial):
        self.peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def report_often(model):
    for step in range(NUM_REPORTS):
        report_intermediate_result(float(step))
    return 1.0


def report_from_a_thread_that_goes_on(model):
    threading.Thread(target=contextvars.copy_context().run, args=(report_until_refused,), daemon=True).start()
    IS_REPORTING.wait(60.0)
    return 1.0


def report_until_refused():
    try:
        while True:
            report_intermediate_result(0.5)
            IS_REPORTING.set()
    except EvaluatorError as error:
        REFUSED.append(str(error))


IS_REPORTING = threading.Event()
REFUSED = []


def test_a_thread_that_outlives_its_trial_does_not_end_the_search(tmp_path):
    model = torch.nn.Sequential(nn.Linear(1, nn.ValueChoice([1, 2, 3], label="width")))
    config = RetiariiExeConfig("in_process")
    config.storage, config.progress = tmp_path / "store.db", False
    evaluator = FunctionalEvaluator(report_from_a_thread_that_goes_on)
    experiment = RetiariiExperiment(model, evaluator, [], GridSearch())
    experiment.run(config)
    assert [trial.state for trial in experiment.trials()] == [TrialState.COMPLETED] * 3
    assert eventually(lambda: len(REFUSED) == 3)
    assert "after the end of its trial" in REFUSED[0]


def test_each_report_costs_the_same(tmp_path):
    model = torch.nn.Sequential(nn.Linear(1, nn.ValueChoice([1], label="width")))
    config = RetiariiExeConfig("in_process")
    config.storage, config.progress = tmp_path / "store.db", False
    callback = KeepsTrials()
    experiment = RetiariiExperiment(model, FunctionalEvaluator(report_often), [], GridSearch(), callbacks=[callback])
    experiment.run(config)
    # A copy of what was reported before, for each report, would be 100 MB.
    assert callback.peak_bytes < 20 << 20
    for step, (trial, metrics) in enumerate(callback.told):
        assert len(trial.intermediates) == step + 1
        assert trial.intermediates[-1] is metrics
    (stored,) = experiment.trials()
    assert [metrics["default"] for metrics in stored.intermediates] == [float(step) for step in range(NUM_REPORTS)]
