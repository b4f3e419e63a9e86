"""An algorithm as an outsider writes it, from the guides alone: a mutator with parameters, a trainer, a callback."""

import json

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from retiarii.classic.pytorch.callbacks import Callback
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.classic.pytorch.trainer import Trainer
from retiarii.classic.pytorch.utils import AverageMeterGroup, to_device


class SoftMutator(Mutator):
    """Softmax over the candidates of a layer choice, a sigmoid for each input; colder and colder."""

    def __init__(self, model):
        super().__init__(model)
        self.alphas = nn.ParameterDict(
            {
                mutable.key: nn.Parameter(torch.zeros(len(mutable) if isinstance(mutable, LayerChoice) else 1))
                for mutable in self.mutables
                if isinstance(mutable, (LayerChoice, InputChoice))
            }
        )
        self.register_buffer("temperature", torch.tensor(1.0))

    def sample_search(self):
        return {
            key: (alpha / self.temperature).softmax(0) if len(alpha) > 1 else torch.sigmoid(alpha / self.temperature)
            for key, alpha in self.alphas.items()
        }

    def sample_final(self):
        return {
            key: F.one_hot(alpha.argmax(), len(alpha)).bool() if len(alpha) > 1 else alpha > 0
            for key, alpha in self.alphas.items()
        }


class SoftTrainer(Trainer):
    def __init__(self, *arguments, alpha_rate=0.1, **options):
        super().__init__(*arguments, **options)
        self.alpha_optimizer = torch.optim.Adam(self.mutator.parameters(), alpha_rate)

    def step(self, optimizer, x, y):
        self.optimizer.zero_grad()
        self.alpha_optimizer.zero_grad()
        self.mutator.reset()
        output = self.model(x)
        loss = self.loss(output, y)
        loss.backward()
        optimizer.step()
        return {**self.metrics(output, y), "loss": loss.item()}

    def train_one_epoch(self, epoch):
        self.model.train()
        meters = AverageMeterGroup()
        for batch in DataLoader(self.dataset_train, self.batch_size, shuffle=True):
            x, y = to_device(batch, self.device)
            self.step(self.alpha_optimizer, x[::2], y[::2])
            meters.update(self.step(self.optimizer, x[1::2], y[1::2]))
        self.last = meters.averages

    def validate_one_epoch(self, epoch):
        self.model.eval()


class Cooling(Callback):
    def __init__(self, rate):
        super().__init__()
        self.rate, self.epochs = rate, 0

    def on_epoch_end(self, epoch):
        self.mutator.temperature *= self.rate
        self.epochs += 1

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


class Net(nn.Module):
    """Of the layers one is right: the class is the sign of a product, which needs a square."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice({"identity": nn.Identity(), "square": Square(), "zero": Zero()}, key="layer")
        self.skip = InputChoice(n_candidates=1, key="skip")
        self.mix, self.head = nn.Linear(2, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.mix(x)
        y = self.layer(x)
        skipped = self.skip([x])
        return self.head(y if skipped is None else y + skipped)


class Square(nn.Module):
    def forward(self, x):
        return x * x


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def metrics(output, target):
    return {"acc": (output.argmax(1) == target).float().mean()}


def trainer(num_epochs, seed=0, **options):
    torch.manual_seed(seed)
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    return SoftTrainer(
        model, SoftMutator(model), nn.CrossEntropyLoss(), metrics, optimizer, num_epochs, data, data, 32, 0, "cpu",
        None, [Cooling(0.9)], **options,
    )  # fmt: skip


def test_the_algorithm_finds_the_layer_that_solves_the_task_and_retraining_uses_it(tmp_path):
    search = trainer(12)
    search.train()
    assert search.last["acc"] > 0.8
    search.export(file=tmp_path / "final.json")
    final = json.loads((tmp_path / "final.json").read_text())
    assert final["layer"] == [False, True, False]
    model = Net()
    apply_fixed_architecture(model, str(tmp_path / "final.json"))
    assert isinstance(model.layer, Square)
    assert float(search.mutator.temperature) == pytest.approx(0.9**12)


def test_the_algorithm_goes_on_from_a_checkpoint(tmp_path):
    whole = trainer(3)
    whole.train()
    trainer(1, checkpoint_file=tmp_path / "search.pt").train()
    later = trainer(3, seed=7, checkpoint_file=tmp_path / "search.pt")
    later.train()
    assert later.callbacks[0].epochs == 3
    assert float(later.mutator.temperature) == pytest.approx(0.9**3)
    for name, value in {**whole.model.state_dict(), **whole.mutator.state_dict()}.items():
        other = later.model.state_dict() if name in whole.model.state_dict() else later.mutator.state_dict()
        assert torch.equal(other[name], value), name
    assert later.alpha_optimizer.state_dict()["state"][0]["step"] == 3 * 8
