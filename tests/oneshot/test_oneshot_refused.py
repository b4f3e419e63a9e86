"""Models that cannot be supernets are refused before training, with the module, the labels and the remedy."""

from __future__ import annotations

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.nn.pytorch.primitives import Frozen
from retiarii.oneshot import (
    DARTS,
    DEFAULT_RULES,
    ENAS,
    Proxyless,
    RandomOneShot,
    SliceRule,
    SupernetError,
    build_supernet,
    slice_rule,
)
from retiarii.space import Categorical

ALL = [RandomOneShot(), ENAS(), DARTS(), Proxyless()]


def vc(*values, label):
    return nn.ValueChoice(values, label=label)


def grouped():
    return nn.Sequential(nn.Conv2d(1, 12, 1), nn.Conv2d(12, vc(6, 8, label="out"), 1, groups=vc(1, 4, label="groups")))


def divides(architecture):
    return architecture["out"] % architecture["groups"] == 0


@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_arguments_that_do_not_go_together_are_refused_at_the_start(strategy):
    with pytest.raises(SupernetError) as error:
        strategy.search(grouped())
    message = str(error.value)
    assert "'1' (labels 'out', 'groups')" in message
    assert "Conv2d(out_channels=6, groups=4) fails with: out_channels must be divisible by groups" in message
    assert error.value.path == "1"


@pytest.mark.parametrize(
    "strategy", [RandomOneShot(filter=divides), ENAS(filter=divides)], ids=["RandomOneShot", "ENAS"]
)
def test_paths_that_a_filter_lets_through_are_trained(strategy):
    search = strategy.search(grouped())
    for _ in range(20):
        search.reset()
        assert divides(search.supernet.architecture)
        search.supernet(torch.randn(2, 1, 2, 2))


def test_sizes_that_are_derived_from_each_other_go_together():
    groups = vc(1, 3, label="groups")
    search = DARTS().search(nn.Sequential(nn.Conv2d(1, 6, 1), nn.Conv2d(6, groups * 2, 1, groups=groups)))
    search.reset()
    assert search.supernet(torch.randn(2, 1, 2, 2)).shape == (2, 6, 2, 2)


def test_heads_that_do_not_divide_the_width_are_refused_with_the_label():
    layer = nn.MultiheadAttention(8, vc(2, 3, label="heads"))
    with pytest.raises(SupernetError, match=r"label 'heads'.*num_heads=3.*leave out the candidates"):
        DARTS().search(nn.Sequential(layer))


def test_a_path_that_was_not_checked_is_refused_when_it_is_asked_for():
    supernet = build_supernet(grouped())
    supernet.set_architecture({"out": 6, "groups": 4})
    with pytest.raises(SupernetError, match="labels 'out', 'groups'"):
        supernet(torch.randn(2, 1, 2, 2))


class Norm(nn.Module):
    """A module of a user, of which nothing is known."""

    def __init__(self, ch):
        super().__init__()
        self.bn = torch.nn.BatchNorm2d(ch)

    def forward(self, x):
        return self.bn(x)


Unit = nn.basic_unit(Norm)


@nn.basic_unit
class Narrowing(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.linear = torch.nn.Linear(3, out)

    def forward(self, x):
        return self.linear(x)


def units():
    width = vc(2, 4, label="ch")
    return nn.Sequential(nn.Conv2d(1, width, 3), Unit(width), nn.Conv2d(width, 2, 1))


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless()], ids=repr)
def test_a_unit_in_the_middle_of_layers_of_many_widths_is_refused_with_its_label(strategy):
    search = strategy.search(units())
    with pytest.raises(SupernetError) as error:
        search.architecture_step(lambda: search.supernet(torch.randn(2, 1, 4, 4)).square().mean())
    message = str(error.value)
    assert "'1' (label 'ch'): Norm(ch=2) fails on its input of shape (2, 4, 2, 2)" in message
    assert "RandomOneShot" in message
    assert error.value.path == "1"


def test_a_rule_says_how_such_a_unit_shares_its_weights():
    rule = slice_rule(SliceRule(inputs="ch", outputs="ch", feature_dim=1))
    search = DARTS().search(build_supernet(units(), {**DEFAULT_RULES, Norm: rule}))
    search.architecture_step(lambda: search.supernet(torch.randn(2, 1, 4, 4)).square().mean())


def test_the_widths_of_a_unit_are_refused_with_its_label():
    search = DARTS().search(nn.Sequential(Unit(vc(2, 4, label="ch"))))
    search.reset()
    with pytest.raises(SupernetError, match=r"'0' \(label 'ch'\): Norm\(ch=2\)"):
        search.supernet(torch.randn(2, 4, 2, 2))


def test_a_unit_whose_output_has_a_chosen_width_needs_a_rule():
    search = DARTS().search(nn.Sequential(nn.Linear(3, 3), Narrowing(vc(2, 4, label="out"))))
    search.reset()
    with pytest.raises(SupernetError, match=r"'1' \(label 'out'\).*different shapes \(\(2, 2\), \(2, 4\)\).*a rule"):
        search.supernet(torch.randn(2, 3))


def test_an_exhausted_device_is_not_blamed_on_the_model():
    class Full(nn.Module):
        def __init__(self, ch):
            super().__init__()

        def forward(self, x):
            raise torch.OutOfMemoryError("no memory left")

    search = DARTS().search(nn.Sequential(nn.basic_unit(Full)(vc(2, 4, label="ch"))))
    search.reset()
    with pytest.raises(torch.OutOfMemoryError):
        search.supernet(torch.randn(2, 4))


def test_a_candidate_that_returns_something_else_is_refused_with_the_label():
    class Nothing(nn.Module):
        def forward(self, x):
            return None

    for candidates in ([nn.Identity(), Nothing()], [Nothing(), nn.Identity()]):
        search = DARTS().search(nn.Sequential(nn.LayerChoice(candidates, label="op")))
        search.reset()
        with pytest.raises(SupernetError, match=r"'0' \(label 'op'\) return NoneType, Tensor"):
            search.supernet(torch.randn(2, 3))


def test_a_primitive_that_makes_weights_for_each_architecture_is_not_trained_in_vain():
    size = Categorical("size", (2, 4))

    class Sized(Mutable):
        def declare_choices(self, survey):
            survey.choice(size)

        def freeze_by(self, freezer):
            width = freezer.value(size)
            return Frozen(nn.Sequential(nn.Linear(3, width), nn.Linear(width, 3)))

        def forward(self, x):
            return x

    search = RandomOneShot().search(nn.Sequential(Sized()))
    search.reset()
    with pytest.raises(
        SupernetError, match=r"'0' \(label 'size'\) is a Sized.*new weights.*multi-trial strategy"
    ) as error:
        search.supernet(torch.randn(2, 3))
    assert error.value.path == "0"
