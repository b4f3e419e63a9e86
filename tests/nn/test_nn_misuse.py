"""Choices that are used as plain values: the messages say where, and what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, ChoiceMisuseError, DomainError
from retiarii.space import ChoiceMisuseWarning


def size():
    return nn.ValueChoice([1, 2], label="size")


class Looping(nn.Module):
    def __init__(self, depth, other=None):
        super().__init__()
        self.layers = nn.ModuleList(nn.Identity() for _ in range(depth))


def in_model(make):
    """Return a decorated model class whose constructor calls ``make``."""

    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = make()

    return Net


@pytest.mark.filterwarnings("ignore::retiarii.space.ChoiceMisuseWarning")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: torch_nn.Linear(3, size()),
            ["torch.nn.Linear", "'out_features'", "'size'", "retiarii.nn.pytorch.Linear"],
        ),
        (lambda: torch_nn.Conv2d(3, 4, size()), ["torch.nn.Conv2d", "'kernel_size'", "'size'"]),
        (lambda: torch_nn.Embedding(num_embeddings=size() * 2, embedding_dim=2), ["Embedding", "'num_embeddings'"]),
        (lambda: Looping(size()), ["Looping", "'depth'", "'size'", "@basic_unit"]),
        (lambda: Looping(depth=size()), ["Looping", "'depth'"]),
        (lambda: nn.Sequential(Looping(size())), ["Looping", "'depth'"]),
    ],
)
def test_inside_a_decorated_model(make, said):
    with pytest.raises(ChoiceMisuseError) as caught:
        in_model(make)()
    assert all(part in str(caught.value) for part in said), str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.filterwarnings("ignore::retiarii.space.ChoiceMisuseWarning")
def test_the_outermost_of_several_constructors_leaves_the_message_alone():
    class Outer(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.net = in_model(lambda: torch_nn.Linear(3, width))()

    with pytest.raises(ChoiceMisuseError, match=r"torch\.nn\.Linear got") as caught:
        in_model(lambda: Outer(size()))()
    assert not isinstance(caught.value.__cause__, ChoiceMisuseError)


def test_in_the_constructor_of_a_model_that_is_not_decorated():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Identity() for _ in range(size())]

    with (
        pytest.warns(ChoiceMisuseWarning, match="'size'"),
        pytest.raises(ChoiceMisuseError, match="ModelParameterChoice"),
    ):
        Net()
    with pytest.warns(ChoiceMisuseWarning, match="@basic_unit"), pytest.raises(TypeError):
        torch_nn.Linear(3, size())


def test_other_type_errors_are_left_alone():
    with pytest.raises(TypeError, match="missing") as caught:
        in_model(lambda: nn.Linear())()
    assert not isinstance(caught.value, ChoiceMisuseError)
    with pytest.raises(TypeError, match="mine"):
        in_model(lambda: _raise(TypeError("mine")))()


def _raise(error):
    raise error


def test_the_ways_out_work():
    Unit = nn.basic_unit(type("Unit", (Looping,), {}))
    model = in_model(lambda: nn.Sequential(Unit(size()), nn.Linear(3, size())))()
    frozen = nn.freeze(model, {"size": 2})
    assert len(frozen.part[0].layers) == 2
    assert frozen.part[1].out_features == 2


def test_in_forward_a_choice_is_called():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = size()

        def forward(self, x):
            return x.repeat(self.size())

    assert Net()(torch.ones(2)).shape == (2,)
    assert nn.freeze(Net(), {"size": 2})(torch.ones(2)).shape == (4,)


@pytest.mark.parametrize("wrong", [None, [1], 3])
def test_an_architecture_of_the_wrong_kind_is_named(wrong):
    with pytest.raises(ArchitectureError, match="expected a mapping from labels to values"):
        nn.freeze(nn.Linear(1, 1), wrong)
    with pytest.raises(ArchitectureError, match="expected a mapping from labels to values"):
        nn.fixed_arch(wrong)


class Scaled(nn.Module):
    """Uses its choices in forward as the values that a fixed model has there."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.rate = nn.ValueChoice([2.0, 3.0], label="rate")
        self.power = nn.ValueChoice([2, 3], label="power")
        self.nested = {"a": [self.rate * 2]}

    def forward(self, x):
        y = self.layer(x)
        z = y.clone()
        z *= self.rate
        return [
            y * self.rate, self.rate * y, y + self.power * 2, self.rate - y, y / self.rate, y**self.power, z,
            y > self.rate, self.power <= y, y == self.rate, self.nested["a"][0] * y,
        ]  # fmt: skip


