"""Tuners of the user's in experiments, and strategies as tuners."""

import inspect
import random

import pytest

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.classic import (
    EvolutionTuner,
    NoMoreTrialError,
    ParameterSpace,
    PPOTuner,
    RandomTuner,
    StrategyTuner,
    Tuner,
    TunerStrategy,
)
from retiarii.errors import ConfigError, RetiariiError, SearchError
from retiarii.strategy import GridSearch, RegularizedEvolution
from retiarii.trial import TrialState

DESCRIPTION = {
    "x": {"_type": "choice", "_value": [1, 2, 3, 4]},
    "op": {"_type": "layer_choice", "_value": ["a", "b"]},
}


class CountingTuner(Tuner):
    """Proposes each value of x once, and notes what it is told."""

    def __init__(self):
        self.space = None
        self.told, self.ended, self.imported = [], [], []
        self.next = 1

    def update_search_space(self, search_space):
        self.space = search_space

    def generate_parameters(self, parameter_id, **kwargs):
        if self.next > 4:
            raise NoMoreTrialError("all values of x")
        self.next += 1
        return {"x": self.next - 1, "op": {"_value": "b", "_idx": 1}}

    def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
        self.told.append((parameter_id, parameters["x"], parameters["op"]["_idx"], value))

    def trial_end(self, parameter_id, success, **kwargs):
        self.ended.append((parameter_id, success))

    def import_data(self, data):
        self.imported += data
        self.next = 1 + max(item["parameter"]["x"] for item in data)


def run(tmp_path, strategy, evaluate, **settings):
    experiment = RetiariiExperiment(ParameterSpace(DESCRIPTION).space, FunctionalEvaluator(evaluate), strategy=strategy)
    config = RetiariiExeConfig("in_process", seed=0, progress=False, **settings)
    config.storage = tmp_path / "store.db"
    experiment.run(config)
    return experiment


def evaluate(architecture):
    if architecture["x"] == 2:
        raise ValueError("two")
    return {"default": architecture["x"], "more": 1} if architecture["x"] == 3 else float(architecture["x"])


def test_a_tuner_leads_an_experiment(tmp_path):
    tuner = CountingTuner()
    experiment = run(tmp_path, TunerStrategy(tuner, DESCRIPTION), evaluate)
    assert tuner.space == DESCRIPTION
    assert [trial.architecture["x"] for trial in experiment.trials()] == [1, 2, 3, 4]
    assert tuner.told == [(0, 1, 1, 1.0), (2, 3, 1, {"default": 3.0, "more": 1.0}), (3, 4, 1, 4.0)]
    assert tuner.ended == [(0, True), (1, False), (2, True), (3, True)]


def test_a_resumed_experiment_imports_what_ended_before(tmp_path):
    experiment = run(tmp_path, TunerStrategy(CountingTuner(), DESCRIPTION), evaluate, max_trial_number=3)
    resumed = RetiariiExperiment.resume(
        experiment.id, storage=str(tmp_path / "store.db"), max_trial_number=10, progress=False
    )
    assert [trial.architecture["x"] for trial in resumed.trials()] == [1, 2, 3, 4]


WRONG = [
    ({"x": 7, "op": "a"}, "'x' has value 7"),
    ({"x": 2}, "no value for 'op'"),
    ({"x": 2, "op": "a", "more": 1}, "value for 'more'"),
    ({"x": 2, "op": "a", "more": {"_value": "a", "_idx": 0}}, "value for 'more'"),
    ({"x": 2, "op": {"_value": "a", "_idx": 1}}, "'op' has value"),
    ({"x": 2, "op": {"_value": "a", "_idx": 5}}, "'op' has value"),
    ({"x": {"deep": [float("nan")]}, "op": "a"}, "'x' has value"),
]


def test_parameters_that_do_not_fit_fail_their_trial_and_the_search_goes_on(tmp_path):
    class OftenWrong(CountingTuner):
        def generate_parameters(self, parameter_id, **kwargs):
            if parameter_id < len(WRONG):
                return WRONG[parameter_id][0]
            return {"x": 1, "op": {"_value": "a", "_idx": 0}}

    tuner = OftenWrong()
    trials = run(tmp_path, TunerStrategy(tuner, DESCRIPTION), evaluate, max_trial_number=len(WRONG) + 2).trials()
    for trial, (_, message) in zip(trials, WRONG, strict=False):
        assert trial.state is TrialState.FAILED
        assert message in trial.failure.message
    assert [trial.metrics for trial in trials[len(WRONG) :]] == [{"default": 1.0}] * 2
    assert tuner.ended == [(number, number >= len(WRONG)) for number in range(len(trials))]


