"""Lightning as the driver: the user's module runs unmodified, with everything that its trainer does."""

from __future__ import annotations

import copy
import inspect
import warnings

import pytest
import torch
from torch.nn import functional as F

pl = pytest.importorskip("pytorch_lightning")

import retiarii.nn.pytorch as nn  # noqa: E402 - Lightning is optional
from retiarii.errors import ConfigError  # noqa: E402 - Lightning is optional
from retiarii.evaluator.pytorch.lightning import ClassificationModule, Trainer  # noqa: E402 - Lightning is optional
from retiarii.oneshot import (  # noqa: E402 - Lightning is optional
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchCallback,
    fit_supernet,
)
from retiarii.oneshot.lightning import collected_logs, join_search  # noqa: E402 - Lightning is optional

STRATEGIES = {
    "RandomOneShot": RandomOneShot(),
    "ENAS": ENAS(ctrl_steps_aggregate=2, arc_learning_rate=0.01, reward_metric_name="val_acc"),
    "DARTS": DARTS(arc_learning_rate=0.05),
    "DARTS, unrolled": DARTS(arc_learning_rate=0.05, unrolled=True),
    "GumbelDARTS": GumbelDARTS(arc_learning_rate=0.05, use_temp_anneal=True),
    "Proxyless": Proxyless(arc_learning_rate=0.05),
    "DrNAS": DrNAS(arc_learning_rate=0.05),
    "PCDARTS": PCDARTS(arc_learning_rate=0.05, channel_share=2),
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.op = nn.LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Identity()], label="op")
        self.wide = nn.Conv2d(4, nn.ValueChoice([4, 8], label="width"), 1)
        self.norm = nn.BatchNorm2d(nn.ValueChoice([4, 8], label="width"))
        self.head = nn.Linear(nn.ValueChoice([4, 8], label="width"), 3)

    def forward(self, x):
        return self.head(self.norm(self.wide(self.op(self.stem(x)))).mean((2, 3)))


def loader(seed, size=16, batch_size=4):
    generator = torch.Generator().manual_seed(seed)
    data = torch.utils.data.TensorDataset(
        torch.randn(size, 1, 5, 5, generator=generator), torch.randint(3, (size,), generator=generator)
    )
    return torch.utils.data.DataLoader(data, batch_size=batch_size)


def trainer(tmp_path, **options):
    with warnings.catch_warnings():
        return Trainer(
            **{
                "max_epochs": 2,
                "accelerator": "cpu",
                "num_sanity_val_steps": 1,
                "default_root_dir": tmp_path,
                **options,
            }
        )


def fit(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", ".*LeafSpec")
        warnings.filterwarnings("ignore", ".*logging interval")
        warnings.filterwarnings("ignore", ".*Checkpoint directory")
        warnings.filterwarnings("ignore", ".*isn't allowed: you loaded a checkpoint|.*The `weights_only` flag")
        return fit_supernet(*args, **kwargs)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_searches_with_the_ready_made_evaluator_module(name, tmp_path):
    torch.manual_seed(0)
    search = STRATEGIES[name].search(Net())
    steps = []

    class Counting(pl.Callback):
        def on_validation_batch_end(self, *args, **kwargs):
            steps.append("validation")

        def on_train_batch_end(self, *args, **kwargs):
            steps.append("train")

    used = trainer(tmp_path, callbacks=[Counting()])
    before = copy.deepcopy(search.supernet.module.state_dict())
    probabilities = search.probabilities()
    callback = fit(search, ClassificationModule(), used, loader(0), loader(1))
    assert steps.count("train") == 8
    assert steps.count("validation") == 9  # the sanity check has one; all of them also under Proxyless
    assert {"train_loss", "train_acc", "val_loss", "val_acc"} <= set(used.callback_metrics)
    assert any(not torch.equal(tensor, before[key]) for key, tensor in search.supernet.module.state_dict().items())
    assert len(callback.history) == 2
    assert (search.probabilities() == probabilities) == (name == "RandomOneShot")
    search.supernet.space.architecture(search.export())


class Own(pl.LightningModule):
    """A module of a user: two optimizers' worth of features in one."""

    def __init__(self):
        super().__init__()
        self.model = None
        self.seen = []

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.model(batch[0]), batch[1])
        self.log("loss", loss)
        self.seen.append((batch_idx, torch.is_autocast_enabled("cpu")))
        return {"loss": loss}

    def validation_step(self, batch, batch_idx):
        self.log("default", (self.model(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)},
        }


