"""Mixtures and their gradients against the sums that the papers write down."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from oneshot_tools import batch, loss, recorded, small, written_out
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, DrNAS, GumbelDARTS, Proxyless, build_supernet, subnet


def test_darts_mixes_and_differentiates_as_the_sum_written_out():
    supernet = small()
    search, optimizer = recorded(DARTS, supernet)
    data = batch(1)
    alphas = {label: alpha.detach().clone().requires_grad_() for label, alpha in search.parameters.by_label.items()}
    expected_output = written_out(supernet, alphas, data[0])
    expected_loss = F.cross_entropy(expected_output, data[1])
    expected = torch.autograd.grad(expected_loss, list(alphas.values()))
    value = search.architecture_step(lambda: loss(supernet, data))
    assert value == pytest.approx(expected_loss.item())
    torch.testing.assert_close(optimizer.seen, list(expected))
    torch.testing.assert_close(supernet(data[0]), expected_output)


def test_architecture_steps_leave_weights_and_their_gradients_alone_and_weight_steps_alpha():
    supernet = small()
    search = DARTS().search(supernet)
    weights = [weight.detach().clone() for weight in supernet.parameters()]
    search.architecture_step(lambda: loss(supernet, batch(1)))
    assert all(weight.grad is None for weight in supernet.parameters())
    assert all(torch.equal(*pair) for pair in zip(weights, supernet.parameters(), strict=True))
    search.reset()
    loss(supernet, batch(2)).backward()
    assert all(alpha.grad is None for alpha in search.parameters)
    assert not {id(alpha) for alpha in search.parameters} & {id(weight) for weight in supernet.parameters()}


@pytest.mark.parametrize("is_first", [False, True], ids=["later step", "first step"])
@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "dampening": 0.4}],
    ids=["plain", "momentum", "nesterov", "dampening"],
)
def test_the_second_order_gradient_is_that_through_the_unrolled_step(options, is_first):
    supernet = small()
    weights = list(supernet.parameters())
    inner = torch.optim.SGD(weights, lr=0.3, weight_decay=0.01, **options)
    momentum, is_nesterov = options.get("momentum", 0.0), options.get("nesterov", False)
    search, optimizer = recorded(DARTS, supernet, unrolled=True)
    if not is_first:  # fill the momentum buffers
        search.reset()
        loss(supernet, batch(3)).backward()
        inner.step()
        inner.zero_grad()
    train, val = batch(1), batch(2)

    alphas = {label: alpha.detach().clone().requires_grad_() for label, alpha in search.parameters.by_label.items()}
    names = [name for name, _ in supernet.module.named_parameters()]
    mixed = _Mixed(supernet, alphas)
    train_loss = F.cross_entropy(
        torch.func.functional_call(mixed, mixed.named(dict(zip(names, weights, strict=True))), (train[0],)), train[1]
    )
    gradients = torch.autograd.grad(train_loss, weights, create_graph=True, allow_unused=True)
    stepped = {}
    for name, weight, gradient in zip(names, weights, gradients, strict=True):
        buffer = inner.state.get(weight, {}).get("momentum_buffer")
        step = gradient + 0.01 * weight  # what follows is torch.optim.SGD, as its documentation writes it down
        if momentum:
            moving = step if buffer is None else momentum * buffer + (1 - options.get("dampening", 0.0)) * step
            step = step + momentum * moving if is_nesterov else moving
        stepped[name] = weight - 0.3 * step
    val_loss = F.cross_entropy(torch.func.functional_call(mixed, mixed.named(stepped), (val[0],)), val[1])
    expected = torch.autograd.grad(val_loss, list(alphas.values()))

    before = [weight.detach().clone() for weight in weights]
    value = search.architecture_step(
        lambda: loss(supernet, val), train_loss=lambda: loss(supernet, train), optimizer=inner
    )
    assert value == pytest.approx(val_loss.item())
    for ours, exact in zip(optimizer.seen, expected, strict=True):
        assert (ours - exact).norm() < 1e-3 * exact.norm()
    # The second-order part matters: the first-order gradient is further away than that.
    search_1, optimizer_1 = recorded(DARTS, supernet)
    search_1.parameters.load_state_dict(search.parameters.state_dict())
    search_1.architecture_step(lambda: loss(supernet, val))
    assert any(
        (ours - exact).norm() > 1e-2 * exact.norm() for ours, exact in zip(optimizer_1.seen, expected, strict=True)
    )
    assert all(torch.equal(*pair) for pair in zip(before, weights, strict=True))


def test_the_second_order_gradient_keeps_the_dropout_of_the_step():
    """Differences between evaluations with other masks would be divided by a tiny number."""
    supernet = small()
    weights = list(supernet.parameters())
    inner = torch.optim.SGD(weights, lr=0.3)
    search, optimizer = recorded(DARTS, supernet, unrolled=True)
    train, val = batch(1), batch(2)

    def train_loss(network):
        return F.cross_entropy(F.dropout(network(train[0]), 0.3), train[1])

    alphas = {label: alpha.detach().clone().requires_grad_() for label, alpha in search.parameters.by_label.items()}
    mixed = _Mixed(supernet, alphas)
    torch.manual_seed(5)
    gradients = torch.autograd.grad(train_loss(mixed), weights, create_graph=True, allow_unused=True)
    names = [name for name, _ in supernet.module.named_parameters()]
    stepped = {name: weight - 0.3 * g for name, weight, g in zip(names, weights, gradients, strict=True)}
    val_loss = F.cross_entropy(torch.func.functional_call(mixed, mixed.named(stepped), (val[0],)), val[1])
    expected = torch.autograd.grad(val_loss, list(alphas.values()))

    torch.manual_seed(5)
    search.architecture_step(lambda: loss(supernet, val), train_loss=lambda: train_loss(supernet), optimizer=inner)
    for ours, exact in zip(optimizer.seen, expected, strict=True):
        assert (ours - exact).norm() < 1e-3 * exact.norm()


@pytest.mark.parametrize("strategy", [DARTS(), DARTS(unrolled=True), DrNAS(), Proxyless()], ids=repr)
def test_a_loss_that_overflows_changes_no_architecture_parameter(strategy):
    supernet = small()
    search = strategy.search(supernet)
    inner = torch.optim.SGD(supernet.parameters(), lr=0.1)
    data, before = batch(1), search.parameters.state_dict()

    def step(factor):
        search.architecture_step(
            lambda: loss(supernet, data) * factor, train_loss=lambda: loss(supernet, data), optimizer=inner
        )
        return any(not torch.equal(alpha, before[name]) for name, alpha in search.parameters.state_dict().items())

    assert not step(float("inf"))
    assert step(1.0)


def test_the_second_order_step_leaves_statistics_and_replaced_buffers_as_they_were():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.op = nn.LayerChoice([nn.Linear(3, 3), nn.Tanh()], label="op")
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls = self.calls + 1  # another tensor takes the place of the buffer
            return self.op(self.norm(x))

    search = DARTS(unrolled=True).search(Counting())
    module = search.supernet.module
    inner = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.randn(4, 3)).sum().backward()
    inner.step()
    before = copy.deepcopy([module.state_dict(), inner.state_dict(), [p.grad for p in module.parameters()]])

    def value():
        return module(torch.randn(4, 3)).square().mean()

    search.architecture_step(value, train_loss=value, optimizer=inner)
    after = [module.state_dict(), inner.state_dict(), [p.grad for p in module.parameters()]]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


class _Mixed(torch.nn.Module):
    def __init__(self, supernet, alphas):
        super().__init__()
        self.module = supernet.module
        self.alphas = alphas
        self._supernet = [supernet]

    def named(self, weights):
        return {f"module.{name}": weight for name, weight in weights.items()}

    def forward(self, x):
        return written_out(self._supernet[0], self.alphas, x)


@pytest.mark.parametrize("strategy", [DARTS, GumbelDARTS, DrNAS, Proxyless], ids=lambda s: s.__name__)
def test_operators_of_one_label_share_decision_and_parameter(strategy):
    supernet = small()
    search = strategy().search(supernet)
    assert set(search.parameters.by_label) == {"a", "b"}
    assert supernet.module.first.decisions[0] is supernet.module.third.decisions[0]
    search.architecture_step(lambda: loss(supernet, batch(1)))
    search.reset()
    first, third = supernet.module.first.decisions[0], supernet.module.third.decisions[0]
    assert first.value == third.value
    assert (first.weights is None and third.weights is None) or torch.equal(first.weights, third.weights)


@pytest.mark.parametrize(
    ("n_chosen", "reduction"),
    [*itertools.product([1, 2], ["sum", "mean", "concat", "none"]), (None, "sum"), (None, "mean")],
)
def test_mixtures_of_inputs_are_the_expectation_over_subsets(n_chosen, reduction):
    supernet = build_supernet(nn.InputChoice(3, n_chosen, reduction, label="i"))
    search = DARTS().search(supernet)
    alpha = torch.tensor([0.3, -0.2, 1.1])
    with torch.no_grad():
        search.parameters.by_label["i"].copy_(alpha)
    inputs = [torch.randn(2, 3, 2) for _ in range(3)]
    subsets = [value if isinstance(value, tuple) else (value,) for value in supernet.decisions["i"].values]
    shares = torch.stack([alpha[list(subset)].sum() for subset in subsets]).softmax(0)
    expected = None
    for subset, share in zip(subsets, shares, strict=True):
        chosen = [inputs[at] for at in subset]
        if reduction == "none":
            part = torch.stack(chosen)
        elif reduction == "concat":
            part = torch.cat(chosen, dim=1)
        else:
            part = sum(chosen, torch.zeros(2, 3, 2)) / (max(len(chosen), 1) if reduction == "mean" else 1)
        expected = share * part if expected is None else expected + share * part
    search.reset()
    output = supernet(inputs)
    torch.testing.assert_close(torch.stack(output) if reduction == "none" else output, expected)
    best = search.export()["i"]
    assert best == {1: 2, 2: (0, 2), None: (0, 2)}[n_chosen]


def test_inputs_in_a_dict_are_weighed_by_name_whatever_their_order():
    for n_chosen in (1, 2):
        supernet = build_supernet(nn.InputChoice(3, n_chosen, choose_from=["x", "y", "z"], label="i"))
        inputs = {name: torch.randn(2) for name in "zyx"}
        for value in supernet.decisions["i"].values:
            supernet.set_architecture({"i": value})
            path = supernet(inputs)
            decision = supernet.decisions["i"]
            decision.mix(F.one_hot(torch.tensor(decision.index), len(decision.values)).float())
            torch.testing.assert_close(supernet(inputs), path)


def test_mixtures_of_depths_weigh_the_output_after_each_depth():
    supernet = build_supernet(nn.Repeat(lambda index: nn.Linear(3, 3), (0, 2), label="d"))
    decision = supernet.decisions["d"]
    weights = torch.tensor([0.2, 0.3, 0.5])
    decision.mix(weights)
    x = torch.randn(2, 3)
    outputs = []
    for depth in (0, 1, 2):
        outputs.append(subnet(supernet, {"d": depth})(x))
    torch.testing.assert_close(supernet(x), sum(share * part for share, part in zip(weights, outputs, strict=True)))


def test_mixtures_of_a_cell_with_edges_are_the_sum_over_inputs_and_operations():
    factories = {"linear": lambda node, op, source: nn.Linear(3, 3), "tanh": lambda node, op, source: nn.Tanh()}
    supernet = build_supernet(nn.Cell(factories, 1, 1, 2, label="c"))
    generator = torch.Generator().manual_seed(0)
    weights = {label: torch.rand(len(d.values), generator=generator) for label, d in supernet.decisions.items()}
    inputs = [torch.randn(2, 3), torch.randn(2, 3)]
    expected = torch.zeros(2, 3)
    for source, (op, name) in itertools.product((0, 1), enumerate(["linear", "tanh"])):
        supernet.set_architecture({"c/input_2_0": source, "c/op_2_0": name})
        expected = expected + weights["c/input_2_0"][source] * weights["c/op_2_0"][op] * supernet(inputs)
    for label, decision in supernet.decisions.items():
        decision.mix(weights[label])
    torch.testing.assert_close(supernet(inputs), expected)
