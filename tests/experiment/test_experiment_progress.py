"""The display of a running search, and its last line."""

import pytest

import retiarii.nn.pytorch as nn
from retiarii.errors import ExperimentFailedError
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import Random


def test_a_long_reason_of_a_failure_is_cut_visibly(capfd):
    def fail(model):
        raise ValueError("no such file: " + "/data" * 100)

    with pytest.raises(ExperimentFailedError):
        RetiariiExperiment(nn.Linear(2, 2), fail).run(RetiariiExeConfig("in_process", max_trial_number=1))
    last = capfd.readouterr().err.splitlines()[-1]
    assert "1 failed, last: ValueError: no such file: /data/data" in last
    assert "... - ended: " in last


def test_a_resume_without_time_left_prints_a_command_for_this_store(tmp_path, caplog):
    place = tmp_path / "my store.db"
    experiment = RetiariiExperiment(nn.Linear(2, 2), lambda model: 1.0, strategy=Random(dedup=False))
    settings = RetiariiExeConfig("in_process", storage=place, progress=False, max_experiment_duration=0.2)
    experiment.run(settings)
    RetiariiExperiment.resume(experiment.id, storage=place)
    assert f"retiarii resume {experiment.id} --storage '{place}' --max-experiment-duration ..." in caplog.text


def test_a_strategy_that_repeats_architectures_comes_to_the_number_that_was_asked_for(capfd):
    RetiariiExperiment(nn.Linear(2, 2), lambda model: 1.0, strategy=Random(dedup=False)).run(
        RetiariiExeConfig("in_process", max_trial_number=3)
    )
    assert "3/3 trials, best 1" in capfd.readouterr().err.splitlines()[-1]