class Manual(Own):
    """Optimizes by itself."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx)["loss"])
        optimizer.step()


@pytest.mark.parametrize("name", ["RandomOneShot", "ENAS"])
def test_modules_that_optimize_by_themselves_train_single_paths(name, tmp_path):
    torch.manual_seed(0)
    strategy = ENAS(ctrl_steps_aggregate=1) if name == "ENAS" else STRATEGIES[name]
    search = strategy.search(Net())
    before = copy.deepcopy(search.supernet.module.state_dict())
    callback = fit(search, Manual(), trainer(tmp_path), loader(0), loader(1))
    assert len(callback.history) == 2
    assert not torch.equal(search.supernet.module.state_dict()["head.layer.weight"], before["head.layer.weight"])


@pytest.mark.parametrize("name", ["DARTS", "DARTS, unrolled", "GumbelDARTS", "Proxyless", "DrNAS", "PCDARTS"])
def test_modules_that_optimize_by_themselves_have_no_loss_for_the_architecture(name, tmp_path):
    torch.manual_seed(0)
    search = STRATEGIES[name].search(Net())
    before = copy.deepcopy(search.supernet.module.state_dict())
    with pytest.raises(ConfigError, match=r"Manual uses manual optimization \(automatic_optim.*RandomOneShot"):
        fit(search, Manual(), trainer(tmp_path), loader(0), loader(1))
    assert all(torch.equal(tensor, before[key]) for key, tensor in search.supernet.module.state_dict().items())


@pytest.mark.parametrize("name", ["RandomOneShot", "ENAS", "DARTS", "Proxyless"])
def test_a_user_s_module_keeps_its_schedulers_precision_and_accumulation(name, tmp_path):
    torch.manual_seed(0)
    strategy = ENAS(ctrl_steps_aggregate=1) if name == "ENAS" else STRATEGIES[name]
    module, search = Own(), strategy.search(Net())
    stepped = []
    used = trainer(tmp_path, precision="bf16-mixed", accumulate_grad_batches=2, gradient_clip_val=0.1)

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            norm = torch.stack([p.grad.norm() for p in pl_module.parameters() if p.grad is not None]).norm()
            stepped.append((trainer.global_step, norm.item()))

    used.callbacks.append(Watch())
    fit(search, module, used, loader(0), loader(1))
    assert used.global_step == 4  # 8 batches, 2 each
    assert used.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**2)
    assert all(autocast for _, autocast in module.seen)
    assert {id(p) for group in used.optimizers[0].param_groups for p in group["params"]} == {
        id(p) for p in search.supernet.parameters()
    }
    assert len(stepped) == 4


def test_what_the_architecture_learns_from_is_neither_logged_nor_counted(tmp_path):
    torch.manual_seed(0)
    search = DARTS(arc_learning_rate=0.0).search(Net())
    module = ClassificationModule(learning_rate=0.0)
    used = trainer(tmp_path, max_epochs=1)
    seen = []

    class Watch(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append(int(pl_module.metrics["train_acc"]._update_count))

    used.callbacks.append(Watch())
    fit(search, module, used, loader(0), loader(1))
    assert seen == [4]
    assert "log" not in vars(module)


def test_checkpoints_resume_to_the_same_numbers(tmp_path):
    can_say = "weights_only" in inspect.signature(pl.Trainer.fit).parameters  # from Lightning 2.6 on
    safely = {"weights_only": True} if can_say else {}

    def run(max_epochs, ckpt_path=None, strategy=None):
        torch.manual_seed(0)
        search = strategy.search(Net(), seed=1)
        used = trainer(tmp_path, max_epochs=max_epochs)
        callback = fit(search, Own(), used, loader(0), loader(1, size=24), ckpt_path=ckpt_path, **safely)
        path = tmp_path / f"{max_epochs}.ckpt"
        used.save_checkpoint(path)
        return search, callback, path

    for strategy in (DARTS(arc_learning_rate=0.05), Proxyless(arc_learning_rate=0.05), ENAS(ctrl_steps_aggregate=3)):
        whole, history, _ = run(3, strategy=strategy)
        _, _, path = run(2, strategy=strategy)
        resumed, resumed_history, _ = run(3, ckpt_path=path, strategy=strategy)
        assert resumed_history.history == history.history
        for one, other in zip(resumed.supernet.parameters(), whole.supernet.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_records_go_to_the_callback_and_to_loggers(tmp_path):
    rows, records = [], []

    class Logger(pl.loggers.logger.DummyLogger):
        def log_metrics(self, metrics, step=None):
            rows.append((step, dict(metrics)))

    search = GumbelDARTS(use_temp_anneal=True).search(Net())
    used = trainer(tmp_path, logger=Logger())
    fit(search, ClassificationModule(), used, loader(0), loader(1), on_record=records.append)
    written = [metrics for _, metrics in rows if "search/temperature" in metrics]
    assert [metrics["search/temperature"] for metrics in written] == pytest.approx([1.0, 0.33])
    assert {"search/op/0", "search/width/8", "search/entropy/op", "search/entropy"} <= set(written[0])
    assert [record.epoch for record in records] == [0, 1]


def test_validation_of_single_paths_uses_statistics_of_the_batch_and_forgets_them(tmp_path):
    torch.manual_seed(0)
    search = RandomOneShot().search(Net())
    used = trainer(tmp_path, max_epochs=1, num_sanity_val_steps=0)
    modes, statistics = [], []

    class Watch(pl.Callback):
        def on_validation_batch_end(self, trainer, pl_module, *args, **kwargs):
            modes.append((search.supernet.module.norm.training, search.supernet.module.training))

        def on_validation_start(self, trainer, pl_module):
            statistics.append(search.supernet.module.norm.layer.running_mean.clone())

    used.callbacks.append(Watch())
    fit(search, ClassificationModule(), used, loader(0), loader(1))
    assert modes == [(True, False)] * 4
    assert torch.equal(search.supernet.module.norm.layer.running_mean, statistics[0])


def test_searches_without_batches_for_the_architecture_are_refused():
    with pytest.raises(ConfigError, match="split_loader"):
        SearchCallback(DARTS().search(Net()))
    SearchCallback(RandomOneShot().search(Net()))


def test_an_unclear_reward_is_an_error_that_lists_what_was_logged(tmp_path):
    search = ENAS().search(Net())

    class Unclear(Own):
        def validation_step(self, batch, batch_idx):
            self.log("f1", 0.1)
            self.log("recall", 0.2)

    with pytest.raises(ConfigError, match=r"logged \['f1', 'recall'\].*not clear"):
        fit(search, Unclear(), trainer(tmp_path), loader(0), loader(1))


def test_gradient_clipping_of_the_strategy_reaches_the_trainer(tmp_path):
    used = trainer(tmp_path)
    fit(DARTS(gradient_clip_val=0.5).search(Net()), Own(), used, loader(0), loader(1))
    assert used.gradient_clip_val == 0.5


def test_join_search_puts_the_supernet_into_a_module_and_the_search_before_other_callbacks():
    class Module(pl.LightningModule):
        pass

    search, module, trainer = DARTS().search(Net(), seed=0), Module(), Trainer(max_epochs=1, logger=False)
    others = list(trainer.callbacks)
    callback = join_search(search, module, trainer, loader(1))
    assert module.model is search.supernet.module
    assert isinstance(callback, SearchCallback)
    assert trainer.callbacks == [callback, *others]


def test_logs_inside_the_block_are_collected_and_not_logged():
    class Module(pl.LightningModule):
        def step(self):
            self.log("loss", 0.5, prog_bar=True)
            self.log_dict({"acc": 0.25})

    module = Module()
    with collected_logs(module) as logged:
        module.step()
    assert logged == {"loss": 0.5, "acc": 0.25}
    with pytest.warns(UserWarning, match="self.log"):
        module.step()  # Lightning's own again, which misses a trainer
