"""One-shot strategies in experiments: the supernet trained by the user's evaluator, exported, stopped and resumed."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path

import pytest
import torch

pl = pytest.importorskip("pytorch_lightning")

import retiarii.evaluator.pytorch.lightning as lightning  # noqa: E402 - Lightning is optional
import retiarii.nn.pytorch as nn  # noqa: E402 - Lightning is optional
from retiarii import strategy  # noqa: E402 - Lightning is optional
from retiarii.errors import (  # noqa: E402 - Lightning is optional
    ConfigError,
    EvaluatorError,
    ExperimentError,
    ExperimentFailedError,
)
from retiarii.evaluator import Evaluator, FunctionalEvaluator  # noqa: E402 - Lightning is optional
from retiarii.experiment import Callback, Ending, RetiariiExeConfig, RetiariiExperiment  # noqa: E402 - the same
from retiarii.graph import Mutator  # noqa: E402 - Lightning is optional
from retiarii.nn.pytorch import fixed_arch, model_wrapper  # noqa: E402 - Lightning is optional
from retiarii.oneshot import SearchLoop, subnet  # noqa: E402 - Lightning is optional
from retiarii.storage import ExperimentState, open_store  # noqa: E402 - Lightning is optional
from retiarii.trial import FailureKind, TrialState  # noqa: E402 - Lightning is optional

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),
    pytest.mark.filterwarnings("ignore:.*logging interval"),
]

STRATEGIES = {
    "RandomOneShot": strategy.RandomOneShot(),
    "ENAS": strategy.ENAS(ctrl_steps_aggregate=2, arc_learning_rate=0.01),
    "DARTS": strategy.DARTS(arc_learning_rate=0.05),
    "DARTS, unrolled": strategy.DARTS(arc_learning_rate=0.05, unrolled=True),
    "GumbelDARTS": strategy.GumbelDARTS(arc_learning_rate=0.05, use_temp_anneal=True),
    "Proxyless": strategy.Proxyless(arc_learning_rate=0.05),
    "DrNAS": strategy.DrNAS(arc_learning_rate=0.05),
    "PCDARTS": strategy.PCDARTS(arc_learning_rate=0.05, channel_share=2),
}


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.op = nn.LayerChoice(
            {"conv": nn.Conv2d(4, 4, 3, padding=1), "pool": nn.MaxPool2d(3, 1, 1), "skip": nn.Identity()}, label="op"
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.op(torch.relu(self.norm(self.stem(x)))).mean((2, 3)))


class Many(nn.Module):
    """Any number of 20 inputs, which has a million subsets."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 20, 3, padding=1)
        self.pick = nn.InputChoice(20, None, "mean", label="pick")
        self.head = nn.Linear(36, 2)

    def forward(self, x):
        picked = self.pick(list(self.stem(x).flatten(2).unbind(1)))
        return self.head(torch.zeros(len(x), 36) if picked is None else picked)


