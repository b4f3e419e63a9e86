"""Searches for Keras models: every multi-trial strategy, isolated trials, export; and no torch on the way."""

import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras_models import functional, sequential

import retiarii.nn.keras as knn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, at_most, debug_mutated_model, strategy
from retiarii.errors import ConfigError, EvaluatorError
from retiarii.evaluator import load_checkpoint, save_checkpoint
from retiarii.trial import TrialState

# Keras's own, when it computes with torch:
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

STRATEGIES = {
    "Random": lambda: strategy.Random(),
    "GridSearch": lambda: strategy.GridSearch(),
    "RegularizedEvolution": lambda: strategy.RegularizedEvolution(population_size=3, sample_size=2),
    "NSGA2": lambda: strategy.NSGA2(population_size=4),
    "ASHA": lambda: strategy.ASHA("epochs", 1, 2, reduction_factor=2),
    "Hyperband": lambda: strategy.Hyperband("epochs", 1, 2, reduction_factor=2),
    "MedianStop": lambda: strategy.MedianStop(strategy.Random()),
}


def settings(tmp_path, kind="in_process", **given):
    return RetiariiExeConfig(kind, max_trial_number=4, seed=0, progress=False, storage=tmp_path / "s.db", **given)


def count(network, context):
    assert isinstance(network, keras.Model)
    context.report(1)
    return -network.count_params()


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_multi_trial_strategy_searches_keras_models(name, make, tmp_path):
    experiment = RetiariiExperiment(make(), count, strategy=STRATEGIES[name]())
    experiment.run(settings(tmp_path))
    assert {trial.state for trial in experiment.trials()} <= {TrialState.COMPLETED, TrialState.PRUNED}
    [best] = experiment.export_top_models()
    with knn.fixed_arch(best):
        network = make()
    assert network.count_params() == -experiment.top_trials()[0].metric


def save(network, context):
    save_checkpoint(network)
    return float(np.sum(network.get_weights()[0]))


def test_isolated_trials_and_the_weights_of_the_best(tmp_path):
    experiment = RetiariiExperiment(sequential(), save, strategy=strategy.Random())
    experiment.run(settings(tmp_path, "local", trial_concurrency=2))
    [network] = experiment.export_top_models(formatter="instance", weights=True)
    assert float(np.sum(network.get_weights()[0])) == pytest.approx(experiment.top_trials()[0].metric)
    other = knn.freeze(sequential(), experiment.export_top_models()[0])
    load_checkpoint(other, experiment.checkpoint(experiment.top_trials()[0].number))
    np.testing.assert_array_equal(other.get_weights()[0], network.get_weights()[0])
    with pytest.raises(EvaluatorError, match="cannot be loaded"):
        load_checkpoint(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), tmp_path / "no.weights.h5")
    again = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "s.db", max_trial_number=5)
    assert len(again.trials()) == 5
    with pytest.raises(ConfigError, match="'code' is for PyTorch models"):
        experiment.export_top_models(formatter="code")


def test_parameters_are_counted_and_bounded(tmp_path):
    config = settings(
        tmp_path, constraints=[at_most("params", 60)], objectives={"default": "maximize", "params": "minimize"}
    )
    experiment = RetiariiExperiment(sequential(), lambda network: 1.0, strategy=strategy.Random())
    experiment.run(config)
    assert all(trial.metrics["params"] <= 60 for trial in experiment.trials())


def test_networks_are_built_for_a_dummy_input(tmp_path):
    model = knn.Sequential([knn.Dense(knn.ValueChoice([2, 4], label="w"))])
    config = settings(tmp_path, dummy_input=[1, 5], objectives={"params": "minimize"})
    experiment = RetiariiExperiment(model, lambda network: {"loss": 0.0}, strategy=strategy.GridSearch())
    experiment.run(config)
    assert experiment.top_trials()[0].metrics["params"] == 2 * 5 + 2
    with pytest.raises(ConfigError, match="depend on its input"):
        knn.KerasEngine(model).measure(knn.freeze(model, {"w": 2}), ["params"])


def test_a_network_that_does_not_fit_its_input_is_an_invalid_model(tmp_path):
    model = knn.Sequential([knn.Dense(4), knn.LayerChoice([knn.Conv2D(4, 3), knn.ReLU()], label="op")])
    experiment = RetiariiExperiment(model, lambda network: 1.0, strategy=strategy.GridSearch())
    experiment.run(settings(tmp_path, dummy_input=[1, 5]))
    failed, completed = sorted(experiment.trials(), key=lambda trial: trial.architecture["op"])
    assert failed.failure.kind == "invalid_model"
    assert "does not take an input of the shape [1, 5]" in failed.failure.message
    assert completed.state is TrialState.COMPLETED


