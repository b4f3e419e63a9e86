"""What Lightning evaluators write in an experiment: the weights of the best trial, and nothing where one works."""

import pytest
import torch

pytest.importorskip("pytorch_lightning")

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import GridSearch


def data(seed):
    x = torch.randn(48, 4, generator=torch.Generator().manual_seed(seed))
    return torch.utils.data.TensorDataset(x, (x.sum(1) > 0).long())


def run(platform="in_process", **trainer):
    width = nn.ValueChoice([2, 8], label="width")
    model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))
    evaluator = pl.Classification(
        learning_rate=0.01,
        train_dataloaders=pl.DataLoader(data(0), batch_size=16, shuffle=True),
        val_dataloaders=pl.DataLoader(data(1), batch_size=16),
        max_epochs=2,
        **trainer,
    )
    experiment = RetiariiExperiment(model, evaluator, [], GridSearch())
    experiment.run(RetiariiExeConfig(platform, progress=False, seed=0))
    return experiment


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_the_best_network_has_the_accuracy_of_its_trial(platform):
    experiment = run(platform)
    [trial] = experiment.top_trials()
    [network] = experiment.export_top_models(formatter="instance", weights=True)
    images, labels = data(1).tensors
    with torch.no_grad():
        logits = network.eval()(images)
    assert (logits.argmax(1) == labels).float().mean().item() == pytest.approx(trial.metrics["val_acc"])
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    assert loss == pytest.approx(trial.metrics["val_loss"], rel=1e-5)


@pytest.mark.filterwarnings(
    "ignore:Starting from v1.9.0", "ignore:.*logging interval"
)  # of Lightning, about its logger
def test_logs_and_checkpoints_of_lightning_go_to_the_folder_of_the_trial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = run(logger=True, enable_checkpointing=True, default_root_dir=None)
    assert not list(tmp_path.iterdir())
    [trial] = experiment.top_trials()
    [folder] = (experiment.directory / "trials").iterdir()
    assert folder.name == str(trial.number)
    names = {path.name for path in folder.rglob("*")}
    assert {"checkpoint.pt", "lightning_logs"} < names
    assert any(name.endswith(".ckpt") for name in names)
