"""Parameters and FLOPs of networks, as objectives and as constraints."""

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, at_most, strategy
from retiarii.errors import ConfigError, ExperimentError
from retiarii.nn.pytorch.engine import PythonEngine, count_flops, count_params, evaluating

WIDTHS = [4, 8, 16, 64]


def model():
    width = nn.ValueChoice(WIDTHS, label="width")
    return nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, 2))


def accuracy(network):
    return {"accuracy": network[0].out_features / 100}


def params_of(width):
    return 10 * width + width + 2 * width + 2


def flops_of(width):
    return 2 * (10 * width + 2 * width)  # a multiply-add is two


def ran(tmp_path, evaluate=accuracy, platform="in_process", **settings):
    experiment = RetiariiExperiment(model(), evaluate, [], strategy.GridSearch())
    settings = {"seed": 0, "progress": False, "storage": tmp_path / "store.db", "dummy_input": [1, 10], **settings}
    experiment.run(RetiariiExeConfig(platform, **settings))
    return experiment


ALL = {"accuracy": "maximize", "params": "minimize", "flops": "minimize"}


@pytest.mark.parametrize("engine", ["py", "base"])
@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_are_measured_where_the_evaluator_does_not_report_them(tmp_path, engine, platform):
    trials = ran(tmp_path, platform=platform, objectives=ALL, execution_engine=engine).trials()
    assert len(trials) == 4
    for trial in trials:
        width = trial.architecture["width"]
        assert trial.metrics == {"accuracy": width / 100, "params": params_of(width), "flops": flops_of(width)}


def test_what_the_evaluator_reports_counts(tmp_path):
    trials = ran(tmp_path, lambda network: {"accuracy": 0.5, "params": 7}, objectives=ALL).trials()
    assert {trial.metrics["params"] for trial in trials} == {7.0}


@pytest.mark.parametrize("engine", ["py", "base"])
def test_bound_what_is_sampled(tmp_path, engine):
    limits = [at_most("params", params_of(16)), at_most("flops", flops_of(8))]
    experiment = ran(tmp_path, objectives={"accuracy": "maximize"}, constraints=limits, execution_engine=engine)
    assert {trial.architecture["width"] for trial in experiment.trials()} == {4, 8}


def test_a_resume_keeps_the_bounds(tmp_path):
    limits = [at_most("params", params_of(16))]
    experiment = ran(tmp_path, objectives=ALL, constraints=limits, max_trial_number=1)
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=10)
    assert {trial.architecture["width"] for trial in resumed.trials()} == {4, 8, 16}


def test_flops_need_an_input(tmp_path):
    with pytest.raises(ConfigError, match="FLOPs depend on the input"):
        ran(tmp_path, objectives={"accuracy": "maximize"}, constraints=[at_most("flops", 1)], dummy_input=None)
    with pytest.raises(ExperimentError, match="FLOPs depend on the input"):
        ran(tmp_path, objectives=ALL, dummy_input=None)


def test_counting_leaves_network_and_generators_as_they_were():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    engine = PythonEngine(network, [2, 4])
    assert engine.measure(network, ["params", "flops"]) == {"params": 28.0, "flops": 2.0 * 2 * 16}
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_shared_parameters_count_once():
    layer = torch.nn.Linear(3, 3)
    assert count_params(torch.nn.Sequential(layer, layer)) == 12
    assert count_flops(torch.nn.Sequential(layer, layer), torch.zeros(1, 3)) == 2 * 2 * 9


def test_modules_have_their_own_modes_back_after_an_evaluation():
    network = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm1d(2))
    network[1].eval()
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == [True, True, False]


def test_tight_bounds_do_not_build_each_network_that_is_drawn(tmp_path, monkeypatch):
    """About one of 200 architectures keeps the bound; the trials that were asked for are found nevertheless."""
    labels = [f"layer{index}" for index in range(8)]
    layers = [nn.Linear(4, 4, bias=nn.ValueChoice([True, False], label=label)) for label in labels]
    drawn, built = [], []
    build = PythonEngine.build_unchecked
    monkeypatch.setattr(PythonEngine, "build_unchecked", lambda *args: built.append(1) or build(*args))
    experiment = RetiariiExperiment(nn.Sequential(*layers), lambda network: 1.0, [], strategy.Random(dedup=False))
    limits = [at_most(lambda architecture: drawn.append(1) or 0, 1), at_most("params", 8 * 16 + 4)]
    config = RetiariiExeConfig("in_process", max_trial_number=10, constraints=limits, seed=0, progress=False)
    config.storage = tmp_path / "store.db"
    experiment.run(config)
    trials = experiment.trials()
    assert len(trials) == 10
    assert all(sum(trial.architecture[label] for label in labels) <= 1 for trial in trials)
    assert len(drawn) > 150
    assert len(built) < 200
