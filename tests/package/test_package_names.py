"""Public names that users meet as results, or that third parties build on: each does what its docstring says."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, evaluator, execution, graph, oneshot, space, storage, strategy, trial
from retiarii.errors import ConfigError, EvaluatorError, MetricError, SupernetError
from retiarii.evaluator import pytorch as lightning
from retiarii.nn.pytorch import engine


def model():
    return nn.Sequential(nn.Linear(2, nn.ValueChoice([1, 2, 3], label="width")), nn.ReLU())


SPACE = space.SearchSpace([space.Categorical("width", values=(1, 2, 3))])


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        (strategy.Random(), strategy.RandomSearch),
        (strategy.GridSearch(), strategy.GridEnumeration),
        (strategy.RegularizedEvolution(population_size=2, sample_size=1), strategy.EvolutionSearch),
        (strategy.GenerationalEvolution(), strategy.GenerationalSearch),
        (strategy.NSGA2(), strategy.NSGA2Search),
        (strategy.PolicyBasedRL(), strategy.PolicySearch),
        (strategy.ASHA(), strategy.ASHASearch),
        (strategy.Hyperband(), strategy.HyperbandSearch),
        (strategy.MedianStop(strategy.Random()), strategy.MedianStopSearch),
        (strategy.Given([SPACE.default()]), strategy.GivenSearch),
    ],
)
def test_a_recipe_starts_its_own_kind_of_search(recipe, kind):
    search = recipe.search(SPACE, seed=1)
    assert type(search) is kind
    assert isinstance(search, strategy.Search)
    assert {proposal.architecture for proposal in search.ask(2)} <= set(SPACE.grid())


def test_a_graph_is_made_of_nodes_and_edges_with_operations():
    converted = graph.convert_to_graph(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()))
    assert type(converted) is graph.Model
    root = converted.root_graph
    assert type(root) is graph.Graph
    linear = converted.get_node_by_name("0")
    assert type(linear) is graph.Node
    assert type(linear.operation) is graph.Operation
    assert (linear.operation.kind, linear.operation.parameters["out_features"]) == (graph.Kind.MODULE, 3)
    edge = linear.outgoing_edges[0]
    assert type(edge) is graph.Edge
    assert (edge.head, edge.tail) == (linear, converted.get_node_by_name("1"))
    assert type(linear.arguments) is graph.Arguments


def test_every_choice_of_a_space_has_a_label_and_a_default():
    mixed = space.SearchSpace([space.Categorical("a", values=(1, 2)), space.Integer("b", 1, 3), space.Float("c", 0, 1)])
    assert all(isinstance(choice, space.Choice) for choice in mixed)
    assert {choice.label: choice.default() for choice in mixed} == {"a": 1, "b": 1, "c": 0}


def test_identity_tells_1_from_true_and_nearest_names_what_was_meant():
    assert len({space.identity(value) for value in (1, 1.0, True, "1", (1,), (True,))}) == 6
    assert space.identity((1, "a")) == space.identity((1, "a"))
    assert space.nearest("conv7", ["conv3", "skip"]) == " Did you mean 'conv3'?"
    assert space.nearest("zzz", ["conv3", "skip"]) == ""


def test_what_is_reported_becomes_named_numbers():
    assert trial.parse_metrics(torch.tensor([0.5])) == {"default": 0.5}
    assert trial.parse_metrics({"default": np.float32(1), "loss": 2}) == {"default": 1.0, "loss": 2.0}
    with pytest.raises(MetricError, match="the score is 'x'"):
        trial.parse_metrics("x", where="the score")
    assert trial.Objectives().losses({"default": 2.0, "loss": 1.0}) == (-2.0,)
    assert trial.Objectives().losses(None) is trial.Objectives().losses({"loss": 1.0}) is None


def test_where_a_store_is_follows_from_a_path_a_url_and_the_environment(tmp_path, monkeypatch):
    found = storage.locate(tmp_path / "a.db")
    assert type(found) is storage.Location
    assert (found.path, found.files) == (tmp_path / "a.db", tmp_path / "a.db.files")
    assert storage.locate(f"sqlite:///{tmp_path}/a.db") == found
    monkeypatch.setenv("RETIARII_STORAGE", str(tmp_path / "a.db"))
    assert storage.locate(None) == found
    assert not found.path.exists()
    with pytest.raises(ConfigError, match="'mysql' is not supported"):
        storage.locate("mysql://host/database")


def test_new_ids_name_folders_and_a_log_says_how_to_go_on(tmp_path):
    ids = {storage.new_experiment_id() for _ in range(100)}
    assert len(ids) == 100
    with storage.open_store(tmp_path / "a.db") as store:
        record = storage.ExperimentRecord(ids.pop(), space=SPACE.to_json())
        store.create_experiment(record)
        store.write(record.id, trials=[trial.Trial(0, SPACE.default(), started=1.0)])
        log = store.load_log(record.id)
    assert type(log) is storage.ExperimentLog
    assert list(log.asked) == [trial.Proposal(SPACE.default())]
    assert (list(log.told), [pending.number for pending in log.pending]) == ([], [0])


def test_seeding():
    def draws():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    evaluator.seed_everything(3)
    first = draws()
    evaluator.seed_everything(3)
    assert draws() == first


def test_evaluations_write_into_the_folder_that_they_are_given(tmp_path):
    folder = tmp_path / "trial"
    with evaluator.output_to(folder):
        assert os.environ[evaluator.OUTPUT_DIR_VARIABLE] == str(folder)
        assert evaluator.output_dir() == folder
        path = evaluator.save_checkpoint(torch.nn.Linear(2, 1))
    other = torch.nn.Linear(2, 1)
    evaluator.read_state(other, path)
    assert torch.equal(other.weight, torch.load(path, weights_only=True)["weight"])
    with pytest.raises(EvaluatorError):
        evaluator.read_state(torch.nn.Linear(3, 1), path)
    with evaluator.output_to(tmp_path / "empty"):
        pass
    assert not (tmp_path / "empty").exists()


class Scaled(lightning.SupervisedLearningModule):
    def __init__(self):
        super().__init__("L1Loss", {}, learning_rate=0.5, optimizer="SGD")


def test_lightning_modules_learn_from_pairs():
    regression = lightning.RegressionModule(learning_rate=0.1)
    regression.set_model(torch.nn.Linear(2, 1))
    assert regression(torch.zeros(3, 2)).shape == (3, 1)
    assert regression.configure_optimizers().param_groups[0]["lr"] == 0.1
    scaled = Scaled()
    scaled.set_model(lambda: torch.nn.Linear(2, 1))
    assert isinstance(scaled.configure_optimizers(), torch.optim.SGD)
    assert isinstance(scaled.criterion, torch.nn.L1Loss)


class Listener(evaluator.SupernetListener):
    def __init__(self):
        self.heard = []

    def on_start(self, first_epoch, num_epochs):
        self.heard.append((first_epoch, num_epochs))

    def on_batch(self, epoch, batch, num_batches):
        self.heard.append((epoch, batch))

    def on_epoch(self, record, metrics):
        self.heard.append(sorted(record.probabilities))
        return len(self.heard) < 4


def test_a_supernet_is_trained_for_a_listener_until_it_says_stop():
    loader = lightning.DataLoader(TensorDataset(torch.randn(4, 2), torch.randint(0, 2, (4,))), batch_size=4)
    measuring = lightning.Classification(train_dataloaders=loader, val_dataloaders=loader, max_epochs=5)
    base = nn.Sequential(nn.LayerChoice([nn.Linear(2, 2), nn.Linear(2, 2)], label="layer"))
    listener = Listener()
    measuring.train_supernet(
        strategy.RandomOneShot().search(base, seed=0), evaluator.SupernetTraining(listener, seed=1)
    )
    assert listener.heard == [(0, 5), (0, 0), ["layer"], (1, 0), ["layer"]]


class OwnEngine(space.Engine):
    """Anything with a space and a way to networks is an engine."""

    space = SPACE

    def build(self, architecture):
        return torch.nn.Linear(2, architecture["width"])


def test_an_engine_of_one_s_own_makes_the_networks_of_trials():
    task = execution.NasTask(OwnEngine(), FunctionalEvaluator(lambda network: network.out_features))
    assert task(execution.TrialJob(0, SPACE.architecture({"width": 3}), 0), print) == {"default": 3.0}


def test_the_import_path_means_the_same_in_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "beside", "/absolute"])
    assert execution.import_path() == [str(tmp_path), str(tmp_path / "beside"), "/absolute"]
    assert all(Path(folder).is_absolute() for folder in execution.import_path())


class Half(oneshot.Relaxation):
    """Equal weights, whatever the logits are."""

    def apply(self, decision, logits, generator, *, learning):
        decision.mix(torch.full_like(logits, 1 / len(logits)) + 0 * logits)


class Undecided(oneshot.DifferentiableStrategy):
    def relaxation(self):
        return Half()


def test_a_differentiable_strategy_of_one_s_own_needs_a_relaxation():
    base = nn.Sequential(nn.LayerChoice([nn.Linear(2, 2), nn.Linear(2, 2)], label="layer"))
    search = Undecided().search(base, seed=0)
    assert isinstance(search, oneshot.OneShotSearch)
    assert isinstance(search.supernet, oneshot.Supernet)
    data = DataLoader(TensorDataset(torch.randn(8, 2), torch.randint(0, 2, (8,))), batch_size=4)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)

    def loss(network, batch):
        return torch.nn.functional.cross_entropy(network(batch[0]), batch[1])

    (record,) = oneshot.SearchLoop(search, loss, optimizer).run(data, data, num_epochs=1)
    assert sum(record.probabilities["layer"].values()) == pytest.approx(1)


def test_decisions_choose_a_path_or_weigh_all_and_sums_follow():
    decision = oneshot.Decision(space.Categorical("layer", values=("a", "b")))
    assert (decision.value, decision.index, decision.weights) == ("a", 0, None)
    decision.choose("b")
    assert (decision.value, decision.index) == ("b", 1)
    decision.mix(torch.tensor([0.25, 0.75]))
    outputs = [{"out": torch.ones(2)}, {"out": torch.full((2,), 5.0)}]
    mixed = oneshot.weighted_sum(list(decision.weights), outputs, "net.layer", [decision])
    assert torch.equal(mixed["out"], torch.full((2,), 4.0))
    with pytest.raises(SupernetError):
        oneshot.weighted_sum(list(decision.weights), [torch.ones(2), torch.ones(3)], "net.layer", [decision])


@nn.basic_unit
class Power(nn.Module):
    def __init__(self, exponent):
        super().__init__()
        self.exponent = torch.nn.Parameter(torch.tensor(float(exponent)))

    def forward(self, x):
        return x**self.exponent


def test_a_unit_of_which_nothing_is_known_has_weights_for_each_configuration():
    """`separate_rule` is what units get by default; operators stand in the places of choices."""
    base = nn.Sequential(Power(nn.ValueChoice([1, 2, 3], label="exponent")))
    rules = {**oneshot.DEFAULT_RULES, Power: oneshot.separate_rule}
    supernet = oneshot.build_supernet(base, rules=rules)
    operators = [module for module in supernet.module.modules() if isinstance(module, oneshot.Operator)]
    assert [operator.path for operator in operators] == ["0"]
    assert sorted(weight.item() for weight in supernet.parameters()) == [1, 2, 3]
    for exponent in (1, 2, 3):
        supernet.set_architecture({"exponent": exponent})
        assert supernet(torch.tensor(2.0)).item() == 2**exponent


def test_a_fixed_cell_of_nas_bench_101_is_a_plain_graph_of_operations():
    operations = [lambda size: torch.nn.Linear(size, size), lambda size: torch.nn.Identity()]
    base = torch.nn.Sequential(nn.NasBench101Cell(operations, 2, 4, torch.nn.Linear, 4, 4, label="cell"))
    (fixed,) = nn.freeze(base, nn.extract_space(base).default())
    assert type(fixed) is nn.ChosenNasBench101Cell
    assert fixed(torch.zeros(3, 2)).shape == (3, 4)


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        (strategy.ASHA(), strategy.ASHASearch),
        (strategy.Hyperband(), strategy.HyperbandSearch),
        (strategy.NSGA2(), strategy.NSGA2Search),
        (strategy.MedianStop(strategy.Random()), strategy.MedianStopSearch),
        (strategy.Given([SPACE.default()]), strategy.GivenSearch),
    ],
)
def test_strategies_start_searches_of_their_own_kind(recipe, kind):
    assert type(recipe.search(SPACE)) is kind


class Twice(strategy.SearchWrapper):
    """Has each architecture of the inner search tried twice."""

    def _propose(self, number):
        return self.pending[number - 1] if number % 2 else super()._propose(number)

    def _on_ask(self, proposal):
        if self.num_asked % 2:
            super()._on_ask(proposal)

    def _on_tell(self, trial):
        if trial.number % 2 == 0:
            super()._on_tell(trial.evolve(number=trial.number // 2))


def test_a_wrapper_of_one_s_own_changes_what_a_search_proposes():
    search = Twice(strategy.GridSearch().search(SPACE))
    proposals = search.ask(4)
    assert proposals[0] == proposals[1] != proposals[2] == proposals[3]
    for number, proposal in enumerate(proposals):
        search.tell(trial.Trial(number, proposal.architecture, trial.TrialState.COMPLETED, {"default": 1.0}))
    assert search.inner.num_told == 2


def test_the_clock_of_this_machine_goes_forward():
    clock = trial.SystemClock()
    first = clock.elapsed()
    assert clock.elapsed() >= first
    assert clock.now() > 1_700_000_000


def test_what_an_evaluation_may_know_of_its_trial(tmp_path):
    files, reported = trial.TrialFiles(tmp_path), []
    job = execution.TrialJob(4, SPACE.default(), 7, fidelity=trial.Fidelity(epochs=3), parent=2)
    context = execution.context_of(job, reported.append, files)
    assert (context.number, context.seed, context.fidelity, context.parent) == (4, 7, {"epochs": 3}, 2)
    assert (context.folder, context.parent_folder) == (files.folder(4), files.folder(2))
    context.report(0.5)
    assert reported == [{"default": 0.5}]


class Doubled(engine.NetworkEngine):
    """Networks of one's own, with their parameters counted."""

    space = SPACE

    def build(self, architecture):
        return torch.nn.Linear(1, 2 * architecture["width"])


def test_engines_of_networks_know_their_costs():
    cost = Doubled().costs["params"]
    assert cost(SPACE.architecture({"width": 3})) == 12


def test_trials_that_can_be_compared():
    objectives = trial.Objectives.of({"a": "maximize", "b": "minimize"})
    done = trial.Trial(0, SPACE.default(), trial.TrialState.COMPLETED, {"a": 1.0, "b": 2.0})
    broken = done.evolve(number=1, violation=0.5)
    assert trial.comparable([done, broken, done.evolve(metrics={"a": 1.0})], objectives) == [(done, (-1.0, 2.0))]


def test_generators_are_loaded_before_trials_are_forked():
    evaluator.load_generators()
    assert "numpy.random" in sys.modules