def test_one_model_is_debugged_here():
    assert debug_mutated_model(sequential(), lambda network: network.count_params())["default"] > 0
    assert FunctionalEvaluator(lambda network: network.count_params())._execute(sequential()) > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": strategy.DARTS()}, "makes supernets of PyTorch models only"),
        ({"config": {"execution_engine": "base"}}, "execution_engine='base' is for PyTorch models"),
        ({"model": lambda: keras.layers.Dense(1)}, "is built and has no choices any more"),
        ({"strategy": strategy.ASHA("steps")}, "gives trials the fidelity 'steps'"),
    ],
)
def test_what_does_not_go_with_keras_is_refused_before_anything_runs(given, message, tmp_path):
    from retiarii.evaluator.keras import KerasEvaluator

    with pytest.raises(ConfigError, match=message):
        RetiariiExperiment(
            given.get("model", sequential)(), KerasEvaluator(np.zeros((2, 6, 6, 1))), strategy=given.get("strategy")
        ).run(settings(tmp_path, **given.get("config", {})))


_TRAP = """
import os, traceback
with open(os.environ["TRAP"], "a") as file:
    file.write("".join(traceback.format_stack()))
raise ModuleNotFoundError("No module named 'torch'", name="torch")
"""

_SCRIPT = """
import sys
import numpy as np
import retiarii.nn.keras as knn
from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.evaluator.keras import KerasEvaluator

x = np.random.default_rng(0).random((60, 4)).astype("float32")
y = (x.sum(1) > 2).astype("int32")

@knn.model_wrapper
def net():
    inputs = knn.Input((4,))
    hidden = knn.Dense(knn.ValueChoice([4, 8], label="width"), activation="relu")(inputs)
    return knn.Model(inputs, knn.Dense(2, activation="softmax")(hidden))

evaluator = KerasEvaluator(
    x[:40], y[:40], validation_data=(x[40:], y[40:]), loss="sparse_categorical_crossentropy", metrics=["accuracy"],
    optimizer={"class_name": "adam", "config": {"learning_rate": knn.FloatRange(0.01, 0.1, label="lr")}},
)
assert net().engine().start_method == "spawn"
found = {}
for kind in ("in_process", "local"):
    search = strategy.ASHA("epochs", 1, 2, reduction_factor=2)
    experiment = RetiariiExperiment(net(), evaluator, strategy=search)
    config = RetiariiExeConfig(kind, max_trial_number=3, seed=0, progress=False, storage=sys.argv[1] + "/s.db")
    config.max_failures = 1
    experiment.run(config)
    found[kind] = [(trial.parent, trial.metrics) for trial in experiment.trials()]
assert found["local"][2][0] is not None, found
for (_, first), (_, second) in zip(found["in_process"], found["local"], strict=True):
    np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=1e-4)
[network] = experiment.export_top_models(formatter="instance", weights=True)
assert network.count_params()
assert "torch" not in sys.modules
"""


@pytest.mark.timeout(320)
def test_keras_on_jax_is_searched_in_new_processes_without_torch_in_any(tmp_path):
    (tmp_path / "trap" / "torch").mkdir(parents=True)
    (tmp_path / "trap" / "torch" / "__init__.py").write_text(_TRAP)
    (tmp_path / "script.py").write_text(_SCRIPT)
    noted = tmp_path / "noted.txt"
    path = os.pathsep.join([str(tmp_path / "trap"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path, "TRAP": str(noted)}
    environment["RETIARII_HOME"] = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert not noted.exists(), noted.read_text()


@pytest.mark.parametrize(
    ("hidden", "message"),
    [("keras", r"pip install 'retiarii\[keras\]'"), ("jax", "Keras needs its backend jax, which is not installed")],
)
def test_what_is_missing_is_named(hidden, message, tmp_path):
    (tmp_path / f"{hidden}.py").write_text(f"raise ModuleNotFoundError('hidden', name={hidden!r})")
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", "import retiarii.nn.keras"], capture_output=True, text=True, env=environment
    )
    assert "MissingExtraError" in done.stderr
    assert re.search(message, done.stderr)
