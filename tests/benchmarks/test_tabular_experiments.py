"""Tabular experiments on real tables: every executor, several objectives, constraints, and the simulated clock."""

import random

import numpy as np
import pytest
from nb201_frame import LABELS, nb201_frame

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.benchmarks import TabularBenchmark, regret_curve, simulate
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.space import Integer, SearchSpace
from retiarii.testing.evaluators import EvaluatorConformance
from retiarii.trial import TrialState, at_most


@pytest.fixture(scope="module")
def nb201(shared_data):
    return TabularBenchmark(
        nb201_frame(shared_data), choices=LABELS, metrics=["valid_12", "test_200", "seconds"], seconds="seconds"
    )


def ran(benchmark, store, search, platform="simulated", *, evaluator=None, **changes):
    experiment = RetiariiExperiment(benchmark.space, evaluator or benchmark.evaluator(), strategy=search)
    experiment.run(RetiariiExeConfig(platform, seed=3, progress=False, storage=store, **changes))
    return experiment


@pytest.mark.parametrize(
    "search",
    [
        strategy.Random(),
        strategy.RegularizedEvolution(population_size=10, sample_size=3),
        strategy.NSGA2(population_size=8),
    ],
    ids=repr,
)
def test_simulate_gives_the_trials_of_an_experiment(nb201, tmp_path, search):
    limits = {"max_trial_number": 60, "max_experiment_duration": 2_000}
    trials = ran(nb201, tmp_path / "store.db", search, trial_concurrency=4, **limits).trials()
    ended = sorted((trial for trial in trials if trial.is_completed), key=lambda trial: trial.finish_order)
    found = simulate(search.search(nb201.space, seed=3), nb201.evaluator(), workers=4, seconds=2_000, trials=60)
    assert found == ended
    assert len(found) > 20
    assert regret_curve(trials, nb201).values.tolist() == regret_curve(found, nb201).values.tolist()


def test_all_executors_give_the_same_numbers(nb201, tmp_path):
    results = []
    for platform in ("simulated", "in_process", "local"):
        trials = ran(nb201, tmp_path / f"{platform}.db", strategy.Random(), platform, max_trial_number=4).trials()
        results.append([(trial.architecture, trial.metrics, trial.state) for trial in trials])
    assert results[0] == results[1] == results[2]


def test_several_objectives_and_constraints_on_metrics(nb201, tmp_path):
    experiment = ran(
        nb201,
        tmp_path / "store.db",
        strategy.NSGA2(population_size=10),
        max_trial_number=80,
        objectives={"test_200": "maximize", "seconds": "minimize"},
        constraints=[at_most("seconds", 200)],
    )
    front = experiment.pareto_front()
    assert len(front) > 2
    assert all(trial.metrics["seconds"] <= 200 for trial in front)
    broken = [trial for trial in experiment.trials() if not trial.is_feasible]
    assert all(trial.metrics["seconds"] > 200 for trial in broken)
    assert broken


def test_a_space_of_few_listed_architectures_is_searched_quickly(shared_data, tmp_path):
    """NAS-Bench-101 as a frame: 23,142 cells of 11 trillion combinations; mutations find listed neighbours."""
    with np.load(shared_data / "nb101_1shot1.npz") as data:
        upper = np.triu_indices(7, 1)
        frame = {f"edge_{a}_{b}": data["adjacency"][:, a, b] for a, b in zip(*upper, strict=True)}
        frame |= {f"op_{node}": data["ops"][:, node] for node in range(7)}
        frame |= {"nodes": data["num_vertices"]}
        choices = list(frame)
        for place, epochs in enumerate(data["epochs"].tolist()):
            frame[f"valid_{epochs}"] = data["valid"][:, place].mean(axis=1)
        frame["test_108"] = data["test"][:, -1].mean(axis=1)
    made = TabularBenchmark(frame, choices=choices, metrics=["valid_108", "test_108"], seconds=60)
    assert made.space.size == 23_142
    assert float(np.nanmax(made.table("default").metrics["test_108"])) == pytest.approx(0.94200724)
    experiment = ran(made, tmp_path / "store.db", strategy.Random(), trial_concurrency=4, max_trial_number=300)
    assert {trial.state for trial in experiment.trials()} == {TrialState.COMPLETED}
    best = experiment.top_trials(1)[0].metrics["valid_108"]
    assert best > np.quantile(frame["valid_108"], 0.98)  # all 300 are below with a probability of 0.98**300 = 0.2 %
    cell = made.space.default()
    mutant = made.space.mutate(cell, random.Random(0))
    assert sum(mutant[label] != cell[label] for label in cell) == 1
    assert mutant in set(made.space.neighbours(cell))
    assert experiment.search_space.size == 23_142


def test_a_search_of_a_listed_space_can_be_resumed(tmp_path):
    draw = random.Random(0)
    rows = [{"a": draw.randrange(9), "b": b, "acc": draw.random()} for b in range(30)]
    made = TabularBenchmark(rows, choices=["a", "b"], metrics=["acc"], seconds=60)
    experiment = ran(made, tmp_path / "store.db", strategy.Random(), max_trial_number=10)
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=100)
    assert {trial.architecture for trial in resumed.trials()} == set(made.space.grid())
    assert len(resumed.trials()) == 30


def test_a_listed_space_is_not_mixed_with_other_choices():
    made = TabularBenchmark(
        [{"a": 1, "b": 1, "acc": 1}, {"a": 2, "b": 2, "acc": 2}], choices=["a", "b"], metrics=["acc"]
    )
    assert made.space.merge(SearchSpace([])) == made.space
    with pytest.raises(Exception, match="cannot be searched together with other choices"):
        made.space.merge(SearchSpace([Integer("c", 1, 2)]))


class TestTabularEvaluator(EvaluatorConformance):
    fidelity = "epochs"
    amounts = (1, 4)
    continues = False  # it needs no files

    @pytest.fixture
    def made(self):
        rows = [
            {"op": op, "epochs": epochs, "seed": seed, "acc": place + epochs / 10 + seed / 100, "time": 60 * epochs}
            for place, op in enumerate("abc")
            for epochs in (1, 2, 4)
            for seed in range(3)
        ]
        return TabularBenchmark(rows, choices=["op"], metrics=["acc"], seconds="time", fidelity="epochs", seed="seed")

    @pytest.fixture
    def evaluator(self, made):
        return made.evaluator(noise="seed")

    @pytest.fixture
    def base_model(self, made):
        return made.space


class TestTableEvaluator(EvaluatorConformance):
    fidelity = "epochs"
    amounts = (12, 200)
    continues = False

    @pytest.fixture
    def evaluator(self, table):
        return table.evaluator("cifar100", noise="seed")

    @pytest.fixture
    def base_model(self, table):
        """A space of the cells that the small table has."""
        found = table.table("cifar100").metrics["valid_acc"]
        known = [row for row in range(len(found)) if np.isfinite(found[row]).any()]
        cells = [Nb201Table().space.at(row) for row in known]
        return SearchSpace(
            [
                type(choice)(choice.label, tuple(dict.fromkeys(cell[choice.label] for cell in cells[:1])))
                for choice in table.space
            ]
        )