def test_in_forward_tensors_compute_with_the_value():
    base, x = Scaled(), torch.randn(3, 2)
    frozen = nn.freeze(base, {"rate": 2.0, "power": 2})
    frozen.load_state_dict(base.state_dict())
    for got, expected in zip(base(x), frozen(x), strict=True):
        assert type(got) is torch.Tensor
        assert torch.equal(got, expected)
    with nn.fixed_arch({"rate": 3.0, "power": 3}):
        fixed = Scaled()
        inside = fixed(x)
    assert all(map(torch.equal, inside, fixed(x)))


def test_what_a_constructor_computes_with_tensors_waits_for_the_architecture():
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.loss = nn.CrossEntropyLoss(weight=torch.ones(2) * nn.ValueChoice([1.0, 3.0], label="weight"))

    assert nn.freeze(Loss(), {"weight": 3.0}).loss.weight.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("make", [lambda c: f"conv{c}", str, "{}".format, lambda c: "%s" % c, lambda c: f"{c:>3}"])  # noqa: UP031 - the old way is what is tested
@pytest.mark.parametrize("choice", [size, lambda: size() * 2])
def test_no_choice_becomes_a_piece_of_text(make, choice):
    with pytest.raises(ChoiceMisuseError, match=r"'size'.*apply\('conv\{\}'\.format, choice\)"):
        make(choice())


def test_the_ways_to_get_text():
    assert "'size'" in repr(size())
    assert f"{size()!r}" == repr(size())
    name = nn.ValueChoice.apply("conv{}".format, size())
    assert name.evaluate({"size": 2}) == "conv2"
    assert "'size'" in repr(name)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: nn.Conv2d(
                12, nn.ValueChoice([6, 8], label="out"), 1, groups=nn.ValueChoice([4, 1], label="groups")
            ),
            r"torch.nn.Conv2d cannot be built with 'out' = 6, 'groups' = 4: out_channels must be divisible by groups",
        ),
        (
            lambda: nn.MultiheadAttention(8, nn.ValueChoice([3, 2], label="heads")),
            r"torch.nn.MultiheadAttention cannot be built with 'heads' = 3: embed_dim must be divisible by num_heads",
        ),
    ],
)
def test_defaults_that_a_layer_does_not_take_are_named_with_their_labels(build, message):
    with pytest.raises(DomainError, match=message) as error:
        build()
    assert "first candidate of each" in str(error.value)
    assert "derive one argument from another" in str(error.value)


def test_plain_values_that_a_layer_does_not_take_are_the_business_of_torch():
    with pytest.raises(ValueError, match=r"^out_channels must be divisible by groups$") as error:
        nn.Conv2d(12, 6, 1, groups=4)
    assert type(error.value) is ValueError


class Early(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.layer = nn.Linear(3, value())


@pytest.mark.parametrize("make", [size, lambda: size() * 2, lambda: nn.IntegerRange(1, 4, label="size")])
def test_a_choice_that_a_constructor_calls_would_not_be_searched(make):
    with pytest.raises(ChoiceMisuseError, match="called in the constructor of Early") as caught:
        Early(make())
    assert "ModelParameterChoice" in str(caught.value)


def test_a_forward_that_runs_in_a_constructor_may_call_choices():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = size()

        def forward(self, x):
            return x * self.rate()

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()
            self.head = nn.Linear(self.inner(torch.ones(1, 5)).shape[1], 1)

    assert nn.extract_space(Outer()).size == 2


def test_a_dict_of_values_is_refused():
    with pytest.raises(DomainError, match="expected a list of candidates"):
        nn.ValueChoice({"small": 8, "large": 16}, label="size")
