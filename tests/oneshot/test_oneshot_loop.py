"""The plain loop, records, exact resumption, and what options do."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import ConfigError
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SearchRecord,
    SupernetError,
    split_loader,
    subnet,
)

STRATEGIES = {
    "RandomOneShot": RandomOneShot(),
    "ENAS": ENAS(ctrl_steps_aggregate=3, arc_learning_rate=0.01),
    "DARTS": DARTS(arc_learning_rate=0.05),
    "DARTS, unrolled": DARTS(arc_learning_rate=0.05, unrolled=True),
    "GumbelDARTS": GumbelDARTS(arc_learning_rate=0.05, use_temp_anneal=True),
    "Proxyless": Proxyless(arc_learning_rate=0.05),
    "DrNAS": DrNAS(arc_learning_rate=0.05, kl_weight=0.01),
    "PCDARTS": PCDARTS(arc_learning_rate=0.05, channel_share=2),
}


class Net(nn.Module):
    """Every primitive once."""

    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8], label="width")
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Repeat(lambda index: nn.Conv2d(width, width, 3, padding=1), (1, 2), label="depth")
        self.project = nn.Conv2d(width, 8, 1)
        self.choice = nn.LayerChoice([nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(3, 1, 1), nn.Identity()], label="op")
        self.skip = nn.InputChoice(2, None, label="skip")
        self.drop = nn.Dropout(nn.ValueChoice([0.1, 0.3], label="rate"))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.project(torch.relu(self.blocks(self.norm(self.stem(x)))))
        y = self.choice(x)
        z = self.skip([x, y])
        return self.head(self.drop(y if z is None else y + z).mean((2, 3)))


def batches(seed, count=4, size=6):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 1, 6, 6, generator=generator), torch.randint(3, (size,), generator=generator))
        for _ in range(count)
    ]


def loss(network, batch):
    return F.cross_entropy(network(batch[0]), batch[1])


def started(strategy, seed=0):
    torch.manual_seed(seed)
    search = strategy.search(Net(), seed=seed)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.05, momentum=0.9)
    return search, optimizer, SearchLoop(search, loss, optimizer)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_runs_on_every_primitive_and_exports_a_valid_architecture(name):
    search, _, loop = started(STRATEGIES[name])
    before = copy.deepcopy(search.supernet.module.state_dict())
    records = loop.run(batches(0), batches(1), num_epochs=2)
    architecture = search.export()
    assert search.supernet.space.architecture(architecture) == architecture
    assert any(not torch.equal(tensor, before[key]) for key, tensor in search.supernet.module.state_dict().items())
    network = subnet(search, architecture)
    assert network(batches(2)[0][0]).shape == (6, 3)
    assert [record.epoch for record in records] == [0, 1]
    for record in records:
        assert {"width", "depth", "op", "skip", "rate"} >= set(record.probabilities)
        for label, shares in record.probabilities.items():
            assert math.fsum(shares.values()) == pytest.approx(1.0, abs=1e-5)
            assert -1e-9 <= record.entropy[label] <= math.log(len(shares)) + 1e-6
        assert SearchRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
        assert all(isinstance(value, float) for value in record.scalars().values())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_that_is_resumed_goes_on_with_the_same_numbers(name, tmp_path):
    strategy = STRATEGIES[name]
    search, optimizer, loop = started(strategy)
    loop.run(batches(0), batches(1, 5), num_epochs=2)
    path = tmp_path / "search.pt"
    states = [search.state_dict(), search.supernet.module.state_dict(), optimizer.state_dict(), torch.get_rng_state()]
    torch.save(states, path)
    expected = loop.run(batches(2), batches(3, 5), num_epochs=4, first_epoch=2)
    final = copy.deepcopy(search.supernet.module.state_dict())

    again, other_optimizer, other_loop = started(strategy, seed=0)
    saved = torch.load(path, weights_only=True)
    again.load_state_dict(saved[0])
    again.supernet.module.load_state_dict(saved[1])
    other_optimizer.load_state_dict(saved[2])
    torch.set_rng_state(saved[3])
    assert other_loop.run(batches(2), batches(3, 5), num_epochs=4, first_epoch=2) == expected
    assert all(torch.equal(tensor, final[key]) for key, tensor in again.supernet.module.state_dict().items())
    assert again.export() == search.export()


@pytest.mark.parametrize("name", ["RandomOneShot", "ENAS", "GumbelDARTS", "Proxyless", "DrNAS"])
def test_the_seed_decides_everything_random(name):
    def settings(seed):
        torch.manual_seed(0)
        search = STRATEGIES[name].search(Net(), seed=seed)
        torch.manual_seed(torch.seed())
        seen = []
        for _ in range(5):
            search.reset()
            seen.append(
                {
                    label: d.value if d.weights is None else d.weights.tolist()
                    for label, d in search.supernet.decisions.items()
                }
            )
        return seen

    assert settings(1) == settings(1)
    assert settings(1) != settings(2)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_state_from_the_middle_of_an_epoch_goes_on_with_the_same_numbers(name):
    def settings(search, count):
        seen = []
        for _ in range(count):
            for reset in (search.reset, search.reset_for_validation):
                reset()
                decisions = search.supernet.decisions.values()
                seen.append([d.value if d.weights is None else d.weights.tolist() for d in decisions])
        return seen

    search, _, _ = started(STRATEGIES[name])
    search.begin_epoch(0, 3)
    search.begin_epoch(1, 3)
    settings(search, 3)
    state = search.state_dict()
    again, _, _ = started(STRATEGIES[name])
    again.load_state_dict(state)  # drivers do not begin an epoch again that they are in the middle of
    assert settings(again, 3) == settings(search, 3)
    assert again.record() == search.record()


def test_a_state_of_another_space_is_refused_with_the_label():
    search, _, _ = started(DARTS())
    other = DARTS().search(nn.LayerChoice([nn.Identity(), nn.Tanh()], label="op"))
    with pytest.raises(ConfigError, match="'depth' has 2 architecture parameters there, and none here"):
        other.load_state_dict(search.state_dict())


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless(), ENAS()], ids=repr)
def test_a_model_without_choices_is_refused(strategy):
    with pytest.raises(SupernetError, match="the model has no choices"):
        strategy.search(nn.Linear(3, 3))


def test_records_list_the_sampled_paths():
    _, _, loop = started(RandomOneShot())
    (record,) = loop.run(batches(0), batches(1), num_epochs=1)
    assert len(record.sampled) == 4
    assert len(set(record.sampled)) > 1


def test_nothing_is_learnt_before_the_warm_up_is_over():
    for strategy in (DARTS(warmup_epochs=1, arc_learning_rate=0.1), ENAS(warmup_epochs=1, ctrl_steps_aggregate=1)):
        search, _, loop = started(strategy)
        untrained = search.probabilities()
        first, second = loop.run(batches(0), batches(1), num_epochs=2)
        assert first.probabilities == untrained
        assert second.probabilities != untrained


def test_a_warm_up_without_an_end_is_refused():
    _, _, loop = started(PCDARTS(warmup_epochs=15))
    with pytest.raises(ConfigError, match="warmup_epochs=15 leaves none of the 10 epochs"):
        loop.run(batches(0), batches(1), num_epochs=10)


def test_gradients_of_weights_and_of_alpha_are_clipped_apart():
    search, optimizer, loop = started(
        DARTS(gradient_clip_val=1e-3, arc_gradient_clip_val=1e-6, arc_optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    )
    before = [alpha.detach().clone() for alpha in search.parameters]
    weights = [weight.detach().clone() for weight in search.supernet.parameters()]
    loop.step(batches(0)[0], batches(1)[0])
    moved = torch.cat([(a - b).flatten() for a, b in zip(search.parameters, before, strict=True)]).norm()
    assert 0 < moved.item() <= 1.01e-6
    moved = torch.cat([(a - b).flatten() for a, b in zip(search.supernet.parameters(), weights, strict=True)]).norm()
    assert 0 < moved.item() <= 1.01e-3 * optimizer.param_groups[0]["lr"]


def test_arc_steps_per_epoch():
    rewards = []

    def reward(network, batch):
        rewards.append(1.0)
        return 1.0

    torch.manual_seed(0)
    for arc_steps, expected in ((None, 4), (7, 7)):
        rewards.clear()
        search = ENAS(arc_steps=arc_steps).search(Net())
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
        SearchLoop(search, loss, optimizer, reward=reward).run(batches(0), batches(1), num_epochs=1)
        assert len(rewards) == expected


def test_counted_arc_steps_go_on_in_the_validation_batches():
    """A controller that saw the first batches again and again would learn these by heart."""

    def rewarded(*pieces):
        seen = []
        search = ENAS(arc_steps=2, warmup_epochs=1).search(Net())
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
        loop = SearchLoop(search, loss, optimizer, reward=lambda network, batch: seen.append(batch) or 1.0)
        validation = batches(1, 5)
        for first, last in pieces:
            loop.run(batches(0), validation, num_epochs=last, first_epoch=first)
        return [next(at for at, batch in enumerate(validation) if batch is one) for one in seen]

    assert rewarded((0, 5)) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert rewarded((0, 2), (2, 5)) == rewarded((0, 5))


def test_a_clip_value_of_zero_does_not_clip():
    def moved(**options):
        search, _, loop = started(DARTS(arc_optimizer=lambda p: torch.optim.SGD(p, lr=1.0), **options))
        loop.step(batches(0)[0], batches(1)[0])
        return [tensor.detach() for tensor in (*search.parameters, *search.supernet.parameters())]

    torch.testing.assert_close(moved(gradient_clip_val=0, arc_gradient_clip_val=0), moved())


def test_the_unrolled_gradient_needs_training_data():
    search, _, _ = started(DARTS(unrolled=True))
    with pytest.raises(ConfigError, match="train_loss and optimizer"):
        search.architecture_step(lambda: loss(search.supernet, batches(0)[0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DARTS(arc_learning_rate=-1.0),
        lambda: DARTS(warmup_epochs=-1),
        lambda: GumbelDARTS(gumbel_temperature=0.0),
        lambda: GumbelDARTS(gumbel_temperature=0.2, use_temp_anneal=True),
        lambda: PCDARTS(channel_share=0),
        lambda: ENAS(ctrl_steps_aggregate=0),
        lambda: ENAS(baseline_decay=1.5),
        lambda: DrNAS(kl_weight=-0.1),
        lambda: RandomOneShot().search(Net(), seed=-1),
    ],
)
def test_impossible_options_are_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_continuous_choices_can_be_sampled_but_not_weighed():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(nn.FloatRange(0.1, 0.5, label="rate")))
    search = RandomOneShot().search(model)
    search.reset()
    assert 0.1 <= search.supernet.architecture["rate"] <= 0.5
    for strategy in (DARTS(), ENAS()):
        with pytest.raises(SupernetError, match=r"'rate'.*infinitely many"):
            strategy.search(model)


def test_weights_of_a_mixture_are_not_part_of_copies():
    search, _, _ = started(DARTS())
    search._apply(learning=True)
    assert search.supernet.decisions["op"].weights is not None
    assert copy.deepcopy(search.supernet).decisions["op"].weights is None


def test_a_run_that_is_resumed_goes_on_in_the_validation_batches():
    def run(*pieces):
        _, _, loop = started(DARTS(arc_learning_rate=0.05))
        for first, last in pieces:
            records = loop.run(batches(0), batches(1, 7), num_epochs=last, first_epoch=first)
        return records[-1]

    assert run((0, 3)) == run((0, 1), (1, 2), (2, 3))


def test_loaders_are_split_in_two_parts_without_overlap():
    data = torch.utils.data.TensorDataset(torch.arange(20.0))
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    first, second = split_loader(loader, 0.6, seed=3)
    seen = [sorted(x.item() for batch in part for x in batch[0]) for part in (first, second)]
    assert [len(part) for part in seen] == [12, 8]
    assert sorted(seen[0] + seen[1]) == list(range(20))
    with pytest.raises(ConfigError, match="leaves one part empty"):
        split_loader(loader, 1.0)


def test_an_empty_validation_loader_is_an_error():
    _, _, loop = started(DARTS())
    with pytest.raises(ConfigError, match="yields no batches"):
        loop.run(batches(0), [], num_epochs=1)


def test_partial_channels_run_candidates_on_a_part_and_pass_the_rest():
    torch.manual_seed(0)
    calls = []

    class Probe(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, padding=1)
            self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):
            calls.append(tuple(x.shape))
            return self.norm(self.depthwise(self.conv(x)))

    search = PCDARTS(channel_share=4).search(nn.LayerChoice([Probe(), nn.Identity()], label="op"))
    x = torch.randn(2, 8, 5, 5)
    search.reset()
    output = search.supernet(x)
    assert calls == [(2, 2, 5, 5)]
    shares = search.supernet.decisions["op"].weights
    probe = search.supernet.module.mutable[0]
    hidden = F.conv2d(x[:, :2], probe.conv.weight[:2, :2], probe.conv.bias[:2], padding=1)
    hidden = F.conv2d(hidden, probe.depthwise.weight[:2], probe.depthwise.bias[:2], padding=1, groups=2)
    hidden = F.batch_norm(hidden, None, None, probe.norm.weight[:2], probe.norm.bias[:2], training=True)
    mixed = shares[0] * hidden + shares[1] * x[:, :2]
    joined = torch.cat([mixed, x[:, 2:]], dim=1)
    expected = torch.stack([joined[:, group * 2 + place] for place in range(2) for group in range(4)], dim=1)
    torch.testing.assert_close(output, expected)
    assert probe.norm.running_mean[:2].abs().sum() > 0
    assert torch.equal(probe.norm.running_mean[2:], torch.zeros(6))


def test_partial_channels_refuse_what_they_cannot_divide_with_the_place():
    search = PCDARTS(channel_share=2).search(
        nn.Sequential(nn.LayerChoice([nn.GroupNorm(2, 4), nn.Identity()], label="op"))
    )
    search.reset()
    with pytest.raises(SupernetError, match=r"'0\.0' \(GroupNorm\)"):
        search.supernet(torch.randn(2, 4, 3, 3))
