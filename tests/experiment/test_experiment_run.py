import json
import os
import random

import pytest
import torch
from sqlalchemy import Engine, event

import retiarii.nn.pytorch as nn
from retiarii.errors import (
    ConfigError,
    ExperimentError,
    ExperimentFailedError,
    NotFoundError,
    StoreFullError,
    UnknownInputsError,
)
from retiarii.evaluator import FunctionalEvaluator, report_intermediate_result
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment, debug_mutated_model
from retiarii.graph import Mutator
from retiarii.nn.pytorch import fixed_arch, model_wrapper
from retiarii.storage import ExperimentState, open_store
from retiarii.strategy import GridSearch, Random, RegularizedEvolution
from retiarii.trial import TrialState


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, nn.ValueChoice([2, 4, 8], label="width"))
        self.act = nn.LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="act")

    def forward(self, x):
        return self.act(self.hidden(x))


def score(model):
    report_intermediate_result(0.0)
    return model.hidden.out_features + isinstance(model.act, torch.nn.Tanh) / 10


def config(platform="in_process", **settings):
    return RetiariiExeConfig(platform, progress=False, seed=0, **settings)


def run(evaluate=score, strategy=None, platform="in_process", **settings):
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), None, strategy or GridSearch())
    experiment.run(config(platform, **settings))
    return experiment


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_a_search_finds_the_best_architecture_and_exports_it(platform, tmp_path):
    experiment = run(platform=platform)
    assert len(experiment.trials()) == 6
    best = experiment.export_top_models(top_k=1, formatter="dict")[0]
    assert best == {"width": 8, "act": "tanh"}
    (tmp_path / "best.json").write_text(json.dumps(best))
    with fixed_arch(tmp_path / "best.json"):
        assert score(Net()) == pytest.approx(8.1)


def test_both_platforms_give_the_same_trials():
    def noisy(model):
        return float(torch.randn(())) + random.random() + float(model.hidden.weight.detach().sum())

    trials = [run(noisy, Random(), platform).trials() for platform in ("in_process", "local")]
    assert [(t.architecture, t.metrics) for t in trials[0]] == [(t.architecture, t.metrics) for t in trials[1]]


def test_arguments_by_position_and_by_the_older_name():
    evaluator, strategy = FunctionalEvaluator(score), GridSearch()
    experiment = RetiariiExperiment(base_model=Net(), trainer=evaluator, strategy=strategy)
    assert experiment.evaluator is evaluator
    assert experiment.strategy is strategy


def test_minimizing():
    experiment = run(optimize_mode="minimize")
    assert experiment.export_top_models() == [{"width": 2, "act": "relu"}]
    assert experiment.export_top_models(2, optimize_mode="maximize")[0] == {"width": 8, "act": "tanh"}


def test_choices_of_the_evaluator_are_searched_and_stay_out_of_the_model():
    def evaluate(model, rate):
        return model.hidden.out_features * rate

    evaluator = FunctionalEvaluator(evaluate, rate=nn.ValueChoice([1, 10], label="rate"))
    experiment = RetiariiExperiment(Net(), evaluator, [], GridSearch())
    experiment.run(config())
    [trial] = experiment.top_trials()
    assert trial.architecture["rate"] == 10
    assert set(experiment.export_top_models()[0]) == {"width", "act"}
    assert isinstance(experiment.export_top_models(formatter="instance")[0].hidden, torch.nn.Linear)


def test_intermediate_results_times_and_devices_are_kept():
    trial = run(platform="local", max_trial_number=1).trials()[0]
    assert trial.intermediates == ({"default": 0.0},)
    assert trial.device == "cpu"
    assert trial.started <= trial.ended


def test_max_trial_number_and_resume_with_a_larger_one():
    experiment = run(strategy=RegularizedEvolution(population_size=2, sample_size=2), max_trial_number=3)
    assert len(experiment.trials()) == 3
    resumed = RetiariiExperiment.resume(experiment.id, max_trial_number=5)
    assert len(resumed.trials()) == 5
    assert resumed.trials()[:3] == experiment.trials()[:3]
    whole = run(strategy=RegularizedEvolution(population_size=2, sample_size=2), max_trial_number=5)
    assert [t.architecture for t in whole.trials()] == [t.architecture for t in resumed.trials()]


def test_a_resume_with_another_space_is_refused():
    experiment = run(max_trial_number=1)
    other = nn.Sequential(nn.Linear(1, nn.ValueChoice([1, 2], label="other")))
    with pytest.raises(ExperimentError, match=r"another space.*'other'"):
        RetiariiExperiment.resume(
            experiment.id, base_model=other, evaluator=FunctionalEvaluator(score), strategy=GridSearch()
        )


