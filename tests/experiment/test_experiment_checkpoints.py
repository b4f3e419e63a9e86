"""The files of the best trials: kept, found, loaded, and gone when others are better."""

import os

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import output_dir, save_checkpoint
from retiarii.errors import ArgumentError, ConfigError, ExperimentError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.storage import open_store
from retiarii.strategy import GridSearch
from retiarii.trial import CHECKPOINT

X = torch.linspace(-1, 1, 32).unsqueeze(1)
WIDTHS = [2, 16, 8, 4]


def model():
    width = nn.ValueChoice(WIDTHS, label="width")
    return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))


def fitted(model, saves=True):
    """Train a little, save the weights; the metric is the width, so that the second trial of the grid is the best."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = ((model(X) - X) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (output_dir() / "loss.txt").write_text(str(loss.item()))
    if saves:
        save_checkpoint(model)
    return {"default": model[0].out_features, "loss": ((model(X) - X) ** 2).mean().item()}


def config(platform="in_process", **settings):
    return RetiariiExeConfig(platform, progress=False, seed=0, **settings)


def run(evaluate=fitted, platform="in_process", callbacks=(), **settings):
    strategy = GridSearch(shuffle=False)
    experiment = RetiariiExperiment(model(), FunctionalEvaluator(evaluate), [], strategy, callbacks=callbacks)
    experiment.run(config(platform, **settings))
    return experiment


def kept(experiment):
    folder = experiment.directory / "trials"
    return sorted(int(path.name) for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_the_best_network_is_exported_with_the_weights_of_its_trial(platform):
    experiment = run(platform=platform)
    [trial] = experiment.top_trials()
    [network] = experiment.export_top_models(formatter="instance", weights=True)
    assert ((network(X) - X) ** 2).mean().item() == pytest.approx(trial.metrics["loss"])
    assert kept(experiment) == [1]

    path = experiment.checkpoint(1)
    assert path == experiment.directory / "trials" / "1" / CHECKPOINT
    state = torch.load(path, weights_only=True)
    assert {name: value.shape for name, value in state.items()} == {n: p.shape for n, p in network.named_parameters()}
    assert experiment.checkpoint(0) is None


def test_as_many_are_kept_as_asked_for_and_other_files_with_them():
    experiment = run(keep_checkpoints=2)
    assert kept(experiment) == [1, 2]
    assert (experiment.directory / "trials" / "2" / "loss.txt").exists()
    networks = experiment.export_top_models(2, formatter="instance", weights=True)
    assert [network[0].out_features for network in networks] == [16, 8]
    with pytest.raises(ExperimentError, match=r"no weights of trial 3 .*only those of trials 1, 2.*keep_checkpoints"):
        experiment.export_top_models(3, formatter="instance", weights=True)


def test_the_direction_of_the_search_says_which_are_best():
    assert kept(run(optimize_mode="minimize", keep_checkpoints=2)) == [0, 3]


def test_nothing_is_kept_where_nothing_is_to_be():
    written = []

    def evaluate(model):
        written.append(save_checkpoint(model))
        return fitted(model)["default"]

    assert kept(run(evaluate, keep_checkpoints=0)) == []
    assert written == [None] * 4
    assert kept(run(lambda model: 1.0)) == []  # folders that stay empty


def test_files_of_failed_trials_go():
    def evaluate(model):
        fitted(model)
        if model[0].out_features == 16:
            raise ValueError("after saving")
        return 1.0

    experiment = run(evaluate, "local", keep_checkpoints=9)
    assert kept(experiment) == [0, 2, 3]


def test_a_function_that_saves_no_weights_is_told_how():
    def evaluate(model):
        return fitted(model, saves=False)

    with pytest.raises(ExperimentError, match=r"only none.*save_checkpoint\(model\)"):
        run(evaluate).export_top_models(formatter="instance", weights=True)


def test_weights_go_with_networks_only():
    with pytest.raises(ConfigError, match="needs formatter='instance'"):
        run().export_top_models(formatter="code", weights=True)


def test_weights_of_another_network_are_an_error():
    def evaluate(model):
        save_checkpoint(torch.nn.Linear(1, 1))
        return 1.0

    with pytest.raises(ExperimentError, match=r"Trial 0: The weights in .* cannot be loaded"):
        run(evaluate).export_top_models(formatter="instance", weights=True)


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    experiment = run()
    torch.save({"0.weight": Trap()}, experiment.checkpoint(1))
    with pytest.raises(ExperimentError, match="cannot be loaded"):
        experiment.export_top_models(formatter="instance", weights=True)
    assert not (tmp_path / "trapped").exists()


def test_a_changed_byte_in_a_checkpoint_is_an_error():
    experiment = run()
    path = experiment.checkpoint(1)
    content = path.read_bytes()
    weights = torch.load(path, weights_only=True)["0.weight"].numpy().tobytes()
    place = content.index(weights)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ExperimentError, match=r"cannot be loaded .*is damaged"):
        experiment.export_top_models(formatter="instance", weights=True)
    path.write_bytes(content[:place])
    with pytest.raises(ExperimentError, match="cannot be loaded"):
        experiment.export_top_models(formatter="instance", weights=True)


def test_an_evaluation_may_write_the_checkpoint_itself():
    def evaluate(model):
        torch.save(model.state_dict(), output_dir() / CHECKPOINT)
        return model[0].out_features

    [network] = run(evaluate).export_top_models(formatter="instance", weights=True)
    assert network[0].out_features == 16


@pytest.mark.parametrize("place", ["0", "spare", "0/checkpoint.pt.tmp"])
def test_links_that_wait_for_a_trial_are_not_followed(tmp_path, place):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")

    class Lay(Callback):
        def on_experiment_start(self, trials):
            with open_store() as store:
                [record] = store.list_experiments()
                link = store.directory(record.id) / "trials" / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(victim / "file" if link.suffix else victim)

    assert kept(run(callbacks=[Lay()])) == [1]
    assert os.listdir(victim) == ["file"]
    assert (victim / "file").read_text() == "precious"


def test_compiled_and_wrapped_models_are_saved_under_their_own_names():
    def evaluate(model):
        save_checkpoint(torch.compile(torch.nn.DataParallel(model), backend="eager"))
        return model[0].out_features

    [network] = run(evaluate).export_top_models(formatter="instance", weights=True)
    assert network[0].out_features == 16


def test_a_resume_goes_on_with_the_best_and_removes_what_was_left_over():
    experiment = run(max_trial_number=1)
    assert kept(experiment) == [0]
    leftover = experiment.directory / "trials" / "7"
    leftover.mkdir()
    (leftover / CHECKPOINT).touch()
    assert kept(RetiariiExperiment.resume(experiment.id, max_trial_number=2)) == [1]
    assert kept(RetiariiExperiment.resume(experiment.id)) == [1]


def test_a_user_may_take_files_away_before_they_are_removed(tmp_path):
    class Collect(Callback):
        def on_trial_end(self, trial):
            folder = experiment_folder() / str(trial.number)
            folder.rename(tmp_path / str(trial.number))

    def experiment_folder():
        with open_store() as store:
            [record] = store.list_experiments()
            return store.directory(record.id) / "trials"

    run(callbacks=[Collect()])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]


def test_a_link_in_the_place_of_a_folder_is_removed_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()

    def evaluate(model):
        folder = output_dir()
        folder.rmdir()
        folder.symlink_to(victim)
        return model[0].out_features

    assert kept(run(evaluate)) == [1]
    assert (victim / "file").exists()


def test_deleting_the_experiment_deletes_the_weights():
    experiment = run()
    folder = experiment.directory
    with open_store() as store:
        store.delete_experiment(experiment.id)
    assert not folder.exists()


def test_outside_a_trial_nothing_is_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output_dir() is None
    assert save_checkpoint(torch.nn.Linear(1, 1)) is None
    assert not list(tmp_path.iterdir())


def test_the_export_waits_for_a_search_in_the_background():
    experiment = RetiariiExperiment(model(), FunctionalEvaluator(fitted), [], GridSearch(shuffle=False))
    experiment.start(config("local"))
    [network] = experiment.export_top_models(formatter="instance", weights=True)
    assert network[0].out_features == 16
    assert len(experiment.trials()) == len(WIDTHS)
    assert experiment.wait()


def test_a_callback_may_export_while_the_search_runs_in_the_background():
    best = []

    class Peek(Callback):
        def on_trial_end(self, trial):
            best.extend(experiment.export_top_models())

    experiment = RetiariiExperiment(
        model(), FunctionalEvaluator(fitted), [], GridSearch(shuffle=False), callbacks=[Peek()]
    )
    experiment.start(config())
    experiment.wait()
    assert best == [{"width": 2}, {"width": 16}, {"width": 16}, {"width": 16}]


def test_a_state_dict_is_no_model():
    with pytest.raises(ArgumentError, match="of type OrderedDict, expected the model itself"):
        save_checkpoint(torch.nn.Linear(1, 1).state_dict())
