"""Two processes that search together sample alike, learn alike and end with one architecture."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("pytorch_lightning")

SCRIPT = """
import json, sys, warnings
import torch
torch.set_num_threads(1)
warnings.simplefilter("ignore")
import pytorch_lightning as pl
from torch.nn import functional as F
import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, ENAS, GumbelDARTS, Proxyless, RandomOneShot, fit_supernet

STRATEGIES = {
    "RandomOneShot": RandomOneShot(),
    "ENAS": ENAS(ctrl_steps_aggregate=2, arc_learning_rate=0.05),
    "DARTS": DARTS(arc_learning_rate=0.1),
    "GumbelDARTS": GumbelDARTS(arc_learning_rate=0.1),
    "Proxyless": Proxyless(arc_learning_rate=0.1),
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8], label="width")
        self.stem = nn.Linear(6, width)
        self.op = nn.LayerChoice([nn.Linear(width, width), nn.Tanh(), nn.Identity()], label="op")
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.op(self.stem(x)))


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = None

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("default", -F.cross_entropy(self.model(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Watch(pl.Callback):
    def __init__(self, search, seen):
        self.search, self.seen = search, seen

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        decisions = self.search.supernet.decisions.values()
        self.seen.append([d.value if d.weights is None else d.weights.tolist() for d in decisions])


def loader(seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(32, 6, generator=generator), torch.randint(3, (32,), generator=generator)
    data = torch.utils.data.TensorDataset(x, y)
    return torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)


def main(folder):
    for name, strategy in STRATEGIES.items():
        torch.manual_seed(0)
        search, seen = strategy.search(Net(), seed=5), []
        trainer = pl.Trainer(
            max_epochs=2, accelerator="cpu", devices=2, strategy="ddp_fork_find_unused_parameters_true", logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            callbacks=[Watch(search, seen), Dump(search, seen, f"{folder}/{name}")],
        )
        fit_supernet(search, Module(), trainer, loader(0), loader(1))


class Dump(pl.Callback):
    def __init__(self, search, seen, path):
        self.search, self.seen, self.path = search, seen, path

    def on_train_end(self, trainer, pl_module):
        weights = {name: tensor.tolist() for name, tensor in self.search.supernet.module.named_parameters()}
        result = {
            "seen": self.seen, "architecture": dict(self.search.export()), "weights": weights,
            "probabilities": [list(shares.values()) for shares in self.search.probabilities().values()],
        }
        with open(f"{self.path}.{trainer.global_rank}.json", "w") as file:
            json.dump(result, file)


if __name__ == "__main__":
    main(sys.argv[1])
"""

NAMES = ["RandomOneShot", "ENAS", "DARTS", "GumbelDARTS", "Proxyless"]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo processes are forked")
def test_two_processes_search_as_one(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in NAMES:
        first, second = (json.loads((tmp_path / f"{name}.{rank}.json").read_text()) for rank in (0, 1))
        assert first == second, name
        assert len(first["seen"]) == 8  # 32 samples, 2 processes, batches of 4, 2 epochs
        assert len({json.dumps(setting) for setting in first["seen"]}) > 1