def images(seed, size=24):
    """Return noise with or without a bright row."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(size, 1, 6, 6, generator=generator), torch.arange(size) % 2
    x[y == 1, :, 2] += 2
    return torch.utils.data.TensorDataset(x, y)


def evaluator(max_epochs=2, **options):
    loaders = {
        "train_dataloaders": lightning.DataLoader(images(0), batch_size=6, shuffle=True),
        "val_dataloaders": lightning.DataLoader(images(1), batch_size=8, shuffle=True),
    }
    return lightning.Classification(
        learning_rate=0.01, max_epochs=max_epochs, accelerator="cpu", **{**loaders, **options}
    )


def experiment_of(searching=None, measuring=None, **kwargs):
    torch.manual_seed(0)
    return RetiariiExperiment(Net(), measuring or evaluator(), [], searching or STRATEGIES["DARTS"], **kwargs)


def config(**settings):
    return RetiariiExeConfig(progress=False, seed=3, **settings)


def run(searching=None, measuring=None, callbacks=(), **settings):
    experiment = experiment_of(searching, measuring, callbacks=callbacks)
    experiment.run(config(**settings))
    return experiment


class StopAfter(Callback):
    """Asks an experiment to stop after some epochs."""

    def __init__(self, epoch):
        self.epoch, self.experiment = epoch, None

    def on_supernet_epoch(self, epoch):
        if epoch.number == self.epoch:
            self.experiment.stop()


def outcome(experiment):
    """Return everything that a search came to."""
    weights = [weight.tolist() for weight in experiment.supernet().parameters()]
    return experiment.search_history(), [(t.architecture, t.metrics) for t in experiment.trials()], weights


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_runs_with_an_unmodified_evaluator_and_exports_an_architecture(name):
    experiment = run(STRATEGIES[name])
    assert experiment.state is ExperimentState.DONE
    history = experiment.search_history()
    assert [record.epoch for record in history] == [0, 1]
    for record in history:
        assert math.isclose(sum(record.probabilities["op"].values()), 1, rel_tol=1e-6)
    best = experiment.export_top_models()[0]
    with fixed_arch(best):
        assert Net()(torch.zeros(1, 1, 6, 6)).shape == (1, 2)
    trials = experiment.trials()
    assert all(trial.state is TrialState.COMPLETED for trial in trials)
    if name == "RandomOneShot":  # three architectures, so all of them
        assert sorted(trial.architecture["op"] for trial in trials) == ["conv", "pool", "skip"]
    else:
        assert [trial.architecture.to_json() for trial in trials] == [best]
        last = history[-1].probabilities["op"]
        assert name == "ENAS" or best["op"] == max(last, key=last.get)


@pytest.mark.parametrize("name", ["RandomOneShot", "ENAS", "DARTS"])
def test_choices_of_any_number_of_20_inputs_are_searched_stored_and_exported(name):
    torch.manual_seed(0)
    experiment = RetiariiExperiment(Many(), evaluator(), [], STRATEGIES[name])
    experiment.run(config(max_trial_number=2))
    assert experiment.state is ExperimentState.DONE
    record = experiment.search_history()[-1]
    assert list(record.probabilities["pick"]) == list(range(20))
    assert record.num_values == {"pick": 2**20}
    assert 0 < record.entropy["pick"] <= record.max_entropy["pick"] * (1 + 1e-6)
    best = experiment.export_top_models()[0]
    with fixed_arch(best):
        assert Many()(torch.zeros(1, 1, 6, 6)).shape == (1, 2)


def test_the_metric_is_that_of_the_subnet_with_recalibrated_statistics():
    measuring = evaluator()
    experiment = run(measuring=measuring)
    (trial,) = experiment.trials()
    network = subnet(experiment.supernet(), trial.architecture).eval()
    assert type(network.op) is not type(Net().op)
    with torch.no_grad():  # the whole training set is fewer than 20 batches
        network.norm.momentum = None
        network.norm.reset_running_stats()
        network.norm.train()
        for x, _ in lightning.DataLoader(images(0), batch_size=6):
            network(x)
        network.norm.eval()
        x, y = images(1).tensors
        accuracy = (network(x).argmax(1) == y).float().mean().item()
    assert trial.metrics["val_acc"] == pytest.approx(accuracy)
    assert trial.metrics["default"] == trial.metrics["val_acc"]


def test_a_supernet_learns_what_there_is_to_learn():
    experiment = run(strategy.RandomOneShot(), evaluator(max_epochs=40))
    assert experiment.top_trials(1)[0].metric >= 0.8


def test_epochs_are_stored_with_what_was_measured():
    experiment = run()
    with open_store(None, create=False) as store:
        epochs = store.list_epochs(experiment.id)
    assert [epoch.number for epoch in epochs] == [0, 1]
    assert all(0 <= epoch.metrics["default"] == epoch.metrics["val_acc"] <= 1 for epoch in epochs)
    viewed = RetiariiExperiment.view(experiment.id)
    assert viewed.search_history() == experiment.search_history()
    assert viewed.export_top_models() == experiment.export_top_models()


def test_a_second_phase_of_one_s_choice_keeps_to_the_limit():
    searching = strategy.RandomOneShot(
        filter=lambda architecture: architecture["op"] != "conv",
        second_phase=strategy.RegularizedEvolution(population_size=3, sample_size=2),
    )
    experiment = run(searching, max_trial_number=6)
    assert len(experiment.trials()) == 6
    assert {trial.architecture["op"] for trial in experiment.trials()} == {"pool", "skip"}
    assert all(path["op"] != "conv" for record in experiment.search_history() for path in record.sampled)


@pytest.mark.parametrize("name", ["DARTS", "Proxyless", "ENAS", "RandomOneShot", "GumbelDARTS"])
def test_an_experiment_that_was_stopped_resumes_to_the_same_numbers(name):
    searching = STRATEGIES[name]
    whole = run(searching, evaluator(max_epochs=3))
    stop = StopAfter(0)
    stopped = experiment_of(searching, evaluator(max_epochs=3), callbacks=[stop])
    stop.experiment = stopped
    stopped.run(config())
    assert stopped.state is ExperimentState.STOPPED
    assert len(stopped.search_history()) == 1
    with pytest.raises(ExperimentError, match=f"not trained to the end yet.*retiarii resume {stopped.id}"):
        stopped.export_top_models()
    with pytest.raises(ExperimentError, match="not trained to the end"):
        stopped.supernet()
    resumed = RetiariiExperiment.resume(stopped.id, progress=False)
    assert resumed.state is ExperimentState.DONE
    assert outcome(resumed) == outcome(whole)


def test_stopped_after_the_last_epoch_a_resume_measures_what_was_found():
    stop = StopAfter(1)
    stop.experiment = stopped = experiment_of(callbacks=[stop])
    stopped.run(config())
    assert stopped.trials() == []
    assert outcome(RetiariiExperiment.resume(stopped.id)) == outcome(run())


def test_generators_of_the_user_s_loaders_resume_too():
    def measuring():
        loaders = [
            lightning.DataLoader(images(seed), batch_size=7, shuffle=True, generator=torch.Generator().manual_seed(1))
            for seed in (0, 1)
        ]
        return evaluator(max_epochs=3, train_dataloaders=loaders[0], val_dataloaders=loaders[1])

    whole = run(measuring=measuring())
    stop = StopAfter(1)
    stop.experiment = stopped = experiment_of(measuring=measuring(), callbacks=[stop])
    stopped.run(config())
    assert outcome(RetiariiExperiment.resume(stopped.id)) == outcome(whole)


def test_resuming_a_second_phase_trains_nothing_again():
    searching = strategy.RandomOneShot(second_phase=strategy.Random(dedup=False))
    experiment = run(searching, max_trial_number=2)
    seen = []

    class Watch(Callback):
        def on_supernet_start(self, first_epoch, num_epochs):
            seen.append(first_epoch)

    resumed = RetiariiExperiment.resume(experiment.id, callbacks=[Watch()], max_trial_number=4)
    assert seen == []
    assert len(resumed.trials()) == 4
    assert outcome(resumed) == outcome(run(searching, max_trial_number=4))


def test_the_architecture_that_was_found_is_exported_with_the_weights_that_were_measured():
    experiment = run()
    [trial] = experiment.top_trials()
    [network] = experiment.export_top_models(formatter="instance", weights=True)
    assert evaluator().evaluate_subnet(network)["default"] == pytest.approx(trial.metric)
    inherited = subnet(experiment.supernet(), trial.architecture)
    assert torch.equal(network.head.weight, inherited.head.weight)


def test_time_that_is_up_ends_the_training_after_the_epoch_and_exports_what_was_found():
    endings = []

    class Watch(Callback):
        def on_experiment_end(self, ending):
            endings.append(ending)

    experiment = run(measuring=evaluator(max_epochs=1000), callbacks=[Watch()], max_experiment_duration=0.01)
    assert len(experiment.search_history()) == 1
    assert experiment.state is ExperimentState.DONE
    assert set(experiment.export_top_models()[0]) == {"op"}
    with open_store(None, create=False) as store:
        assert store.get_experiment(experiment.id).message == Ending.MAX_DURATION.value
    resumed = RetiariiExperiment.resume(experiment.id, max_experiment_duration=time_of(experiment))  # none is left
    assert len(resumed.search_history()) == 1
    assert resumed.trials() == experiment.trials()
    resumed = RetiariiExperiment.resume(experiment.id, max_experiment_duration=time_of(experiment) + 2)
    assert len(resumed.search_history()) > 1


def time_of(experiment):
    with open_store(None, create=False) as store:
        return store.get_experiment(experiment.id).spent_s


def test_a_background_search_is_stopped_in_the_middle_of_an_epoch():
    class Slow(Callback):
        def on_supernet_start(self, first_epoch, num_epochs):
            started.append(num_epochs)

    started = []
    experiment = experiment_of(measuring=evaluator(max_epochs=10_000), callbacks=[Slow()])
    experiment.start(config())
    while not started:
        time.sleep(0.01)
    experiment.stop()
    assert experiment.state is ExperimentState.STOPPED
    assert len(experiment.search_history()) < 10_000


class PlainLoop(Evaluator):
    """An evaluator without Lightning."""

    def evaluate(self, model):
        raise NotImplementedError

    def train_supernet(self, search, training):
        def loss(network, batch):
            return torch.nn.functional.cross_entropy(network(batch[0]), batch[1])

        batches = [lightning.DataLoader(images(seed), batch_size=6) for seed in (0, 1)]
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
        training.listener.on_start(0, 2)
        SearchLoop(search, loss, optimizer).run(
            *batches, num_epochs=2, on_record=lambda record: training.listener.on_epoch(record, {})
        )

    def evaluate_subnet(self, model):
        x, y = images(1).tensors
        return (model(x).argmax(1) == y).float().mean().item()


def test_an_evaluator_of_one_s_own_with_a_plain_loop():
    experiment = run(measuring=PlainLoop())
    assert len(experiment.search_history()) == 2
    assert 0 <= experiment.top_trials(1)[0].metric <= 1


def test_smaller_metrics_are_better_rewards_where_the_evaluator_minimizes():
    """With one candidate that answers right and one that cannot, the controller must prefer the smaller error."""

    class Answer(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return x[:, :1] * 0 + self.value

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Linear(1, 1)
            self.op = nn.LayerChoice(
                {"right": nn.basic_unit(Answer)(1.0), "wrong": nn.basic_unit(Answer)(9.0)}, label="op"
            )

        def forward(self, x):
            return self.op(x) + 0 * self.scale(x)

    data = torch.utils.data.TensorDataset(torch.zeros(32, 1), torch.ones(32, 1))
    measuring = lightning.Regression(
        learning_rate=0.0, max_epochs=6, accelerator="cpu",
        train_dataloaders=lightning.DataLoader(data, batch_size=16),
        val_dataloaders=lightning.DataLoader(data, batch_size=2),
    )  # fmt: skip
    experiment = RetiariiExperiment(
        Constant(), measuring, [], strategy.ENAS(arc_learning_rate=0.05, ctrl_steps_aggregate=4)
    )
    experiment.run(config())
    assert experiment.search_history()[-1].probabilities["op"]["right"] > 0.7
    assert experiment.trials()[0].metric == 0


class Widen(Mutator):
    def mutate(self, model):
        self.choice([1, 2])


@pytest.mark.parametrize(
    ("searching", "arguments", "settings", "message"),
    [
        ("DARTS", {}, {"execution_engine": "base"}, "'base'.*DARTS is a one-shot strategy"),
        ("Random", {}, {"execution_engine": "oneshot"}, "'oneshot'.*multi-trial strategy"),
        ("DARTS", {"applied_mutators": [Widen()]}, {}, "cannot search mutators"),
        ("DARTS", {"evaluator": "with a choice"}, {}, r"choices of its own \(lr\)"),
        ("DARTS", {}, {"trial_gpu_number": 1, "trial_memory_limit": "4GB"}, "memory_limit.*gpu_number.*Leave them out"),
        ("RandomOneShot", {"second_phase": "evolution"}, {}, "second_phase is 'evolution'"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_stored(searching, arguments, settings, message):
    measuring = evaluator()
    if arguments.get("evaluator"):
        measuring = lightning.Classification(
            learning_rate=nn.ValueChoice([0.1, 0.2], label="lr"), train_dataloaders=measuring.train_dataloaders,
            val_dataloaders=measuring.val_dataloaders, max_epochs=1, accelerator="cpu",
        )  # fmt: skip
    options = {name: value for name, value in arguments.items() if name == "second_phase"}
    experiment = RetiariiExperiment(
        Net(), measuring, arguments.get("applied_mutators"), getattr(strategy, searching)(**options)
    )
    with pytest.raises(ConfigError, match=message):
        experiment.run(config(**settings))
    with open_store(None) as store:
        assert store.list_experiments() == []


def test_the_engine_may_be_named():
    assert run(execution_engine="oneshot").state is ExperimentState.DONE


def test_a_function_cannot_train_a_supernet():
    with pytest.raises(EvaluatorError, match=r"FunctionalEvaluator cannot train a supernet.*RegularizedEvolution"):
        run(measuring=FunctionalEvaluator(len))


def test_validation_data_are_needed():
    with pytest.raises(EvaluatorError, match=r"no validation data.*split_loader"):
        run(measuring=evaluator(val_dataloaders=None))


def test_a_trainer_of_several_processes_is_refused():
    with pytest.raises(EvaluatorError, match=r"2 processes.*fit_supernet"):
        run(measuring=evaluator(devices=2, strategy="ddp_find_unused_parameters_true"))


def test_a_subnet_that_cannot_be_measured_fails_with_its_reason():
    class Broken(PlainLoop):
        def evaluate_subnet(self, model):
            raise ValueError("no scale")

    with pytest.raises(ExperimentFailedError, match="no scale") as caught:
        run(measuring=Broken())
    assert "The only trial" in str(caught.value)
    with open_store(None, create=False) as store:
        (record,) = store.list_experiments()
        assert store.list_trials(record.id)[0].failure.kind is FailureKind.RAISED


def test_a_checkpoint_that_is_damaged_is_named_and_never_run():
    stop = StopAfter(0)
    stop.experiment = stopped = experiment_of(callbacks=[stop])
    stopped.run(config())
    path = stopped.directory / "supernet" / "last.ckpt"
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/retiarii_was_here'\ntR.")
    with pytest.raises(EvaluatorError, match=r"last\.ckpt cannot be read.*Delete it"):
        RetiariiExperiment.resume(stopped.id)
    assert not Path("/tmp/retiarii_was_here").exists()


def test_a_checkpoint_in_which_one_bit_has_changed_is_not_trained_on_with():
    stop = StopAfter(0)
    stop.experiment = stopped = experiment_of(callbacks=[stop])
    stopped.run(config())
    path = stopped.directory / "supernet" / "last.ckpt"
    whole = path.read_bytes()
    weights = torch.load(path, weights_only=True)["state_dict"]["model.stem.weight"].numpy().tobytes()
    at = whole.index(weights)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(EvaluatorError, match=r"last\.ckpt cannot be read: it is damaged.*Delete it"):
        RetiariiExperiment.resume(stopped.id)
    path.write_bytes(whole)
    assert RetiariiExperiment.resume(stopped.id).state is ExperimentState.DONE


def test_loggers_of_the_evaluator_get_the_probabilities(tmp_path):
    run(measuring=evaluator(logger=pl.loggers.CSVLogger(tmp_path)))
    (written,) = tmp_path.rglob("metrics.csv")
    header = written.read_text().splitlines()[0].split(",")
    assert {"search/op/conv", "search/entropy/op", "search/entropy", "val_acc"} <= set(header)


def test_tensorboard_shows_probabilities_over_time(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        from tensorboard.backend.event_processing import event_accumulator as accumulator

        run(measuring=evaluator(logger=pl.loggers.TensorBoardLogger(tmp_path)))
        (folder,) = {path.parent for path in tmp_path.rglob("events.out.*")}
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
    shares = [[event.value for event in events.Scalars(f"search/op/{name}")] for name in ("conv", "pool", "skip")]
    assert [len(share) for share in shares] == [2, 2, 2]
    assert [sum(at) for at in zip(*shares, strict=True)] == pytest.approx([1, 1])
