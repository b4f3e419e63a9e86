"""An `InputChoice` that does not know its inputs learns them from the data of a Lightning evaluator."""

import pytest
import torch

pytest.importorskip("pytorch_lightning")

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import DARTS, GridSearch


class Switch(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.switch = nn.InputChoice(n_chosen=1, label="switch")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.norm(x)
        return self.head(self.switch([x, -x, x * 0]))


class Plain(pl.LightningModule):
    """A module of the user's, which logs, and feeds the model in its own way."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.model(batch["x"]), batch["y"])

    def validation_step(self, batch, batch_idx):
        self.batches.append(batch_idx)
        self.log("val_acc", (self.model(batch["x"]).argmax(1) == batch["y"]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def data(size=24):
    x = torch.randn(size, 4, generator=torch.Generator().manual_seed(0))
    return [{"x": row, "y": int(row[0] > 0)} for row in x]


def classification(**options):
    pairs = [(row["x"], row["y"]) for row in data()]
    loaders = {"train_dataloaders": pl.DataLoader(pairs, batch_size=8), "val_dataloaders": pl.DataLoader(pairs, 8)}
    return pl.Classification(**loaders, max_epochs=1, **options)


def own_module():
    loader = pl.DataLoader(data(), batch_size=8)
    return pl.Lightning(Plain(), pl.Trainer(max_epochs=1, precision="bf16-mixed"), loader, loader)


@pytest.mark.parametrize("make", [classification, own_module])
def test_the_data_of_the_evaluator_show_the_inputs(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, evaluator = Switch(), make()
    experiment = RetiariiExperiment(model, evaluator, [], GridSearch())
    assert experiment.search_space.size == 3
    assert model.training
    assert model.switch.training
    assert model.norm.num_batches_tracked == 0
    assert getattr(evaluator.module, "batches", []) == []
    experiment.run(RetiariiExeConfig("in_process", progress=False))
    assert sorted(trial.architecture["switch"] for trial in experiment.trials()) == [0, 1, 2]
    assert all(trial.failure is None for trial in experiment.trials())
    assert not list(tmp_path.iterdir())


def test_no_file_is_written_for_it(tmp_path):
    evaluator = classification(export_onnx=tmp_path / "model.onnx")
    assert evaluator.run_on_example(Switch())
    assert not list(tmp_path.iterdir())


def test_choices_of_the_evaluator_take_their_default():
    evaluator = classification(learning_rate=nn.ValueChoice([0.1, 0.2], label="lr"))
    experiment = RetiariiExperiment(Switch(), evaluator, [], GridSearch())
    assert experiment.search_space.size == 6


def test_what_was_learned_goes_with_the_stored_objects():
    experiment = RetiariiExperiment(Switch(), classification(), [], GridSearch())
    experiment.run(RetiariiExeConfig("in_process", progress=False, max_trial_number=1))
    resumed = RetiariiExperiment.resume(experiment.id, max_trial_number=3)
    assert len(resumed.trials()) == 3


@pytest.mark.filterwarnings("ignore:.*sampler has shuffling enabled")
def test_one_shot_strategies_learn_it_too():
    experiment = RetiariiExperiment(Switch(), classification(), [], DARTS())
    experiment.run(RetiariiExeConfig(progress=False))
    assert experiment.export_top_models()[0]["switch"] in (0, 1, 2)
