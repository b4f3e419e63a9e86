"""Types, devices and modes of what a supernet makes anew, and architecture parameters beside half precision."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.nn.pytorch.primitives import Frozen
from retiarii.oneshot import DARTS, ENAS, PCDARTS, DrNAS, GumbelDARTS, Proxyless, build_supernet, compile_candidates
from retiarii.oneshot._drivers.loaders import Cycle
from retiarii.space import Categorical


def vc(*values, label):
    return nn.ValueChoice(values, label=label)


@nn.basic_unit
class Unit(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.register_buffer("offset", torch.ones(3))
        self.factor = factor

    def forward(self, x):
        return self.linear(x) * self.factor + self.offset


# What is the default is smaller than the largest, so that the largest is built anew.
GROWING = {
    "BatchNorm2d": (lambda: nn.BatchNorm2d(vc(3, 8, label="w")), lambda w: torch.randn(2, w, 3, 3)),
    "BatchNorm2d, not affine": (
        lambda: nn.BatchNorm2d(vc(3, 8, label="w"), affine=False),
        lambda w: torch.randn(2, w, 3, 3),
    ),
    "Linear": (lambda: nn.Linear(vc(3, 8, label="w"), 3), lambda w: torch.randn(2, w)),
    "Linear, bias": (lambda: nn.Linear(3, 3, bias=vc(False, True, label="w")), lambda w: torch.randn(2, 3)),
    "basic unit": (lambda: Unit(vc(1, 2, label="w")), lambda w: torch.randn(2, 3)),
}


@pytest.mark.parametrize("name", GROWING)
def test_what_is_built_anew_has_the_type_of_the_model(name):
    make, inputs = GROWING[name]
    supernet = build_supernet(nn.Sequential(make()).double())
    tensors = [*supernet.module.parameters(), *supernet.module.buffers()]
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float64}
    for value in supernet.decisions["w"].values:
        supernet.set_architecture({"w": value})
        assert supernet(inputs(value).double()).dtype == torch.float64


def test_every_copy_of_a_frozen_module_stays_frozen():
    model = nn.Sequential(Unit(vc(1, 2, label="w")))
    model[0].linear.weight.requires_grad_(False)
    supernet = build_supernet(model)
    trained = {name.partition("linear.")[2]: [] for name, _ in supernet.module.named_parameters()}
    for name, parameter in supernet.module.named_parameters():
        trained[name.partition("linear.")[2]].append(parameter.requires_grad)
    assert trained == {"weight": [False, False], "bias": [True, True]}


def sizes_and_candidates():
    width = vc(4, 8, label="w")
    return nn.Sequential(
        nn.Linear(3, width), nn.Linear(width, 2), nn.LayerChoice([nn.Linear(2, 2), nn.Tanh()], label="op")
    )


@pytest.mark.parametrize("strategy", [DARTS(), GumbelDARTS(), DrNAS(), Proxyless(), ENAS()], ids=repr)
@pytest.mark.parametrize("is_before", [True, False], ids=["model in half precision", "supernet in half precision"])
def test_supernets_in_half_precision_search_with_parameters_in_single(strategy, is_before):
    model = sizes_and_candidates()
    search = strategy.search(model.to(torch.bfloat16) if is_before else model)
    search.supernet.module.to(torch.bfloat16)
    x = torch.randn(4, 3).bfloat16()
    search.architecture_step(lambda: search.supernet(x).float().square().mean())
    search.reset()
    assert search.supernet(x).dtype == torch.bfloat16
    if hasattr(search, "parameters"):  # a step of 3e-4 is lost beside numbers of half precision
        assert all(alpha.dtype == torch.float32 for alpha in search.parameters)


def test_the_second_order_gradient_is_the_same_under_autocast():
    """Autocast keeps copies of the weights: those before the unrolled step, for all that follows."""

    def gradients(is_mixed, **options):
        torch.manual_seed(0)
        seen = []

        class Recorder(torch.optim.SGD):
            def step(self, closure=None):
                seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])

        model = nn.Sequential(
            nn.LayerChoice([nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh())], label="op"), nn.Linear(3, 2)
        )
        search = DARTS(arc_optimizer=lambda p: Recorder(p, lr=0.0), **options).search(model)
        inner = torch.optim.SGD(search.supernet.parameters(), lr=1.0)
        x, y = torch.randn(2, 8, 3), torch.randint(2, (8,))
        losses = [lambda at=at: F.cross_entropy(search.supernet(x[at]), y) for at in (0, 1)]
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            search.architecture_step(losses[0], train_loss=losses[1], optimizer=inner)
        return seen[0]

    torch.testing.assert_close(gradients(True, unrolled=True), gradients(False, unrolled=True))
    first_order = gradients(False)
    assert (gradients(True, unrolled=True)[0] - first_order[0]).norm() > 0.1 * first_order[0].norm()


class StateOnGpu:
    """A fake: the state of a generator that was loaded to a GPU, which torch takes back only from the CPU."""

    def __init__(self, state):
        self.state = state

    def cpu(self):
        return self.state


def test_the_order_of_batches_goes_on_when_its_state_was_loaded_to_a_gpu():
    loader = torch.utils.data.DataLoader(range(8), batch_size=2, shuffle=True)
    torch.manual_seed(0)
    cycle = Cycle(loader)
    next(cycle)
    state = cycle.state_dict()
    rest = [next(cycle).tolist() for _ in range(3)]
    again = Cycle(loader, start={**state, "generator": StateOnGpu(state["generator"])})
    assert [next(again).tolist() for _ in range(3)] == rest


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("strategy", [DARTS(), DARTS(unrolled=True), DrNAS(), Proxyless(), ENAS()], ids=repr)
def test_searches_that_are_resumed_on_the_cpu_go_on_on_the_gpu(strategy):
    """Trainers load checkpoints before they move the model."""

    def step(search, device):
        x = torch.randn(4, 3, device=device)
        inner = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
        losses = {"train_loss": lambda: search.supernet(x).square().mean(), "optimizer": inner}
        for _ in range(20):
            search.architecture_step(lambda: search.supernet(x).square().mean(), **losses)

    search = strategy.search(sizes_and_candidates())
    step(search, "cpu")
    again = strategy.search(sizes_and_candidates())
    again.load_state_dict(search.state_dict())
    again.supernet.module.to("cuda")
    step(again, "cuda")
    assert again.supernet.space.architecture(again.export())


# Modes: modules that are no children of the supernet follow it all the same.


def test_what_a_primitive_of_a_user_makes_follows_the_mode_of_the_supernet():
    rate = Categorical("rate", (0.5, 0.9))

    class Drop(Mutable):
        def declare_choices(self, survey):
            survey.choice(rate)

        def freeze_by(self, freezer):
            return Frozen(nn.Sequential(nn.Dropout(freezer.value(rate))))

        def forward(self, x):
            return x

    supernet = build_supernet(nn.Sequential(Drop()))
    supernet.set_architecture({"rate": 0.9})
    x = torch.ones(50)
    assert not torch.equal(supernet(x), x)
    assert torch.equal(supernet.eval()(x), x)
    assert not torch.equal(supernet.train()(x), x)


class Dropping(nn.Module):
    """Asks for its mode, and loops over its children."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)])
        self.rate = 0.5

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return F.dropout(x, self.rate, self.training)