def test_what_is_no_parameters_at_all_ends_the_search(tmp_path):
    class Nothing(CountingTuner):
        def generate_parameters(self, parameter_id, **kwargs):
            return None

    with pytest.raises(SearchError, match="Nothing proposed None"):
        run(tmp_path, TunerStrategy(Nothing(), DESCRIPTION), evaluate)


def test_what_is_no_tuner_is_refused():
    with pytest.raises(ConfigError, match="update_search_space"):
        TunerStrategy(object(), DESCRIPTION)


def test_several_parameters_come_at_once_until_there_are_no_more():
    tuner = CountingTuner()
    assert [item["x"] for item in tuner.generate_multiple_parameters([5, 6, 7])] == [1, 2, 3]
    assert [item["x"] for item in tuner.generate_multiple_parameters([8, 9])] == [4]
    assert tuner.generate_multiple_parameters([10]) == []


def test_a_strategy_is_a_tuner():
    tuner = StrategyTuner(GridSearch())
    with pytest.raises(SearchError, match="update_search_space"):
        tuner.generate_parameters(0)
    tuner.update_search_space(DESCRIPTION)
    proposed = tuner.generate_multiple_parameters(range(100))
    assert len(proposed) == 8
    assert {"x": 1, "op": {"_value": "a", "_idx": 0}} in proposed
    with pytest.raises(NoMoreTrialError):
        tuner.generate_parameters(8)
    tuner.receive_trial_result(0, proposed[0], 1.0)
    with pytest.raises(SearchError, match="not generated or have one already"):
        tuner.receive_trial_result(0, proposed[0], 1.0)
    tuner.trial_end(1, False)
    tuner.trial_end(0, True)


def test_a_strategy_as_tuner_learns():
    space = {f"x{index}": {"_type": "randint", "_value": [0, 10]} for index in range(4)}

    def best(learns):
        tuner = StrategyTuner(RegularizedEvolution(population_size=10, sample_size=5, cycles=1000), seed=1)
        tuner.update_search_space(space)
        rng, values = random.Random(0), []
        for number in range(200):
            parameters = tuner.generate_parameters(number)
            values.append(sum(parameters.values()))
            tuner.receive_trial_result(number, parameters, values[-1] if learns else rng.random())
        return sum(values[-50:]) / 50

    assert best(learns=True) > best(learns=False) + 5


def test_minimizing():
    tuner = StrategyTuner(RegularizedEvolution(population_size=10, sample_size=5), "minimize")
    tuner.update_search_space({name: {"_type": "randint", "_value": [0, 10]} for name in "abcd"})
    values = []
    for number in range(100):
        parameters = tuner.generate_parameters(number)
        values.append(sum(parameters.values()))
        tuner.receive_trial_result(number, parameters, values[-1])
    assert sum(values[-20:]) < sum(values[:20]) - 40


def test_a_tuner_as_strategy_gives_the_search_of_the_strategy(tmp_path):
    strategy = TunerStrategy(StrategyTuner(GridSearch()), DESCRIPTION)
    experiment = run(tmp_path, strategy, lambda architecture: 1.0)
    assert len(experiment.trials()) == 8
    assert {trial.state for trial in experiment.trials()} == {TrialState.COMPLETED}
    assert issubclass(SearchError, RetiariiError)


NAS = {
    "layer": {"_type": "layer_choice", "_value": ["conv", "pool", "skip"]},
    "inputs": {"_type": "input_choice", "_value": {"candidates": ["a", "b", "c"], "n_chosen": None}},
    "width": {"_type": "choice", "_value": [8, 16]},
}


def quality(parameters):
    return parameters["layer"]["_idx"] + len(parameters["inputs"]["_idx"]) + parameters["width"] / 16


