from __future__ import annotations

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError, NoContextError


@nn.model_wrapper
class Net(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        depth = nn.ModelParameterChoice([1, 3], label="depth")
        self.layers = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])
        self.op = nn.LayerChoice([nn.Identity(), nn.ReLU()])

    def forward(self, x):
        return self.op(self.layers(x))


def test_a_plain_value_while_init_runs():
    base = Net()
    assert len(base.layers) == 1
    space = nn.extract_space(base)
    assert space["depth"].values == (1, 3)
    assert space["depth"].declared_at == "Net.__init__"
    assert space.size == 4


def test_the_model_is_built_again_with_its_arguments():
    base = Net(width=5)
    frozen = nn.freeze(base, {"depth": 3, "model_1": 1})
    assert len(frozen.layers) == 3
    assert frozen.layers[2].in_features == 5
    assert type(frozen.op).__name__ == "ReLU"
    with nn.fixed_arch({"depth": 3, "model_1": 1}):
        assert repr(Net(width=5)) == repr(frozen)
    assert len(base.layers) == 1


def test_it_is_not_built_again_for_the_values_that_it_has():
    built = []

    @nn.model_wrapper
    class Counting(Net):
        def __init__(self):
            super().__init__()
            built.append(1)

    base = Counting()
    nn.freeze(base, {"depth": 1, "model_1": 1})
    assert len(built) == 1


def test_weights_that_were_loaded_are_carried_over():
    base = Net()
    base.layers[0].weight.data.fill_(7)
    base.eval()
    frozen = nn.freeze(base, {"depth": 3, "model_1": 0})
    assert bool((frozen.layers[0].weight == 7).all())
    assert not (frozen.layers[1].weight == 7).any()
    assert not frozen.training
    assert not frozen.layers[1].training


def test_default():
    @nn.model_wrapper
    class WithDefault(nn.Module):
        def __init__(self):
            super().__init__()
            self.depth = nn.ModelParameterChoice([1, 2, 3], default=2, label="depth")

    assert WithDefault().depth == 2
    assert nn.freeze(WithDefault(), {"depth": 1}).depth == 1
    with nn.fixed_arch({"depth": 3}):
        assert WithDefault().depth == 3


@pytest.mark.parametrize("default", [4, 1.0, None])
def test_bad_default(default):
    @nn.model_wrapper
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            nn.ModelParameterChoice([1, 2], default=default)

    with pytest.raises(DomainError, match="default"):
        Bad()


def test_automatic_label_and_prior():
    @nn.model_wrapper
    class Automatic(nn.Module):
        def __init__(self):
            super().__init__()
            nn.ValueChoice([1, 2])
            self.size = nn.ModelParameterChoice([1, 2], prior=[0.25, 0.75])

    (choice,) = nn.extract_space(Automatic())
    assert choice.label == "model_2"
    assert choice.prior == (0.25, 0.75)


def test_outside_of_a_wrapped_model():
    with pytest.raises(NoContextError, match="@model_wrapper"):
        nn.ModelParameterChoice([1, 2])

    class Undecorated(nn.Module):
        def __init__(self):
            super().__init__()
            nn.ModelParameterChoice([1, 2])

    with pytest.raises(NoContextError, match="@model_wrapper"):
        Undecorated()


def test_in_a_part_of_a_wrapped_model():
    @nn.model_wrapper
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.LayerChoice({"net": Net(), "other": nn.Identity()}, label="part")
            self.size = len(self.part["net"].layers) if isinstance(self.part, nn.LayerChoice) else None

    space = nn.extract_space(Outer())
    assert space.size == 4 + 1
    assert dict(space.default()) == {"part": "net", "depth": 1, "model_1_1": 0}
    frozen = nn.freeze(Outer(), {"part": "net", "depth": 3, "model_1_1": 1})
    assert len(frozen.part.layers) == 3
    assert frozen(torch.ones(1)) is None if hasattr(frozen, "never") else frozen.part(torch.ones(2)).shape == (2,)


def test_a_module_in_the_arguments():
    @nn.model_wrapper
    class Around(nn.Module):
        def __init__(self, body):
            super().__init__()
            self.body = body
            self.copies = nn.ModelParameterChoice([1, 2], label="copies")

    base = Around(nn.Sequential(nn.LayerChoice([nn.Identity(), nn.ReLU()], label="op")))
    frozen = nn.freeze(base, {"copies": 2, "op": 1})
    assert frozen.copies == 2
    assert type(frozen.body[0]).__name__ == "ReLU"
    assert isinstance(base.body[0], nn.LayerChoice)
