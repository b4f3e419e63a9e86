"""ProxylessNAS, Single Path One-Shot, P-DARTS and FBNet in the classic API: mathematics, and what they refuse."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from classic_net import Net
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from trainer_tools import accuracy, images, metrics, sgd

from retiarii.classic import TunerStrategy
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.classic.pytorch.fbnet import FBNetMutator, FBNetTrainer, LookUpTable, NASConfig, RegularizerLoss
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import LayerChoice
from retiarii.classic.pytorch.pdarts import PdartsMutator, PdartsTrainer
from retiarii.classic.pytorch.proxylessnas import ProxylessNasMutator, ProxylessNasTrainer, ProxylessTrainer
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.classic.pytorch.spos import SPOSEvolution, SPOSSupernetTrainer, SPOSSupernetTrainingMutator
from retiarii.errors import ConfigError, SearchError, SupernetError
from retiarii.oneshot import GumbelDARTS, Proxyless, RandomOneShot, SearchLoop, SubnetEvaluator, search_subnets
from retiarii.strategy import GenerationalEvolution


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


def loaders():
    return DataLoader(images(), batch_size=8, shuffle=True), DataLoader(images(32, 1), batch_size=8)


def proxyless(model, **options):
    options = {"warmup_epochs": 1, "n_epochs": 2, "grad_update_arch_param_every": 2, "arch_optim_lr": 0.05, **options}
    return ProxylessNasTrainer(model, sgd(model), "cpu", *loaders(), **options)


def spos(model, **options):
    train, valid = loaders()
    options = {"num_epochs": 2, "device": "cpu", **options}
    return SPOSSupernetTrainer(
        model, F.cross_entropy, metrics, sgd(model), train_loader=train, valid_loader=valid, **options
    )


COSTS = {"LayerChoice1": [2.0, 6.0], "second": [4.0, 1.5], "InputChoice2": [1.0, 1.0], "InputChoice3": [1.0, 2.0, 3.0]}


def table(**options):
    return LookUpTable(NASConfig(**{"start_epoch": 1, **options}), COSTS, constant=2.0)


def fbnet(model, lookup_table=None, **options):
    lookup_table = table() if lookup_table is None else lookup_table
    options = {"n_epochs": 3, **options}
    return FBNetTrainer(model, sgd(model), nn.CrossEntropyLoss(), "cpu", [0], lookup_table, *loaders(), **options)


TRAINERS = {"proxyless": proxyless, "spos": spos, "fbnet": fbnet}


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_trains_and_exports_what_retraining_reads(name, tmp_path):
    model = net()
    trainer = TRAINERS[name](model)
    before = copy.deepcopy(model.state_dict())
    trainer.train()
    assert any(not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(epoch["train"]["loss"] == epoch["train"]["loss"] for epoch in trainer.history)
    trainer.export(tmp_path / "arc.json")
    retrained = Net()
    apply_fixed_architecture(retrained, tmp_path / "arc.json")
    assert retrained(images(2)[:][0]).shape == (2, 3)
    trainer.mutator.unbind()
    assert isinstance(model.conv1, LayerChoice)


@pytest.mark.parametrize("name", TRAINERS)
def test_second_mutators_and_models_without_choices_are_refused(name):
    model = net()
    RandomMutator(model)
    with pytest.raises(SearchError, match="is bound to a RandomMutator already"):
        TRAINERS[name](model)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
    with pytest.raises(SupernetError, match="nothing to search: the model has no choices"):
        TRAINERS[name](plain)
    assert plain(images(2)[:][0]).shape == (2, 3)
    with pytest.raises(ConfigError, match="expected a"):
        TRAINERS[name](net(), mutator=RandomMutator(Net()))


@pytest.mark.parametrize("name", ["spos", "fbnet"])
def test_a_model_is_free_again_after_wrong_arguments(name):
    model = net()
    with pytest.raises(AttributeError, match="build"):
        TRAINERS[name](model, callbacks=[None])
    TRAINERS[name](model)  # a second mutator


def test_proxyless_updates_the_architecture_before_every_so_many_batches():
    model = net()
    trainer = proxyless(model, n_epochs=2, grad_update_arch_param_every=2, grad_update_steps=3)
    search, steps = trainer.mutator.search, []
    original = search.architecture_step
    search.architecture_step = lambda *args, **kwargs: steps.append(search.epoch) or original(*args, **kwargs)
    trainer.train()
    assert steps == [1] * 9 + [2] * 9  # 6 batches, an update of 3 steps at every second; none in the warm-up


def test_the_learning_rate_of_proxyless_falls_along_two_cosines():
    trainer = proxyless(net(), warmup_epochs=2, n_epochs=4, init_lr=0.025)
    assert trainer.rate(0) == pytest.approx(0.05)
    assert trainer.rate(1) == pytest.approx(0.025)
    assert trainer.rate(2) == pytest.approx(0.025)
    assert trainer.rate(4) == pytest.approx(0.0125)
    assert trainer.rate(5, 5) == pytest.approx(0.5 * 0.025 * (1 + math.cos(math.pi * 23 / 24)))
    trainer = proxyless(net(), warmup=False, n_epochs=1, init_lr=0.5)
    trainer.train()
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(trainer.rate(0, 5))
    assert ProxylessTrainer is ProxylessNasTrainer


def test_proxyless_has_the_probabilities_of_the_strategy_in_a_search_loop():
    model = net()
    twin = copy.deepcopy(model)
    trainer = proxyless(
        model,
        mutator=ProxylessNasMutator(model, seed=3),
        warmup=False,
        n_epochs=1,
        label_smoothing=0.0,
        grad_update_arch_param_every=1,
        init_lr=0.1,
    )
    trainer.train_loader, trainer.valid_loader = list(trainer.train_loader), list(trainer.valid_loader)
    trainer.train(validate=False)

    def adam(parameters):
        return torch.optim.Adam(parameters, 0.05, betas=(0.0, 0.999))

    search = Proxyless(arc_optimizer=adam).search(twin, seed=3)
    optimizer = sgd(search.supernet)
    loop = SearchLoop(search, lambda network, batch: F.cross_entropy(network(batch[0]), batch[1]), optimizer)
    valid = trainer.valid_loader + trainer.valid_loader
    search.begin_epoch(0, 1)
    for number, (batch, val_batch) in enumerate(zip(trainer.train_loader, valid, strict=False)):
        optimizer.param_groups[0]["lr"] = trainer.rate(0, number)
        loop.step(batch, val_batch)
    assert trainer.mutator.search.probabilities() == search.probabilities()


def test_proxyless_goes_on_from_its_checkpoint_only_where_it_is_told_to(tmp_path):
    files = {"ckpt_path": tmp_path / "search.pt", "arch_path": tmp_path / "arch.json"}
    proxyless(net(), **files).train()
    assert set(json.loads((tmp_path / "arch.json").read_text())) == {
        "LayerChoice1",
        "second",
        "InputChoice2",
        "InputChoice3",
    }
    again = proxyless(net(), load_ckpt=True, **files)
    again._begin_training()
    assert len(again.history) == 3
    anew = proxyless(net(), **files)
    anew._begin_training()
    assert anew.history == []


def test_options_of_proxyless_without_an_equivalent_are_refused_or_warned_about():
    with pytest.raises(ConfigError, match="arch_init_type='uniform', expected 'normal'"):
        proxyless(net(), arch_init_type="uniform")
    with pytest.warns(UserWarning, match="computes two paths, not binary_mode='full'"):
        proxyless(net(), binary_mode="full")
    with pytest.raises(ConfigError, match="grad_update_steps=0"):
        proxyless(net(), grad_update_steps=0)
    assert (
        max(abs(float(a.detach().abs().max())) for a in proxyless(net(), arch_init_ratio=0.0).mutator.search.parameters)
        == 0
    )
    trainer = proxyless(net(), arch_valid_frequency=2)
    trainer.train()
    assert ["valid" in epoch for epoch in trainer.history] == [False, True, False]


def flops(masks):
    """The number of candidates that are computed, of those that cost something."""
    return 10.0 * masks["LayerChoice1"][1] + masks["second"][0] + masks["InputChoice3"].sum()


def test_spos_samples_uniformly_within_the_limits():
    model = net()
    mutator = SPOSSupernetTrainingMutator(model, flops, flops_lb=3, flops_ub=12, seed=0)
    seen = set()
    for _ in range(200):
        mutator.reset()
        architecture = mutator.search.supernet.architecture
        seen.add((architecture["LayerChoice1"], architecture["second"]))
        assert 3 <= flops(mutator.masks(architecture)) <= 12
    assert seen == {(0, "conv"), (1, "skip")}  # 2 or 13 otherwise
    for limits in ({}, {"flops_lb": 1}, {"flops_lb": 2, "flops_ub": 1}):
        with pytest.raises(ConfigError, match="expected both limits"):
            SPOSSupernetTrainingMutator(Net(), flops, **limits)


def test_spos_has_the_paths_of_the_strategy():
    model = net()
    twin = copy.deepcopy(model)
    trainer = spos(model, mutator=SPOSSupernetTrainingMutator(model, seed=3))
    trainer.train_loader = list(trainer.train_loader)
    trainer.train(validate=False)
    search = RandomOneShot().search(twin, seed=3)
    loop = SearchLoop(search, lambda network, batch: F.cross_entropy(network(batch[0]), batch[1]), sgd(search.supernet))
    loop.run(trainer.train_loader, [], num_epochs=2)
    for name, value in search.supernet.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_the_evolution_after_spos_finds_the_best_path_of_the_trained_supernet():
    model = net()
    trainer = spos(model, num_epochs=4)
    trainer.train()
    search = trainer.mutator.search
    x, y = images(64, 5)[:]
    evaluate = SubnetEvaluator(search, lambda network: accuracy(network(x), y), calibration=trainer.train_loader)
    evolution = GenerationalEvolution(3, 6, num_select=2, num_mutation=3, num_crossover=3)
    second = evolution.search(search.space, seed=0)
    results = search_subnets(second, evaluate, num_trials=18)
    assert len(results) == 18
    assert second.best.metrics["default"] == max(metric for _, metric in results)
    apply_fixed_architecture(Net(), trainer.mutator.masks(second.best.architecture))


def test_the_evolution_is_a_tuner_of_search_space_files():
    space = {f"layer{n}": {"_type": "layer_choice", "_value": ["a", "b", "c"]} for n in range(4)}
    space["skip"] = {"_type": "input_choice", "_value": {"candidates": ["x", "y"], "n_chosen": 1}}
    tuner = SPOSEvolution(max_epochs=2, num_select=2, num_population=5, m_prob=0.5, num_crossover=2, num_mutation=2)
    tuner.update_search_space(space)
    first = tuner.generate_multiple_parameters(list(range(8)))
    assert len(first) == 5  # the second generation waits
    for number, parameters in enumerate(first):
        assert parameters["layer0"]["_value"] == "abc"[parameters["layer0"]["_idx"]]
        tuner.receive_trial_result(number, parameters, float(number))
    assert len(tuner.generate_multiple_parameters(list(range(5, 13)))) == 5
    assert len({json.dumps(parameters, sort_keys=True) for parameters in first}) == 5


def test_several_trials_at_a_time_wait_for_a_generation_of_a_tuner():
    space = {f"layer{n}": {"_type": "layer_choice", "_value": ["a", "b", "c"]} for n in range(4)}
    strategy = TunerStrategy(SPOSEvolution(2, 2, 3, num_crossover=1, num_mutation=1), space)
    search = strategy.search(strategy.parameters.space, seed=0)
    first = search.ask(5)
    assert len(first) == 3
    search.tell_metric(first[0], 1.0)
    assert search.ask(1) == []
    for proposal in first[1:]:
        search.tell_metric(proposal, 0.5)
    assert len(search.ask(5)) == 3


class Chain(nn.Module):
    """Some layers whose choices share keys in twos, as cells do."""

    def __init__(self, layers, num_candidates=6):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.layers = nn.ModuleList(
            LayerChoice([nn.Conv2d(4, 4, 3, padding=1) for _ in range(num_candidates)], key=f"cell{number % 2}")
            for number in range(layers)
        )
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.fc(x.mean((2, 3)))


def creator(layers):
    model = Chain(layers)
    optimizer = sgd(model)
    return model, nn.CrossEntropyLoss(), optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)


def pdarts(callbacks=None, **options):
    options = {"pdarts_num_layers": [0, 1, 3], "pdarts_num_to_drop": [3, 1, 1], "arc_learning_rate": 0.1, **options}
    return PdartsTrainer(
        creator, 2, metrics, 2, images(), images(16, 1), batch_size=8, workers=0, device="cpu", callbacks=callbacks,
        **options,
    )  # fmt: skip


def test_p_darts_drops_exactly_the_least_probable_candidates():
    torch.manual_seed(0)
    mutator = PdartsMutator(Chain(2), 0, [3, 2, 1], seed=0)
    logits = {"cell0": [0.3, -1.0, 2.0, 0.1, 0.0, 1.0], "cell1": [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]}
    with torch.no_grad():
        for key, values in logits.items():
            mutator.search.parameters.by_label[key].copy_(torch.tensor(values))
    switches = mutator.drop_paths()
    assert switches == {
        "cell0": [True, False, True, False, False, True],
        "cell1": [True, True, True, False, False, False],
    }

    model = Chain(3)
    kept = [model.layers[0][index] for index in (0, 2, 5)]
    second = PdartsMutator(model, 1, [3, 2, 1], switches, seed=0)
    assert len(second.search.probabilities()["cell0"]) == 3
    assert all(any(module is candidate for module in model.modules()) for candidate in kept)
    with torch.no_grad():
        second.search.parameters.by_label["cell0"].copy_(torch.tensor([0.0, 1.0, 0.0]))
        second.search.parameters.by_label["cell1"].copy_(torch.tensor([0.0, 1.0, 2.0]))
    assert second.drop_paths() == {
        "cell0": [False, False, True, False, False, False],
        "cell1": [False, False, True, False, False, False],
    }
    exported = second.export()
    assert exported["cell0"].tolist() == [False, False, True, False, False, False]
    assert exported["cell1"].tolist() == [False, False, True, False, False, False]


def test_p_darts_goes_through_stages_of_growing_depth(tmp_path):
    seen = []

    class Depths(Callback):
        def on_epoch_begin(self, epoch):
            kept = {key: sum(flags) for key, flags in self.mutator.switches.items()}
            seen.append((epoch, len(self.model.layers), kept))

    torch.manual_seed(0)
    trainer = pdarts([Depths()])
    with pytest.raises(SearchError, match="Call train"):
        trainer.export(tmp_path / "early.json")
    trainer.train()
    assert seen == [
        (0, 2, {"cell0": 6, "cell1": 6}),
        (1, 3, {"cell0": 3, "cell1": 3}),
        (2, 5, {"cell0": 2, "cell1": 2}),
    ]
    assert len(trainer.trainer.history) == 2
    trainer.validate()
    trainer.checkpoint(tmp_path / "stage.pt")
    trainer.export(tmp_path / "arc.json")
    retrained = Chain(5)
    apply_fixed_architecture(retrained, tmp_path / "arc.json")
    assert all(type(layer) is nn.Conv2d for layer in retrained.layers)
    assert retrained(images(2)[:][0]).shape == (2, 3)


def test_p_darts_goes_on_in_the_stage_in_which_it_was_interrupted(tmp_path):
    class Stop(Callback):
        def on_epoch_begin(self, epoch):
            if epoch == 1:
                raise KeyboardInterrupt

    def exported(trainer, name):
        torch.manual_seed(0)
        trainer.train()
        trainer.export(tmp_path / name)
        return (tmp_path / name).read_text(), trainer.mutator.status()

    expected = exported(pdarts(), "whole.json")
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        pdarts([Stop()], checkpoint_file=tmp_path / "search.pt").train()
    assert [path.name for path in tmp_path.glob("*.pt")] == ["search_stage0.pt"]
    assert exported(pdarts(checkpoint_file=tmp_path / "search.pt"), "resumed.json") == expected


def test_bad_stages_of_p_darts_are_refused():
    with pytest.raises(ConfigError, match="3 numbers of layers and 2 numbers of candidates"):
        pdarts(pdarts_num_to_drop=[1, 1])
    with pytest.raises(ConfigError, match="'cell0' has 6 candidates in this stage, of which 6 would be dropped"):
        PdartsMutator(Chain(2), 0, [6])
    model = Chain(2)
    with pytest.raises(ConfigError, match="are 2 booleans, expected 6"):
        PdartsMutator(model, 0, [1], {"cell0": [True, False]})
    RandomMutator(model)
    with pytest.raises(SearchError, match="is bound to a RandomMutator already"):
        PdartsMutator(model, 0, [1], {"cell0": [True] * 3 + [False] * 3})
    assert len(model.layers[0]) == 6


@pytest.mark.parametrize("mode", ["mul", "add"])
def test_the_loss_of_fbnet_is_that_of_the_paper(mode):
    """Equation 2, with the cost of the sampled mixture, by hand."""
    model = net()
    trainer = fbnet(model, table(mode=mode, alpha=0.2, beta=0.6, start_epoch=0))
    search = trainer.mutator.search
    search.begin_epoch(0, 3)
    search.reset()
    weights = {label: decision.weights.clone() for label, decision in search.supernet.decisions.items()}
    cost = 2.0 + sum(float((share * torch.tensor(COSTS[label])).sum()) for label, share in weights.items())
    x, y = images(8)[:]
    plain = F.cross_entropy(model(x), y).item()
    measured = trainer._loop.validate((x, y))["loss"]
    by_hand = plain * 0.2 * math.log(cost) ** 0.6 if mode == "mul" else plain + 0.2 * cost**0.6
    assert measured == pytest.approx(by_hand, rel=1e-5)
    path = dict(search.export())
    search.supernet.set_architecture(path)
    alone = sum(COSTS[k][search.supernet.decisions[k].index] for k in COSTS)
    assert float(trainer.mutator.lookup_table.cost(search)) == pytest.approx(2.0 + alone)


def test_a_lookup_table_is_measured_on_the_inputs_of_the_model():
    model = net()
    x = torch.zeros(2, 1, 9, 9)
    measured = LookUpTable.measured(NASConfig(start_epoch=0), model, x)
    pixels = 2 * 9 * 9  # of the batch; a multiply-add counts as two operations
    assert measured.costs["LayerChoice1"] == [2 * pixels * 4 * 9, 2 * pixels * 4 * 25]
    assert measured.costs["second"] == [2 * pixels * 4 * 4 * 9, 0]
    assert measured.costs["InputChoice2"] == [0.0, 0.0]
    assert measured.constant == 2 * 2 * 4 * 3  # the last layer
    search = FBNetMutator(model, measured).search
    search.supernet.set_architecture({**search.export(), "LayerChoice1": 1, "second": "skip"})
    assert float(measured.cost(search)) == measured.constant + 2 * pixels * 4 * 25

    times = LookUpTable.measured(NASConfig(), Net(), (x,), "latency", repeats=3)
    assert all(time > 0 for time in [*times.costs["LayerChoice1"], *times.costs["second"]])
    assert Net().training
    with pytest.raises(ConfigError, match="metric='energy', expected 'flops' or 'latency'"):
        LookUpTable.measured(NASConfig(), Net(), x, "energy")
    inner = LayerChoice([nn.Conv2d(1, 1, 1), nn.Identity()], key="inner")
    nested = nn.Sequential(LayerChoice([nn.Sequential(inner), nn.Identity()], key="outer"))
    with pytest.raises(ConfigError, match="'inner' is inside a candidate of another layer choice"):
        LookUpTable.measured(NASConfig(), nested, x)


def test_the_gradient_of_fbnet_prefers_the_cheap_candidate():
    costs = {
        "LayerChoice1": [500.0, 2.0],
        "second": [500.0, 2.0],
        "InputChoice2": [1.0, 1.0],
        "InputChoice3": [1.0] * 3,
    }
    config = NASConfig(start_epoch=0, nas_lr=0.2, mode="add", alpha=1.0)
    trainer = fbnet(net(), LookUpTable(config, costs), n_epochs=6)
    trainer.train()
    exported = trainer.mutator.export()
    assert exported["LayerChoice1"].tolist() == [False, True]
    assert exported["second"].tolist() == [False, True]


def test_fbnet_trains_the_weights_first_and_cools_down_exponentially():
    trainer = fbnet(net(), table(start_epoch=2), n_epochs=5)
    temperatures = []

    class Note(Callback):
        def on_epoch_end(self, epoch):
            temperatures.append(self.mutator.search.temperature)

    trainer.callbacks.append(note := Note())
    note.build(trainer.model, trainer.mutator, trainer)
    before = trainer.mutator.status()
    trainer.train_one_epoch(0)
    assert trainer.mutator.status() == before
    trainer.train()
    rate = math.exp(-0.045)
    assert temperatures == pytest.approx([5.0, 5.0, 5.0, 5.0 * rate, 5.0 * rate**2])
    assert ["architecture" in epoch for epoch in trainer.history] == [False, False, True, True, True]
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-9)


def test_a_schedule_sets_the_temperature_of_gumbel_darts():
    search = GumbelDARTS(schedule=lambda epoch, num_epochs: 3.0 - epoch).search(Net())
    assert search.temperature == 3.0
    search.begin_epoch(2, 4)
    assert search.temperature == 1.0


def test_a_schedule_gives_temperatures():
    search = GumbelDARTS(schedule=lambda epoch, num_epochs: 1 - epoch / num_epochs).search(Net())
    assert search.temperature == 1.0
    with pytest.raises(ConfigError, match=r"returned 0\.0 for epoch 4 of 4, expected a number above 0"):
        search.begin_epoch(4, 4)
    with pytest.raises(ConfigError, match="returned None for epoch 0"):
        GumbelDARTS(schedule=lambda epoch, num_epochs: None).search(Net())


def test_fbnet_refuses_tables_and_settings_that_do_not_fit(tmp_path):
    model = net()
    with pytest.raises(ConfigError, match="has no costs for 'LayerChoice1', expected 2"):
        FBNetMutator(model, LookUpTable(NASConfig(), {}))
    with pytest.raises(ConfigError, match="has 3 costs for 'second', expected 2"):
        FBNetMutator(model, LookUpTable(NASConfig(), {**COSTS, "second": [1.0, 2.0, 3.0]}))
    with pytest.raises(ConfigError, match="have to cost more than 1"):
        FBNetMutator(model, LookUpTable(NASConfig(), {key: [0.1] * len(costs) for key, costs in COSTS.items()}))
    with pytest.raises(ConfigError, match="nothing would be learnt"):
        fbnet(model, n_epochs=1)
    with pytest.raises(ConfigError, match="mode='times', expected 'mul' or 'add'"):
        NASConfig(mode="times")
    with pytest.raises(ConfigError, match="expected numbers above 0"):
        NASConfig(init_temperature=0)
    with pytest.warns(UserWarning, match="uses one device"):
        FBNetTrainer(model, sgd(model), F.cross_entropy, "cpu", [0, 1], table(), *loaders(), n_epochs=2)
    model = net()
    trainer = fbnet(model, table(model_dir=tmp_path), arch_path=tmp_path / "arc.json")
    trainer.train()
    assert (tmp_path / "checkpoint.pt").exists()
    assert (tmp_path / "arc.json").exists()
    resumed = fbnet(net(), table(model_dir=tmp_path), load_ckpt=True)
    assert isinstance(RegularizerLoss(NASConfig())(torch.tensor(1.0), torch.tensor(2.0)), torch.Tensor)
    with pytest.raises(ConfigError, match=r"and 2 callbacks, but the trainer has .* and 1 callbacks"):
        resumed.train()
