"""The trainers of NNI 2.x: what they train, export and refuse, and that their numbers are those of the strategies."""

from __future__ import annotations

import collections
import copy
import itertools
import logging
import math
import re

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import retiarii.nn.pytorch as nn
from retiarii import fixed_arch
from retiarii.errors import ConfigError, MetricError, SupernetError
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.oneshot import (
    DARTS,
    ENAS,
    ExpectedCost,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SubnetEvaluator,
    search_subnets,
    subnet,
)
from retiarii.oneshot.pytorch import (
    AverageMeter,
    AverageMeterGroup,
    BaseOneShotTrainer,
    Cycle,
    DartsTrainer,
    EnasTrainer,
    ProxylessTrainer,
    RandomTrainer,
    SinglePathTrainer,
    SupervisedLoop,
    default_device,
    length_of,
    metered_pass,
    shown_log,
    to_device,
)
from retiarii.strategy import GridSearch


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LayerChoice({"linear": nn.Linear(4, 4), "tanh": nn.Tanh()}, label="first")
        self.skip = nn.InputChoice(2, 1, label="skip")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.skip([x, self.first(x)]))


class TwoSizes(nn.Module):
    """The layers of a choice in the arguments of a custom module: each value has weights of its own."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, nn.ValueChoice([3, 8], label="width"))
        self.head = nn.Linear(nn.ValueChoice([3, 8], label="width"), 2)

    def forward(self, x):
        return self.head(torch.relu(self.layer(x)))


def data(count=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=generator)
    return TensorDataset(x, (x[:, 0] > 0).long())


def accuracy(output, target):
    return (output.argmax(1) == target).float().mean().item()


def metrics(output, target):
    return {"acc": accuracy(output, target)}


COMMON = {"num_epochs": 2, "batch_size": 8, "workers": 0, "device": "cpu"}


def trainer_of(name, model=None, optimizer=None, metrics=metrics, **options):
    model = Net() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1) if optimizer is None else optimizer
    options = {**COMMON, **options}
    if name == "darts":
        return DartsTrainer(model, F.cross_entropy, metrics, optimizer, dataset=data(), **options)
    if name == "proxyless":
        return ProxylessTrainer(model, F.cross_entropy, metrics, optimizer, dataset=data(), **options)
    if name == "enas":
        return EnasTrainer(model, F.cross_entropy, metrics, accuracy, optimizer, dataset=data(), **options)
    return SinglePathTrainer(
        model, F.cross_entropy, metrics, optimizer, dataset_train=data(), dataset_valid=data(16, 1), **options
    )


TRAINERS = ["darts", "proxyless", "enas", "random"]


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_trains_the_users_model_and_exports_an_architecture_for_fixed_arch(name):
    torch.manual_seed(0)
    model = Net()
    trainer = trainer_of(name, model)
    before = copy.deepcopy(model.state_dict())
    trainer.fit()
    changed = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert "head.weight" in changed
    assert "first.linear.weight" in changed
    architecture = trainer.export()
    with fixed_arch(architecture):
        network = Net()
    assert extract_space(Net()).architecture(architecture)
    x = torch.randn(3, 4)
    model.eval()
    assert torch.equal(model(x), subnet(trainer.search, architecture).eval()(x))
    network.load_state_dict(subnet(trainer.search, architecture).state_dict())
    assert len(trainer.history) == 2


@pytest.mark.parametrize("name", TRAINERS)
def test_the_model_has_its_choices_back_when_it_is_unbound(name):
    model = Net()
    trainer = trainer_of(name, model)
    trainer.fit()
    architecture = trainer.export()
    expected = subnet(trainer.search, architecture)
    assert trainer.unbind() is model
    assert isinstance(model.first, nn.LayerChoice)
    x = torch.randn(3, 4)
    assert torch.equal(freeze(model, architecture)(x), expected(x))


STRATEGIES = {
    "darts": DARTS(arc_learning_rate=0.1, gradient_clip_val=5.0),
    "unrolled": DARTS(arc_learning_rate=0.1, gradient_clip_val=5.0, unrolled=True),
    "proxyless": Proxyless(arc_learning_rate=0.1),
    "enas": ENAS(arc_learning_rate=0.1, ctrl_steps_aggregate=1, ctrl_grad_clip=5.0),
    "random": RandomOneShot(),
}
OPTIONS = {
    "darts": {"arc_learning_rate": 0.1},
    "unrolled": {"arc_learning_rate": 0.1, "unrolled": True},
    "proxyless": {"arc_learning_rate": 0.1},
    "enas": {"ctrl_lr": 0.1, "ctrl_steps_aggregate": 1},
    "random": {},
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_probabilities_are_those_of_the_same_strategy_in_a_search_loop(name):
    torch.manual_seed(0)
    model = Net()
    twin = copy.deepcopy(model)
    trainer = trainer_of("darts" if name == "unrolled" else name, model, **OPTIONS[name], seed=3)
    trainer.train_loader, trainer.valid_loader = list(trainer.train_loader), list(trainer.valid_loader)
    trainer.fit()

    search = STRATEGIES[name].search(twin, seed=3)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)

    def loss(network, batch):
        return F.cross_entropy(network(batch[0]), batch[1])

    loop = SearchLoop(
        search,
        loss,
        optimizer,
        reward=lambda network, batch: accuracy(network(batch[0]), batch[1]),
        gradient_clip_val=5.0 if name == "enas" else None,
    )
    records = loop.run(trainer.train_loader, trainer.valid_loader, num_epochs=2)
    assert trainer.history == records
    for key, value in search.supernet.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


@pytest.mark.parametrize("name", TRAINERS)
def test_layers_that_become_larger_are_trained_by_the_users_optimizer(name):
    torch.manual_seed(0)
    model = TwoSizes()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)
    trainer = trainer_of(name, model, optimizer)
    before = copy.deepcopy(trainer.search.supernet.module.state_dict())
    trainer.fit()
    scheduler.step()
    after = trainer.search.supernet.module.state_dict()
    assert all(not torch.equal(value, before[key]) for key, value in after.items())


def test_parameters_that_the_supernet_adds_join_the_optimizer():
    class Scaled(torch.nn.Module):
        def __init__(self, size):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(size))

        def forward(self, x):
            return x * self.scale[0]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.scaled = basic(nn.ValueChoice([1, 2], label="size"))
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.scaled(x))

    from retiarii import basic_unit

    basic = basic_unit(Scaled)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = trainer_of("random", model, optimizer)
    added = trainer.search.supernet.added_parameters
    assert added
    assert {id(p) for p in added} <= {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert len(optimizer.param_groups) == 1
    trainer.fit()
    assert all((parameter != 1).any() for parameter in added)


def test_a_trained_single_path_supernet_is_searched_for_the_best_subnet():
    torch.manual_seed(0)
    trainer = RandomTrainer(
        model := Net(),
        F.cross_entropy,
        metrics,
        torch.optim.SGD(model.parameters(), lr=0.1),
        2,
        data(64),
        data(64),
        batch_size=8,
        workers=0,
        device="cpu",
    )
    trainer.fit()
    x, y = data(64, 5).tensors
    evaluate = SubnetEvaluator(trainer.search, lambda network: accuracy(network(x), y))
    results = search_subnets(GridSearch().search(trainer.search.space, seed=0), evaluate, 10)
    assert len(results) == 4


def test_metrics_are_logged_with_averages_and_the_epoch(caplog):
    with caplog.at_level(logging.INFO, logger="retiarii.oneshot.pytorch"):
        trainer_of("darts", log_frequency=2).fit()
    lines = [record.getMessage() for record in caplog.records if record.name == "retiarii.oneshot.pytorch"]
    assert sum("step [1/2]" in line for line in lines) == 2
    assert sum("Search epoch [2/2]  acc: " in line for line in lines) == 1
    assert all("loss" in line for line in lines)


def test_metrics_that_are_no_dict_are_an_error():
    trainer = trainer_of("darts", metrics=accuracy)
    with pytest.raises(MetricError, match="returned float, expected a dict of numbers by name"):
        trainer.fit()
    trainer = trainer_of("darts", metrics=lambda output, target: {"acc": output})
    with pytest.raises(MetricError, match="expected numbers by name"):
        trainer.fit()


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_without_choices_is_refused_and_stays_as_it_was(name):
    model = torch.nn.Sequential(torch.nn.Linear(4, 2))
    with pytest.raises(SupernetError, match="has nothing to search: the model has no choices"):
        trainer_of(name, model)
    assert type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_has_its_choices_after_wrong_arguments(name):
    model = Net()
    with pytest.raises(AttributeError, match="param_groups"):
        trainer_of(name, model, optimizer="sgd")
    assert type(model.first) is nn.LayerChoice
    trainer_of(name, model)


def test_a_model_that_the_strategy_cannot_search_stays_as_it_was():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(nn.ValueChoice([0.1, 0.2], label="rate"))
            self.group = nn.Conv2d(6, nn.ValueChoice([3, 4], label="out"), 1, groups=nn.ValueChoice([1, 3], label="g"))

        def forward(self, x):
            return self.group(self.drop(x))

    model = Model()
    modules = dict(model.named_modules())
    with pytest.raises(SupernetError, match="groups"):
        trainer_of("darts", model)
    assert dict(model.named_modules()) == modules


def test_batches_that_are_no_pairs_are_an_error():
    model = Net()
    trainer = trainer_of("random", model)
    trainer.train_loader = [torch.zeros(2, 4)]
    with pytest.raises(ConfigError, match="expected a pair of input and target"):
        trainer.fit()


def test_the_latency_predictor_of_nni_is_refused_and_a_penalty_taken():
    with pytest.raises(ConfigError, match="penalty=ExpectedCost"):
        trainer_of("proxyless", applied_hardware="cortexA76cpu_tflite21")
    cost = ExpectedCost(lambda arch: 10.0 if arch["first"] == "linear" else 1.0, baseline=1.0, weight=100.0)
    trainer = trainer_of("proxyless", arc_learning_rate=0.5, penalty=cost, num_epochs=4)
    trainer.fit()
    assert trainer.export()["first"] == "tanh"


def test_a_learning_rate_that_is_ignored_is_a_warning():
    with pytest.warns(UserWarning, match="ignores learning_rate=0.1"):
        trainer_of("darts", learning_rate=0.1)


def test_averages_weigh_batches_by_their_samples():
    meters = AverageMeterGroup()
    meters.update({"acc": 1.0}, n=3)
    meters.update({"acc": 0.0}, n=1)
    assert meters.averages == {"acc": 0.75}
    assert meters.acc.val == 0.0
    assert str(meters) == "acc 0.0000 (0.7500)"
    with pytest.raises(AttributeError, match="no metric 'loss'"):
        _ = meters.loss
    meter = AverageMeter("loss")
    meter.update(torch.tensor(2.0, requires_grad=True))  # a loss, as it is: warnings are errors
    assert meter.summary() == "loss: 2.0000"
    assert meters.summary() == "acc: 0.7500"


def test_batches_are_moved_whatever_they_are_made_of():
    pair = collections.namedtuple("pair", "x y")
    batch = {"a": [torch.zeros(1), "text"], "b": pair(torch.zeros(1), (torch.zeros(1),))}
    moved = to_device(batch, "meta")
    assert moved["a"][0].is_meta
    assert moved["a"][1] == "text"
    assert moved["b"].y[0].is_meta
    assert default_device("cpu") == torch.device("cpu")
    assert default_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_loop_of_your_own_with_an_auxiliary_output():
    class TwoOutputs(Net):
        def forward(self, x):
            output = super().forward(x)
            return (output, output.detach() * 0) if self.training else output

    search = ENAS().search(TwoOutputs())
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
    loop = SupervisedLoop(
        search, F.cross_entropy, metrics, optimizer, reward=accuracy, device="cpu", auxiliary_weight=0.5
    )
    batch = next(iter(torch.utils.data.DataLoader(data(), batch_size=8)))
    search.begin_epoch(0, 1)
    state = copy.deepcopy(search.supernet.module.state_dict())
    measured = loop.train_step(batch)
    search.supernet.module.load_state_dict(state)
    plain = loop.validate(batch)
    assert measured["acc"] == plain["acc"]
    search.supernet.eval()
    assert plain["loss"] - loop.validate(batch)["loss"] == pytest.approx(0.5 * math.log(2))
    assert 0 <= loop.reward_step(batch)["reward"] <= 1
    assert loop.num_samples(batch) == 8


def test_a_pass_logs_and_averages_what_its_steps_measure(caplog):
    logger = logging.getLogger("a pass")
    batches = Cycle([1.0, 2.0])
    with caplog.at_level(logging.INFO, logger="a pass"):
        averages = metered_pass(
            itertools.islice(batches, 3),
            lambda batch: ({"value": batch}, 2),
            title="mine",
            logger=logger,
            total=3,
            log_frequency=2,
        ).averages
    assert averages == {"value": pytest.approx(4 / 3)}
    assert [record.getMessage() for record in caplog.records] == [
        "mine step [1/3]  value 1.0000 (1.0000)",
        "mine step [3/3]  value 1.0000 (1.3333)",
        "mine  value: 1.3333",
    ]
    assert batches.num_batches == 3
    assert length_of([1.0, 2.0]) == 2
    assert length_of(batches) == 0  # not known


def test_rewards_need_a_function():
    search = ENAS().search(Net())
    loop = SupervisedLoop(search, F.cross_entropy, metrics, torch.optim.SGD(search.supernet.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match="give the loop a function for rewards"):
        loop.reward_step((torch.zeros(1, 4), torch.zeros(1).long()))


def test_a_trainer_of_your_own_is_a_base_trainer_with_an_epoch():
    class OneStep(BaseOneShotTrainer):
        def _train_one_epoch(self, epoch):
            self._loop.train_step(data()[:8])

    model = Net()
    trainer = OneStep(
        RandomOneShot(),
        model,
        F.cross_entropy,
        metrics,
        torch.optim.SGD(model.parameters(), lr=0.1),
        1,
        device="cpu",
        log_frequency=None,
        seed=0,
    )
    trainer.fit()
    assert set(trainer.export()) == {"first", "skip"}


def test_log_lines_are_shown_only_where_no_logging_is_set_up(capsys, caplog, monkeypatch):
    package = logging.getLogger("retiarii")
    monkeypatch.setattr(package, "level", logging.NOTSET)  # experiments set it
    with shown_log():
        logging.getLogger("retiarii.oneshot").info("caught")
    assert "caught" not in capsys.readouterr().err  # pytest has set up logging
    monkeypatch.setattr(package, "propagate", False)
    with shown_log():
        logging.getLogger("retiarii.oneshot").info("shown")
        logging.getLogger("retiarii.oneshot").debug("hidden")
    logging.getLogger("retiarii.oneshot").info("later")
    lines = capsys.readouterr().err
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] shown\n", lines)
    assert package.handlers == []
    assert package.level == logging.NOTSET


@pytest.mark.parametrize(
    ("options", "error"), [({"batch_size": 0}, ValueError), ({"optimizer": "sgd"}, AttributeError)]
)
def test_after_an_error_in_its_constructor_the_model_has_its_choices(options, error):
    model = Net()
    options = {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1), **options}
    with pytest.raises(error):
        SinglePathTrainer(
            model,
            F.cross_entropy,
            metrics,
            num_epochs=1,
            dataset_train=data(),
            dataset_valid=data(),
            workers=0,
            **options,
        )
    assert len(extract_space(model)) == 2