def test_a_payload_that_somebody_else_wrote_is_not_loaded():
    experiment = run(max_trial_number=1)
    path = experiment.directory / "experiment.pickle"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExperimentError, match="was not written by this user"):
        RetiariiExperiment.resume(experiment.id)


def test_viewing_runs_nothing_and_reads_everything():
    experiment = run()
    viewed = RetiariiExperiment.view(experiment.id[:5])
    assert viewed.trials() == experiment.trials()
    assert viewed.export_top_models() == experiment.export_top_models()
    assert len(viewed.search_space) == 2
    with pytest.raises(ConfigError, match="needs the model"):
        viewed.export_top_models(formatter="instance")
    with pytest.raises(NotFoundError):
        RetiariiExperiment.view("nothing")


def test_a_trial_that_fails_does_not_end_the_search():
    def flaky(model):
        if model.hidden.out_features == 4:
            raise RuntimeError("four is too many")
        return score(model)

    experiment = run(flaky, platform="local", trial_concurrency=2)
    failed = [t for t in experiment.trials() if t.state is TrialState.FAILED]
    assert [t.architecture["width"] for t in failed] == [4, 4]
    assert "four is too many" in failed[0].failure.traceback
    assert experiment.export_top_models() == [{"width": 8, "act": "tanh"}]


def test_every_trial_failing_is_an_error_that_shows_the_most_frequent_reason():
    def broken(model):
        raise KeyError("missing" if model.hidden.out_features > 2 else "other")

    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(broken), [], GridSearch())
    with pytest.raises(ExperimentFailedError, match=r"(?s)All 6 trials.*4 of 6.*'missing'.*Traceback.*debug_mutated"):
        experiment.run(config())
    with open_store() as store:
        assert store.get_experiment(experiment.id).state is ExperimentState.FAILED
    with pytest.raises(ExperimentError, match="no completed trial"):
        experiment.export_top_models()


def test_giving_up_early_when_nothing_ever_succeeds():
    def broken(model):
        raise KeyError("missing")

    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(broken), [], Random(dedup=False))
    with pytest.raises(ExperimentFailedError, match="All 4 trials"):
        experiment.run(config(max_failures=4))


@pytest.mark.parametrize("value", [float("nan"), None, "good"])
def test_a_metric_that_is_no_number_fails_the_trial(value):
    with pytest.raises(ExperimentFailedError, match="bad_metric"):
        run(lambda model: value)


def test_a_time_limit_for_trials():
    def slow(model):
        if model.hidden.out_features == 2:
            while True:
                pass
        return 1.0

    strategy = GridSearch(shuffle=False)
    trials = run(slow, strategy, "local", max_trial_duration=1.0, max_trial_number=3).trials()
    assert [t.failure.kind.value for t in trials if t.failure] == ["timed_out", "timed_out"]


def test_the_time_of_the_experiment_is_limited(caplog):
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(lambda model: 1.0), [], Random(dedup=False))
    experiment.run(config(max_experiment_duration=0.5))
    with open_store() as store:
        record = store.get_experiment(experiment.id)
    assert (record.state, record.message) == (ExperimentState.DONE, "max_experiment_duration was reached")
    assert record.spent_s >= 0.5

    assert "no time left" not in caplog.text
    resumed = RetiariiExperiment.resume(experiment.id)  # with the same limit, all of which was spent
    assert "no time left" in caplog.text
    assert len(resumed.trials()) == len(experiment.trials())
    resumed = RetiariiExperiment.resume(
        experiment.id, max_experiment_duration=60, max_trial_number=len(resumed.trials()) + 1
    )
    assert sum(trial.state is TrialState.COMPLETED for trial in resumed.trials()) == len(resumed.trials())


def test_callbacks_are_told_in_order_and_may_stop_the_search():
    class Recorder(Callback):
        def __init__(self):
            self.events = []

        def on_experiment_start(self, trials):
            self.events.append("start")

        def on_trial_start(self, trial):
            self.events.append(f"trial {trial.number}")

        def on_intermediate(self, trial, metrics):
            self.events.append(metrics["default"])

        def on_trial_end(self, trial):
            self.events.append(trial.metric)
            experiment.stop()

        def on_experiment_end(self, ending):
            self.events.append(ending.name)

    recorder = Recorder()
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score), [], GridSearch(), callbacks=[recorder])
    experiment.run(config())
    assert recorder.events[:3] == ["start", "trial 0", 0.0]
    assert recorder.events[-1] == "STOPPED"
    assert len(recorder.events) == 5  # one trial, although another one was proposed at the same moment


def test_a_callback_that_raises_stops_the_experiment_resumably():
    class Faulty(Callback):
        def on_trial_end(self, trial):
            raise OSError("the disk of the logger is full")

    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score), [], GridSearch(), callbacks=[Faulty()])
    with pytest.raises(OSError, match="logger"):
        experiment.run(config())
    resumed = RetiariiExperiment.resume(experiment.id)
    assert len(resumed.trials()) == 6


