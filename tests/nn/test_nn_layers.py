"""Every public class of torch.nn stands in the package under its name, and takes choices."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Optional

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch._freezing.fresh_layers import RESETTABLE
from retiarii.nn.pytorch._recording.layer_factories import LayerFactory
from retiarii.nn.pytorch._recording.module_call import module_call

NAMES = [name for name in dir(torch_nn) if not name.startswith("_")]
FACTORIES = [name for name in NAMES if isinstance(getattr(nn, name), LayerFactory)]
PASSED_THROUGH = [name for name in NAMES if name not in FACTORIES]

# Arguments for classes whose constructor needs some.
ENCODER_LAYER = torch_nn.TransformerEncoderLayer(4, 2, 8)
DECODER_LAYER = torch_nn.TransformerDecoderLayer(4, 2, 8)
ARGUMENTS: dict[str, tuple] = {
    **{f"AdaptiveAvgPool{d}d": (2,) for d in (1, 2, 3)},
    **{f"AdaptiveMaxPool{d}d": (2,) for d in (1, 2, 3)},
    **{f"{kind}Pool{d}d": (2,) for d in (1, 2, 3) for kind in ("Avg", "Max")},
    **{f"{kind}Norm{d}d": (4,) for d in (1, 2, 3) for kind in ("Batch", "Instance")},
    **{f"Conv{d}d": (4, 4, 3) for d in (1, 2, 3)},
    **{f"ConvTranspose{d}d": (4, 4, 3) for d in (1, 2, 3)},
    **{f"LazyConv{d}d": (4, 3) for d in (1, 2, 3)},
    **{f"LazyConvTranspose{d}d": (4, 3) for d in (1, 2, 3)},
    **{f"{kind}Pad{d}d": (1,) for d in (1, 2, 3) for kind in ("Circular", "Reflection", "Replication", "Zero")},
    **{f"ConstantPad{d}d": (1, 0.5) for d in (1, 2, 3)},
    **{f"LPPool{d}d": (2, 3) for d in (1, 2, 3)},
    **{f"MaxUnpool{d}d": (2,) for d in (1, 2, 3)},
    **{f"FractionalMaxPool{d}d": (2, 3) for d in (2, 3)},
    "AdaptiveLogSoftmaxWithLoss": (4, 10, [5]),
    "Bilinear": (2, 3, 4),
    "ChannelShuffle": (2,),
    "CrossMapLRN2d": (3,),
    "Embedding": (5, 4),
    "EmbeddingBag": (5, 4),
    "Fold": (4, 2),
    "GroupNorm": (2, 4),
    "LayerNorm": (4,),
    "LazyLinear": (4,),
    "Linear": (3, 4),
    "LinearCrossEntropyLoss": (4, 5),
    "LocalResponseNorm": (2,),
    "MultiheadAttention": (4, 2),
    "PixelShuffle": (2,),
    "PixelUnshuffle": (2,),
    "RMSNorm": (4,),
    "RNNBase": ("LSTM", 3, 4),
    "RNNCellBase": (3, 4, True, 4),
    "SyncBatchNorm": (4,),
    "Threshold": (0.1, 1.0),
    "TransformerDecoder": (DECODER_LAYER, 2),
    "TransformerDecoderLayer": (4, 2, 8),
    "TransformerEncoder": (ENCODER_LAYER, 2),
    "TransformerEncoderLayer": (4, 2, 8),
    "Transformer": (4, 2, 1, 1, 8),
    "Unflatten": (1, (2, 2)),
    "Unfold": (2,),
    **{name: (3, 4) for name in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")},
}

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:.NLLLoss2d. has been deprecated")


def build(name):
    return getattr(nn, name)(*ARGUMENTS.get(name, ()))


def test_all_names_of_torch_are_public():
    assert set(NAMES) <= set(nn.__all__)
    assert set(nn.__all__) <= set(dir(nn))
    assert len(FACTORIES) > 130


@pytest.mark.parametrize("name", PASSED_THROUGH)
def test_what_takes_no_choices_is_that_of_torch(name):
    assert getattr(nn, name) is getattr(torch_nn, name)


def test_module_is_the_module_of_torch():
    assert nn.Module is torch_nn.Module
    assert {"Sequential", "ModuleList", "ModuleDict", "Parameter", "functional", "init", "utils"} <= set(PASSED_THROUGH)


@pytest.mark.parametrize("name", FACTORIES)
def test_layer_is_built_as_the_plain_class_of_torch(name):
    layer = build(name)
    cls = getattr(torch_nn, name)
    assert type(layer) is cls
    call = module_call(layer)
    assert call.cls is cls
    assert call.args == ARGUMENTS.get(name, ())


@pytest.mark.parametrize("name", FACTORIES)
def test_factory_stands_where_the_class_stands(name):
    factory, cls = getattr(nn, name), getattr(torch_nn, name)
    layer = build(name)
    assert isinstance(layer, factory)
    assert isinstance(layer, (torch_nn.Sequential, factory))
    assert not isinstance(torch_nn.Identity() if name != "Identity" else torch_nn.ReLU(), factory)
    assert issubclass(cls, factory)
    assert issubclass(factory, factory)
    assert type(layer) == factory  # noqa: E721 - what users write in their init functions
    assert {cls: 1}[factory] == 1
    assert (factory | None) == (cls | None) == Optional[cls]  # noqa: UP045 - the comparison is the point
    assert (None | factory) == (None | cls)
    assert factory.__name__ == name
    assert factory.__doc__ == cls.__doc__
    assert inspect.signature(factory) == inspect.signature(cls)
    assert pickle.loads(pickle.dumps(factory)) is factory
    assert copy.deepcopy(factory) is factory
    assert name in repr(factory)


@pytest.mark.parametrize("name", FACTORIES)
def test_subclass_derives_from_the_class_of_torch(name):
    factory, cls = getattr(nn, name), getattr(torch_nn, name)

    class Mine(factory):
        pass

    assert Mine.__bases__ == (cls,)
    mine = Mine(*ARGUMENTS.get(name, ()))
    assert isinstance(mine, cls)
    assert module_call(mine) is None  # a class of the user's: a choice in its arguments needs @basic_unit


def test_subclass_may_call_init_in_the_old_style():
    class Mine(nn.Linear):
        def __init__(self):
            nn.Linear.__init__(self, 3, 4)

    assert Mine()(torch.zeros(1, 3)).shape == (1, 4)


def test_static_and_class_methods_are_reachable():
    assert nn.Transformer.generate_square_subsequent_mask(3).shape == (3, 3)
    assert nn.Embedding.from_pretrained(torch.ones(2, 3)).weight.shape == (2, 3)


def test_import_forms():
    from retiarii.nn.pytorch import Conv2d, Linear

    assert Conv2d is nn.Conv2d
    assert Linear is nn.Linear
    names: dict = {}
    exec("from retiarii.nn.pytorch import *", names)
    assert names["Conv2d"] is nn.Conv2d
    assert names["LayerChoice"] is nn.LayerChoice
    assert names["Module"] is torch_nn.Module


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"retiarii.nn.pytorch.*'Conv9d'"):
        nn.Conv9d  # noqa: B018 - the access is what is tested
    with pytest.raises(AttributeError):
        nn._private  # noqa: B018


def test_new_classes_of_torch_appear_by_themselves(monkeypatch):
    class Fancy(torch_nn.Module):
        def __init__(self, size):
            super().__init__()
            self.size = size

    monkeypatch.setattr(torch_nn, "Fancy", Fancy, raising=False)
    try:
        layer = nn.Fancy(nn.ValueChoice([1, 2], label="size"))
        assert layer.size == 1
        assert nn.freeze(layer, {"size": 2}).size == 2
    finally:
        del nn.Fancy


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda c: nn.Conv2d(3, c, kernel_size=3), "out_channels"),
        (lambda c: nn.Linear(c, 3), "in_features"),
        (lambda c: nn.LSTM(3, hidden_size=c), "hidden_size"),
        (lambda c: nn.Embedding(c, 3), "num_embeddings"),
    ],
)
def test_default_is_the_first_candidate_and_the_chosen_value_when_frozen(make, expected):
    layer = make(nn.ValueChoice([4, 8], label="size"))
    assert getattr(layer, expected) == 4
    assert getattr(nn.freeze(layer, {"size": 8}), expected) == 8
    assert getattr(layer, expected) == 4


def test_choices_inside_tuples_lists_and_expressions():
    kernel = nn.ValueChoice([3, 5], label="kernel")
    layer = nn.Conv2d(3, 4, (kernel, 1), padding=(kernel // 2, 0))
    assert layer.kernel_size == (3, 1)
    frozen = nn.freeze(layer, {"kernel": 5})
    assert frozen.kernel_size == (5, 1)
    assert frozen.padding == (2, 0)


def test_choices_in_the_layer_that_a_composite_gets():
    width = nn.ValueChoice([8, 16], label="width")
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, width, batch_first=True), 2)
    assert encoder.layers[1].linear1.out_features == 8
    assert list(nn.extract_space(encoder)) == list(nn.extract_space(encoder.layers[0]))
    frozen = nn.freeze(encoder, {"width": 16})
    assert [layer.linear1.out_features for layer in frozen.layers] == [16, 16]
    assert not any(module_call(module) for module in frozen.modules())


@pytest.mark.parametrize("cls", sorted(RESETTABLE, key=lambda cls: cls.__name__))
def test_a_reset_copy_is_what_the_constructor_would_build(cls):
    """The short cut of `freeze` gives the same numbers from the same random generator as the constructor."""
    base = getattr(nn, cls.__name__)(*ARGUMENTS.get(cls.__name__, ()))
    torch.manual_seed(1)
    expected = cls(*ARGUMENTS.get(cls.__name__, ())).state_dict()
    torch.manual_seed(1)
    frozen = nn.freeze(base, {})
    assert type(frozen) is cls
    assert frozen is not base
    assert list(frozen.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[name]) for name, value in frozen.state_dict().items())


@pytest.mark.parametrize("name", [name for name in FACTORIES if not name.startswith("Lazy")])
def test_every_layer_freezes_to_an_equal_fresh_layer(name):
    base = build(name)
    before = {key: value.clone() for key, value in base.state_dict().items()}
    torch.manual_seed(1)
    expected = getattr(torch_nn, name)(*ARGUMENTS.get(name, ()))
    torch.manual_seed(1)
    frozen = nn.freeze(base, {})
    assert repr(frozen) == repr(expected)
    assert set(vars(frozen)) == set(vars(expected))
    if not name.startswith("Transformer"):  # those of torch copy the layer that they are given
        assert all(torch.equal(value, frozen.state_dict()[key]) for key, value in expected.state_dict().items())
    assert all(torch.equal(value, base.state_dict()[key]) for key, value in before.items())