def test_partial_channels_follow_modes_and_attributes_of_the_candidates():
    search = PCDARTS(channel_share=2).search(nn.LayerChoice([Dropping(), nn.Identity()], label="op"))
    supernet, x = search.supernet, torch.randn(2, 8, 3, 3)
    search.reset()
    assert not torch.equal(supernet(x), supernet(x))
    supernet.eval()
    assert torch.equal(supernet(x), supernet(x))
    supernet.train()
    supernet.module.mutable[0].rate = 0.0  # as schedules of drop path do
    assert torch.equal(supernet(x), supernet(x))


def test_partial_channels_of_compiled_candidates():
    candidate = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
    model, x, outputs = nn.LayerChoice([candidate, nn.Identity()], label="op"), torch.randn(2, 8, 3, 3), []
    for is_compiled in (False, True):
        search = PCDARTS(channel_share=2).search(model)
        if is_compiled:
            compile_candidates(search.supernet, backend="eager")
        search.reset()
        outputs.append(search.supernet(x))
    torch.testing.assert_close(*outputs)


def test_choices_that_change_the_number_of_channels_touch_no_statistics_of_parts_again_and_again():
    torch.manual_seed(0)
    grow = nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8, momentum=None))
    search = PCDARTS(channel_share=2).search(nn.LayerChoice([grow, nn.Conv2d(4, 8, 1)], label="op"))
    search.reset()
    for _ in range(3):
        search.supernet(torch.randn(2, 4, 3, 3))
    assert search.supernet.module.mutable[0][1].num_batches_tracked == 4  # once in part to find out, 3 times in full