def test_starting_in_the_background_waiting_and_stopping():
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score), [], Random(dedup=False))
    experiment.start(config())
    with pytest.raises(ExperimentError, match="running already"):
        experiment.start(config())
    experiment.stop()
    assert experiment.wait()
    with open_store() as store:
        assert store.get_experiment(experiment.id).state is ExperimentState.STOPPED


def test_errors_of_a_background_search_reach_the_one_who_waits():
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(lambda model: None), [], GridSearch())
    experiment.start(config())
    with pytest.raises(ExperimentFailedError):
        experiment.wait()


def test_another_process_may_ask_to_stop():
    class Elsewhere(Callback):
        def on_trial_end(self, trial):
            with open_store() as store:
                store.request_stop(experiment.id)

    endless = FunctionalEvaluator(lambda model: 1.0)
    experiment = RetiariiExperiment(Net(), endless, [], Random(dedup=False), callbacks=[Elsewhere()])
    experiment.run(config())
    with open_store() as store:
        assert store.get_experiment(experiment.id).state is ExperimentState.STOPPED


def test_one_architecture_in_this_process():
    pids = []

    def evaluate(model):
        pids.append(os.getpid())
        return score(model)

    evaluator = FunctionalEvaluator(evaluate)
    assert debug_mutated_model(Net(), evaluator, []) == {"default": 2.0}
    assert debug_mutated_model(Net(), evaluator, architecture={"width": 4, "act": 1})["default"] == pytest.approx(4.1)
    assert pids == [os.getpid()] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_model": Net}, r"base_model is the class Net, expected an instance: Net\(\.\.\.\)"),
        ({"base_model": 3}, "base_model is 3, expected"),
        ({"evaluator": 3}, "evaluator is 3, expected an Evaluator"),
        ({"strategy": Random}, r"expected an instance of Strategy, for example Random\(\)"),
        ({"applied_mutators": [1]}, "applied_mutators contains 1, expected instances of retiarii.graph.Mutator"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments, message):
    with pytest.raises(ConfigError, match=message):
        RetiariiExperiment(**arguments)


def test_asking_before_running():
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score))
    with pytest.raises(ExperimentError, match="has not run yet"):
        experiment.export_top_models()
    with pytest.raises(ConfigError, match="needs an evaluator"):
        RetiariiExperiment(Net()).run(config())


def test_impossible_exports():
    experiment = run()
    with pytest.raises(ConfigError, match="top_k is 0"):
        experiment.export_top_models(0)
    with pytest.raises(ConfigError, match="optimize_mode is 'max'"):
        experiment.export_top_models(optimize_mode="max")
    with pytest.raises(ConfigError, match="formatter is 'yaml'"):
        experiment.export_top_models(formatter="yaml")


def test_a_full_disk_stops_the_search_resumably(tmp_path):
    """SQLite itself refuses to let its file grow, as it does on a full disk."""
    path = tmp_path / "store.db"

    def limit(connection, _record):
        connection.execute("PRAGMA max_page_count = 80")

    def chatty(model):
        for _ in range(2000):
            report_intermediate_result({"default": 1.0, "a long name for a metric that takes space": 2.0})
        return score(model)

    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(chatty), [], GridSearch())
    event.listen(Engine, "connect", limit)
    try:
        with pytest.raises(StoreFullError, match="free some space, then resume"):
            experiment.run(config(storage=path))
    finally:
        event.remove(Engine, "connect", limit)
    resumed = RetiariiExperiment.resume(experiment.id, storage=path)
    assert [trial.state for trial in resumed.trials()] == [TrialState.COMPLETED] * 6


class Widen(Mutator):
    def mutate(self, model):
        [node] = model.get_nodes_by_label("wide")
        node.update_operation("torch.nn.Linear", {"in_features": 4, "out_features": self.choice([4, 16])})


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_mutators_and_choices_in_the_model_are_searched_together(platform):
    model = nn.Sequential(nn.Placeholder("wide"), nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="act"))

    def measure(network):
        return network(torch.ones(1, 4)).shape[1] + isinstance(network[1], torch.nn.Tanh) / 10

    experiment = RetiariiExperiment(model, FunctionalEvaluator(measure), [Widen()], GridSearch())
    experiment.run(config(platform))
    assert len(experiment.trials()) == 4
    assert experiment.top_trials()[0].metric == pytest.approx(16.1)
    [code] = experiment.export_top_models(formatter="code")
    assert "Linear(4, 16)" in code or "out_features=16" in code
    assert "retiarii" not in code
    assert measure(experiment.export_top_models(formatter="instance")[0]) == pytest.approx(16.1)
    [graph] = experiment.export_top_models(formatter="graph")
    assert graph.metric == pytest.approx(16.1)
    assert graph.evaluator is experiment.evaluator
    viewed = RetiariiExperiment.view(experiment.id)
    assert viewed.export_top_models() == experiment.export_top_models()