def proposed(tuner, count, start=0):
    found = []
    for number in range(start, start + count):
        parameters = tuner.generate_parameters(number)
        tuner.receive_trial_result(number, parameters, quality(parameters))
        found.append(parameters)
    return found


@pytest.mark.parametrize("make", [RandomTuner, EvolutionTuner, PPOTuner])
def test_ready_made_tuners_propose_layers_and_inputs(make):
    tuner = make(seed=3)
    tuner.update_search_space(NAS)
    for parameters in proposed(tuner, 30):
        assert set(parameters) == set(NAS)
        assert NAS["layer"]["_value"][parameters["layer"]["_idx"]] == parameters["layer"]["_value"]
        candidates = NAS["inputs"]["_value"]["candidates"]
        assert [candidates[index] for index in parameters["inputs"]["_idx"]] == parameters["inputs"]["_value"]
    again = make(seed=3)
    again.update_search_space(NAS)
    assert [again.generate_parameters(number) for number in range(3)] == proposed(restarted(make(seed=3)), 3)
    assert proposed(restarted(make()), 30) != proposed(restarted(make()), 30)


def restarted(tuner):
    tuner.update_search_space(NAS)
    return tuner


def test_evolution_learns_what_is_good():
    values = [quality(item) for item in proposed(restarted(EvolutionTuner("maximize", 8, seed=0)), 80)]
    assert sum(values[-20:]) > sum(values[:8]) / 8 * 20 + 10


@pytest.mark.parametrize("optimize_mode", ["maximize", "minimize"])
def test_ppo_learns_which_layers_are_good_in_either_direction(optimize_mode):
    """Sums of five numbers from 0 to 3 have the mean 7.5; at random, a mean of 20 above 9.5 has 5 deviations of 0.4."""
    layers = {f"layer{number}": {"_type": "layer_choice", "_value": ["a", "b", "c", "d"]} for number in range(5)}
    tuner = PPOTuner(optimize_mode, seed=0)
    tuner.update_search_space(layers)
    results = []
    for number in range(80):
        parameters = tuner.generate_parameters(number)
        results.append(sum(chosen["_idx"] for chosen in parameters.values()))
        tuner.receive_trial_result(number, parameters, results[-1])
    learned = sum(results[-20:]) / 20
    assert learned > 9.5 if optimize_mode == "maximize" else learned < 5.5


def test_ppo_takes_the_arguments_of_nni():
    arguments = [*inspect.signature(PPOTuner).parameters]
    assert arguments[:-1] == [
        "optimize_mode",
        "trials_per_update",
        "epochs_per_update",
        "minibatch_size",
        "ent_coef",
        "lr",
        "vf_coef",
        "max_grad_norm",
        "gamma",
        "lam",
        "cliprange",
    ]
    with pytest.raises(ConfigError, match="learning_rate=0"):
        PPOTuner("maximize", lr=0)


def test_a_strategy_as_tuner_goes_on_after_the_trials_of_an_earlier_run():
    whole = proposed(restarted(EvolutionTuner(population_size=6, seed=1)), 40)
    resumed = restarted(EvolutionTuner(population_size=6, seed=1))
    resumed.import_data([{"parameter": item, "value": quality(item)} for item in whole[:25]])
    assert proposed(resumed, 15, start=25) == whole[25:]
    with pytest.raises(SearchError):
        resumed.import_data([{"parameter": whole[0], "value": 1.0}])


@pytest.mark.parametrize("tuner", [RandomTuner, EvolutionTuner, PPOTuner])
def test_a_strategy_as_tuner_survives_trials_that_were_interrupted(tuner):
    parameters = ParameterSpace({"x": {"_type": "uniform", "_value": [0, 1]}})
    first = TunerStrategy(tuner(seed=1), parameters).search(parameters.space)
    asked = first.ask(4)
    told = [first.tell_metric(proposal, 0.5) for proposal in asked[:2]]
    resumed = TunerStrategy(tuner(seed=1), parameters).search(parameters.space)
    resumed.replay(asked, told)
    resumed.tell_metric(asked[2], 0.7)
    resumed.tell_metric(asked[3], None)
    (proposal,) = resumed.ask(1)
    resumed.tell_metric(proposal, 0.9)
    assert (resumed.num_told, resumed.num_failed) == (5, 1)
