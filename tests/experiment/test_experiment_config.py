import pytest

from retiarii._durations import parse_duration, parse_size
from retiarii.errors import ConfigError
from retiarii.experiment import RetiariiExeConfig, TrainingServiceConfig


def test_the_fields_of_the_specification_are_there():
    config = RetiariiExeConfig("local")
    config.experiment_name = "mnasnet_search"
    config.trial_concurrency = 2
    config.max_trial_number = 10
    config.max_experiment_duration = "1h"
    config.trial_gpu_number = 0
    config.training_service.use_active_gpu = False
    config.execution_engine = "py"
    config.validate()
    assert RetiariiExeConfig.from_json(config.to_json()) == config


def test_settings_may_be_keywords():
    config = RetiariiExeConfig("in_process", max_trial_number=3, seed=7)
    assert (config.training_service.platform, config.max_trial_number, config.seed) == ("in_process", 3, 7)


def test_a_misspelt_setting_is_an_error_that_names_the_right_one():
    config = RetiariiExeConfig()
    with pytest.raises(ConfigError, match=r"no setting 'trial_concurency'.*'trial_concurrency'"):
        config.trial_concurency = 2
    with pytest.raises(ConfigError, match=r"no setting 'use_activ_gpu'.*'use_active_gpu'"):
        config.training_service.use_activ_gpu = True
    with pytest.raises(ConfigError, match=r"no setting 'foo'"):
        RetiariiExeConfig(foo=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trial_concurrency", 0),
        ("trial_concurrency", True),
        ("max_trial_number", 0),
        ("max_trial_number", 1.5),
        ("trial_gpu_number", -1),
        ("max_failures", 0),
        ("seed", -1),
        ("seed", 2**64),
        ("optimize_mode", "max"),
        ("log_level", "loud"),
        ("execution_engine", "pyy"),
        ("max_experiment_duration", "tomorrow"),
        ("max_experiment_duration", 0),
        ("max_trial_duration", float("nan")),
        ("trial_memory_limit", "much"),
        ("dummy_input", "1,3,32,32"),
        ("dummy_input", [1, 3.0]),
        ("progress", "no"),
        ("experiment_name", 5),
        ("storage", 5),
        ("debug", "yes"),
    ],
)
def test_an_impossible_value_is_named_with_what_is_expected(name, value):
    config = RetiariiExeConfig()
    setattr(config, name, value)
    with pytest.raises(ConfigError, match=rf"{name} is .*, expected"):
        config.validate()


def test_in_process_cannot_promise_what_needs_processes():
    with pytest.raises(ConfigError, match="one trial at a time"):
        RetiariiExeConfig("in_process", trial_concurrency=2).validate()
    with pytest.raises(ConfigError, match="max_trial_duration needs trials in processes"):
        RetiariiExeConfig("in_process", max_trial_duration=1).validate()
    with pytest.raises(ConfigError, match=r"platform is 'locall'.*'local'"):
        RetiariiExeConfig("locall").validate()


def test_wrong_kinds_of_the_training_service():
    config = RetiariiExeConfig()
    config.training_service.gpu_indices = "0,1"
    with pytest.raises(ConfigError, match="gpu_indices is '0,1', expected a list of GPU numbers"):
        config.validate()
    with pytest.raises(ConfigError, match=r"training_service is 'local', expected a TrainingServiceConfig"):
        RetiariiExeConfig(training_service="local").validate()
    with pytest.raises(ConfigError, match="TrainingServiceConfig has no setting 'use_gpu'"):
        TrainingServiceConfig(use_gpu=True)


def test_platform_and_training_service_go_together():
    service = TrainingServiceConfig(max_trial_number_per_gpu=3)
    config = RetiariiExeConfig("in_process", training_service=service)
    assert (config.training_service.platform, config.training_service.max_trial_number_per_gpu) == ("in_process", 3)
    assert service.platform == "local"


def test_settings_without_meaning_here_warn():
    config = RetiariiExeConfig()
    with pytest.warns(UserWarning, match="nni_manager_ip has no effect"):
        config.nni_manager_ip = "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("2d 1s", 172801), (3, 3), (None, None)]
)
def test_durations(text, seconds):
    assert parse_duration(text, name="x") == seconds


@pytest.mark.parametrize(("text", "size"), [("1k", 1024), ("4GB", 4 * 1024**3), ("1.5 GiB", 1610612736), (10, 10)])
def test_sizes(text, size):
    assert parse_size(text, name="x") == size