class Deepen(Mutator):
    """Has more architectures than anybody counts."""

    def mutate(self, model):
        for _ in range(self.choice(list(range(1, 20)))):
            self.choice([1, 2, 3, 4])


def test_a_grid_of_unknown_size_is_refused_before_the_first_trial():
    model = nn.Sequential(nn.Linear(4, 2))
    experiment = RetiariiExperiment(model, FunctionalEvaluator(len), [Deepen()], GridSearch())
    with pytest.raises(ConfigError, match=r"not known.*RegularizedEvolution"):
        experiment.run(config())
    assert experiment.trials() == []


def test_the_graph_engine_gives_the_same_results_as_the_python_engine():
    def forward(model):
        torch.manual_seed(0)
        return model(torch.ones(1, 4)).sum()

    found = [run(lambda m: forward(m).item(), execution_engine=name).trials() for name in ("py", "base")]
    assert [t.architecture for t in found[0]] == [t.architecture for t in found[1]]
    assert [t.metrics for t in found[0]] == [t.metrics for t in found[1]]


def test_a_shape_that_does_not_fit_costs_no_training():
    calls = []

    class Mismatch(Mutator):
        def mutate(self, model):
            [node] = model.get_nodes_by_label("wide")
            node.update_operation("torch.nn.Linear", {"in_features": self.choice([4, 5]), "out_features": 2})

    model = nn.Sequential(nn.Placeholder("wide"), nn.Linear(2, 2))
    evaluator = FunctionalEvaluator(lambda network: calls.append(1) or 1.0)
    experiment = RetiariiExperiment(model, evaluator, [Mismatch()], GridSearch())
    experiment.run(config(dummy_input=[1, 4]))
    [failed] = [trial for trial in experiment.trials() if trial.state is TrialState.FAILED]
    assert failed.failure.kind.value == "invalid_model"
    assert calls == [1]


class Narrow(nn.Module):
    """Runs with one of two widths only."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, nn.ValueChoice([2, 3], label="width"))
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(2, 1)
        self.num_calls = 0

    def forward(self, x):
        self.num_calls += 1
        return self.out(self.drop(self.hidden(x))) + random.random() * torch.rand(1)


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_the_default_engine_checks_shapes_before_training_and_changes_nothing_else(platform, tmp_path):
    def evaluate(model):
        (tmp_path / str(model.hidden.out_features)).touch()
        assert model.num_calls == 0
        assert model.training
        return model(torch.ones(1, 4)).item() if model.hidden.out_features == 2 else 0.0

    trials = []
    for settings in ({}, {"dummy_input": [1, 4]}):
        experiment = RetiariiExperiment(Narrow(), FunctionalEvaluator(evaluate), [], GridSearch())
        for path in tmp_path.iterdir():
            path.unlink()
        experiment.run(config(platform, **settings))
        trials.append({trial.architecture["width"]: trial for trial in experiment.trials()})
    unchecked, checked = trials
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert checked[2].metrics == unchecked[2].metrics
    assert checked[3].failure.kind.value == "invalid_model"
    assert "shape [1, 4]" in checked[3].failure.message
    assert "mat1 and mat2" in checked[3].failure.message


class Switch(nn.Module):
    def __init__(self):
        super().__init__()
        self.switch = nn.InputChoice(n_chosen=1, label="switch")

    def forward(self, x):
        return self.switch([x, 2 * x, 3 * x])


def test_an_input_choice_learns_its_inputs_from_the_first_forward_or_the_dummy_input():
    def measure(model):
        return float(model(torch.ones(1, 2)).sum())

    experiment = RetiariiExperiment(Switch(), FunctionalEvaluator(measure), [], GridSearch())
    with pytest.raises(UnknownInputsError, match=r"'switch'.*n_candidates.*dummy_input.*a function cannot"):
        experiment.run(config())
    experiment.run(config(dummy_input=[1, 2]))
    assert experiment.export_top_models() == [{"switch": 2}]


def test_one_mutated_architecture_in_this_process():
    model = nn.Sequential(nn.Placeholder("wide"), nn.ReLU())
    evaluator = FunctionalEvaluator(lambda network: network(torch.ones(1, 4)).shape[1])
    assert debug_mutated_model(model, evaluator, [Widen()]) == {"default": 4.0}
    assert debug_mutated_model(model, evaluator, [Widen()], architecture={"Widen/0": 16}) == {"default": 16.0}
