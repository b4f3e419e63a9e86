"""Layers of chosen size between functions of every kind: mixtures are those of the networks, or the search says so."""

from __future__ import annotations

import copy

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, ENAS, PCDARTS, DrNAS, Proxyless, RandomOneShot, SupernetError, build_supernet
from retiarii.testing.networks import assert_path_equals_subnet

IMAGES = torch.linspace(-1, 1, 2 * 4 * 5 * 5).reshape(2, 4, 5, 5).sin()


def vc(*values, label):
    return nn.ValueChoice(values, label=label)


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 1)


class Wide(nn.Module):
    """A layer of chosen width, something after it, and a head."""

    def __init__(self, factor=1, head=None):
        super().__init__()
        width = vc(8, 4, label="w")
        self.wide, self.head = conv(4, width * factor), conv(width if head is None else head, 3)

    def forward(self, x):
        return self.head(self.between(self.wide(x), x))


class Averages(Wide):
    def __init__(self):
        super().__init__(head=1)

    def between(self, y, x):
        return y.mean(1, keepdim=True)


class Splits(Wide):
    def __init__(self):
        super().__init__(factor=2)

    def between(self, y, x):
        first, second = y.chunk(2, 1)
        return first * second.sigmoid()


class Reshapes(Wide):
    def between(self, y, x):
        return y.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class Logs(Wide):
    def between(self, y, x):
        return y.square().log()


class JoinsAfter(Wide):
    def __init__(self):
        super().__init__()
        self.head = conv(vc(8, 4, label="w") + 4, 3)

    def between(self, y, x):
        return torch.cat([y, x], 1)


class JoinsBefore(JoinsAfter):
    def between(self, y, x):
        return torch.cat([x, y], 1)


class JoinsTwo(nn.Module):
    """Two widths with labels of their own: the second is in its place whatever it is, the first moves the second."""

    def __init__(self):
        super().__init__()
        first, second = vc(4, 2, label="first"), vc(4, 2, label="second")
        self.first, self.second, self.head = conv(4, first), conv(4, second), conv(first + second, 3)

    def forward(self, x):
        return self.head(torch.cat([self.first(x), self.second(x)], 1))


class Gates(Wide):
    """Squeeze and excitation, with running statistics."""

    def __init__(self):
        super().__init__()
        width = vc(8, 4, label="w")
        self.norm, self.down, self.up = nn.BatchNorm2d(width), conv(width, width // 2), conv(width // 2, width)

    def between(self, y, x):
        y = self.norm(y)
        return y * self.up(self.down(y.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Noisy(Averages):
    def between(self, y, x):
        return super().between(y, x) + torch.rand_like(x[:, :1])


class Ends(nn.Module):
    """A network whose output has the chosen width."""

    def __init__(self):
        super().__init__()
        self.wide = conv(4, vc(8, 4, label="w"))

    def forward(self, x):
        return self.wide(x).flip(1)


INEXACT = {Averages: "'w'", Splits: "'w'", Reshapes: "'w'", JoinsAfter: "'w'", JoinsTwo: "'first'"}
EXACT = [JoinsBefore, Gates]
UNKNOWN = [Noisy, Ends]


def first_step(strategy, model):
    torch.manual_seed(0)
    search = strategy.search(model.double(), seed=0)
    search.architecture_step(lambda: search.supernet(IMAGES.double()).square().mean())
    return search


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless(), DrNAS()], ids=repr)
@pytest.mark.parametrize("model", INEXACT)
def test_functions_that_see_the_zeros_of_a_mixture_are_warned_of_with_the_label(model, strategy, caplog):
    search = first_step(strategy, model())
    (warning,) = [record.getMessage() for record in caplog.records]
    assert f"with the label {INEXACT[model]} certain of the smallest value" in warning
    assert "% from that of the network" in warning
    assert "RandomOneShot" in warning
    search.architecture_step(lambda: search.supernet(IMAGES.double()).square().mean())
    assert len(caplog.records) == 1  # once


def test_infinite_numbers_from_the_zeros_of_a_mixture_are_warned_of(caplog):
    first_step(DARTS(), Logs())
    assert "the label 'w' certain of the smallest value, the supernet's output differs by infinite" in caplog.text


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless(), DrNAS(), PCDARTS(channel_share=2)], ids=repr)
@pytest.mark.parametrize("model", [*EXACT, *UNKNOWN])
def test_nothing_is_said_where_mixtures_are_right_or_cannot_be_compared(model, strategy, caplog):
    first_step(strategy, model())
    assert not caplog.records


def test_looking_at_widths_leaves_no_trace():
    def run(search):
        state = copy.deepcopy(search.supernet.module.state_dict())
        torch.manual_seed(5)
        search.architecture_step(lambda: search.supernet(IMAGES).square().mean())
        assert all(part.training for part in search.supernet.module.modules())
        return state, search.supernet.module.state_dict(), torch.rand(3), search.probabilities()

    def searched():
        torch.manual_seed(0)
        return DARTS().search(Gates(), seed=0)

    plain = searched()
    plain._width_check = None
    torch.testing.assert_close(run(searched()), run(plain), rtol=0, atol=0)


def test_one_slope_for_all_channels_is_one_for_all_in_a_mixture():
    model = nn.Sequential(conv(4, 8), nn.PReLU(vc(1, 8, label="slopes")), conv(8, 2)).double()
    supernet, x = build_supernet(model), IMAGES.double()
    with torch.no_grad():
        supernet.module[1].layer.weight.copy_(torch.linspace(0.1, 0.8, 8))
    outputs = []
    for slopes in (1, 8):
        assert_path_equals_subnet(supernet, {"slopes": slopes}, x)
        supernet.eval()
        path = supernet(x)
        decision = supernet.decisions["slopes"]
        decision.mix(torch.eye(2, dtype=torch.float64)[decision.index])
        torch.testing.assert_close(supernet(x), path)
        outputs.append(supernet.module[0](x))
    decision.mix(torch.tensor([0.25, 0.75], dtype=torch.float64))
    y, weight = outputs[0], supernet.module[1].layer.weight
    mixed = 0.25 * torch.nn.functional.prelu(y, weight[:1]) + 0.75 * torch.nn.functional.prelu(y, weight)
    torch.testing.assert_close(supernet.module[1](y), mixed)


class Pools(nn.Module):
    """Reads a whole number in ``forward``, which a layer has, too, or none."""

    def __init__(self, is_shared):
        super().__init__()
        self.size = vc(1, 3, label="size")
        kernel = self.size if is_shared else 3
        self.conv = nn.Conv2d(4, 4, kernel, padding=kernel // 2)

    def forward(self, x):
        return torch.nn.functional.max_pool2d(self.conv(x), self.size, 1, self.size // 2)


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless(), DrNAS()], ids=repr)
def test_whole_numbers_that_no_layer_has_are_refused_at_the_start(strategy):
    message = r"attribute 'size' \(label 'size'\).*whole numbers.*RandomOneShot"
    with pytest.raises(SupernetError, match=message) as error:
        strategy.search(Pools(is_shared=False))
    assert error.value.path == "size"
    first_step(strategy, Pools(is_shared=True))


@pytest.mark.parametrize("strategy", [RandomOneShot(), ENAS()], ids=repr)
def test_paths_take_whole_numbers_that_no_layer_has(strategy):
    search = strategy.search(Pools(is_shared=False).double())
    search.reset()
    assert search.supernet(IMAGES.double()).shape == IMAGES.shape
