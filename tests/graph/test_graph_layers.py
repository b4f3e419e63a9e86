"""Every class of ``torch.nn``, built plainly: traced, built, written as JSON and as code, or refused with a reason."""

from __future__ import annotations

import functools
import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.errors import GraphError
from retiarii.graph import (
    GraphEngine,
    Mutator,
    build_module,
    convert_to_graph,
    export_code,
    model_from_json,
    model_to_json,
    structural_hash,
)
from retiarii.testing.networks import executed

X1, X2, X3 = torch.randn(2, 4, 8), torch.randn(2, 4, 8, 8), torch.randn(2, 4, 4, 4, 4)
ROW, ROWS, TARGET = torch.randn(3, 4), torch.randn(3, 4), torch.tensor([0, 1, 3])
SIGNS = torch.tensor([1.0, -1.0, 1.0])
INDICES = torch.tensor([[1, 2, 0], [3, 4, 0]])
POSITIVE = torch.rand(3, 4) + 0.1


SIX = torch.tensor([6, 6])


def same(name, *inputs):
    return {name: (lambda: getattr(nn, name)(), inputs)}


def case(name, *arguments, inputs, key="", **named):
    return {f"{name}{key}": (lambda: getattr(nn, name)(*arguments, **named), inputs)}


def each_dimension(name, *arguments, **named):
    found = {}
    for number, x in enumerate((X1, X2, X3), 1):
        found |= case(f"{name}{number}d", *arguments, inputs=(x,), **named)
    return found


def padded(name, *more):
    found = {}
    for number, x in enumerate((X1, X2, X3), 1):
        found |= case(
            f"{name}{number}d",
            tuple(range(1, 2 * number + 1))[: 2 * number],
            *more,
            inputs=(x.repeat(1, 1, *[2] * number),),
        )
    return found


def encoder(layers, norm):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), layers, norm, enable_nested_tensor=False)


def unpooled(number, x):
    pool = getattr(F, f"max_pool{number}d")
    values, indices = pool(x, 2, return_indices=True)
    return case(f"MaxUnpool{number}d", 2, inputs=(values, indices))


CASES = {
    **each_dimension("AdaptiveAvgPool", 3),
    **case("AdaptiveAvgPool2d", (1, 1), inputs=(X2,), key=" of a pair"),
    **case("AdaptiveAvgPool2d", (None, 3), inputs=(X2,), key=" with None"),
    **each_dimension("AdaptiveMaxPool", 2),
    **case("AdaptiveMaxPool2d", (2, 2), return_indices=True, inputs=(X2,), key=" with indices"),
    **case("AdaptiveLogSoftmaxWithLoss", 4, 10, [3, 6], inputs=(ROW, TARGET)),
    **each_dimension("AvgPool", 2),
    **case("AvgPool2d", (3, 2), stride=(2, 1), padding=(1, 0), divisor_override=5, inputs=(X2,), key=" uneven"),
    **each_dimension("BatchNorm", 4),
    **case("BatchNorm2d", 4, affine=False, momentum=None, inputs=(X2,), key=" plain"),
    **case("BatchNorm2d", 4, track_running_stats=False, inputs=(X2,), key=" without statistics"),
    **case("Bilinear", 4, 4, 3, bias=False, inputs=(ROW, ROWS)),
    **each_dimension("Conv", 4, 6, 3, padding=1),
    **case("Conv2d", 4, 8, (3, 1), stride=(2, 1), padding="valid", groups=2, bias=False, inputs=(X2,), key=" uneven"),
    **case("Conv2d", 4, 8, 3, padding="same", padding_mode="reflect", dilation=(2, 2), inputs=(X2,), key=" same"),
    **each_dimension("ConvTranspose", 4, 6, 3, stride=2, output_padding=1),
    **case("CrossMapLRN2d", 3, inputs=(X2,)),
    **case("ChannelShuffle", 2, inputs=(X2,)),
    **padded("CircularPad"), **padded("ConstantPad", 1.5), **padded("ReflectionPad"), **padded("ReplicationPad"),
    **padded("ZeroPad"),
    **case("CosineSimilarity", dim=1, inputs=(ROW, ROWS)),
    **case("PairwiseDistance", 1.0, keepdim=True, inputs=(ROW, ROWS)),
    **case("Embedding", 5, 4, padding_idx=0, max_norm=1.0, inputs=(INDICES,)),
    **case("EmbeddingBag", 5, 4, mode="sum", include_last_offset=False, inputs=(INDICES,)),
    **case("Flatten", 2, inputs=(X2,)),
    **case("Unflatten", 1, (2, 2), inputs=(X2,)),
    **case("Fold", (8, 8), (2, 2), stride=(2, 2), inputs=(torch.randn(2, 12, 16),)),
    **case("Unfold", (2, 2), padding=1, inputs=(X2,)),
    **case("FractionalMaxPool2d", 2, output_ratio=0.5, inputs=(X2,)),
    **case("FractionalMaxPool3d", 2, output_size=(2, 2, 2), inputs=(X3,)),
    **case("GroupNorm", 2, 4, inputs=(X2,)),
    **each_dimension("InstanceNorm", 4, affine=True),
    **case("LayerNorm", (8, 8), inputs=(X2,)),
    **case("LayerNorm", 8, bias=False, inputs=(X1,), key=" without bias"),
    **case("RMSNorm", [8], inputs=(X1,)),
    **each_dimension("LPPool", 2.0, 2),
    **each_dimension("MaxPool", 3, stride=1, return_indices=True),
    **unpooled(1, X1), **unpooled(2, X2), **unpooled(3, X3),
    **case("Linear", 8, 3, bias=False, inputs=(X1,)),
    **case("LocalResponseNorm", 2, inputs=(X2,)),
    **case("LSTM", 8, 6, num_layers=2, batch_first=True, bidirectional=True, proj_size=2, inputs=(X1,)),
    **case("GRU", 8, 6, dropout=0.5, num_layers=2, inputs=(X1,)),
    **case("RNN", 8, 6, 1, "relu", inputs=(X1,)),
    **case("RNN", 8, 6, nonlinearity="tanh", bias=False, inputs=(X1,), key=" of tanh"),
    **case("LSTMCell", 4, 6, inputs=(ROW,)), **case("GRUCell", 4, 6, bias=False, inputs=(ROW,)),
    **case("RNNCell", 4, 6, nonlinearity="relu", inputs=(ROW,)),
    **case("MultiheadAttention", 8, 2, add_bias_kv=True, batch_first=True, inputs=(X1, X1, X1)),
    **case("MultiheadAttention", 8, 2, kdim=4, vdim=4, inputs=(X1, X1[..., :4], X1[..., 4:]), key=" of other sizes"),
    **case("PReLU", 4, 0.1, inputs=(X2,)),
    **case("PixelShuffle", 2, inputs=(X2,)), **case("PixelUnshuffle", 2, inputs=(X2,)),
    **case("Softmax", -1, inputs=(X1,)), **case("LogSoftmax", 1, inputs=(X1,)), **case("Softmin", 1, inputs=(X1,)),
    **same("Softmax2d", X2),
    **case("Threshold", 0.1, 20.0, inputs=(X1,)), **case("Hardtanh", -2.0, 2.0, inputs=(X1,)),
    **case("Dropout", 0.3, True, inputs=(X1.clone(),)),
    **each_dimension("Dropout", 0.5),
    **case("GELU", approximate="tanh", inputs=(X1,)),
    **case("Upsample", scale_factor=(2.0, 2.0), mode="bilinear", align_corners=True, inputs=(X2,)),
    **case("Upsample", size=(5, 5), inputs=(X2,), key=" to a size"),
    **case("UpsamplingBilinear2d", scale_factor=2, inputs=(X2,)), **case("UpsamplingNearest2d", (9, 9), inputs=(X2,)),
    **case("TransformerEncoderLayer", 8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True, inputs=(X1,)),
    **case("TransformerEncoderLayer", 8, 2, 16, activation=nn.GELU(), bias=False, inputs=(X1,), key=" of modules"),
    **case("TransformerDecoderLayer", 8, 2, 16, layer_norm_eps=1e-3, inputs=(X1, X1)),
    "TransformerEncoder": (lambda: encoder(2, nn.LayerNorm(8)), (X1,)),
    "TransformerDecoder": (lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2), (X1, X1)),
    **case("Transformer", 8, 2, 2, 1, 16, batch_first=True, inputs=(X1, X1)),
    "Transformer of an own encoder": (
        lambda: nn.Transformer(8, 2, 1, 1, 16, custom_encoder=encoder(1, None)), (X1, X1)),
    **case("BCELoss", torch.tensor([0.1, 0.2, 0.3, 0.4]), inputs=(torch.rand(3, 4), torch.rand(3, 4))),
    **case("BCEWithLogitsLoss", pos_weight=torch.full((4,), 3.0), inputs=(ROW, torch.rand(3, 4))),
    **case("CTCLoss", zero_infinity=True, inputs=(torch.randn(6, 2, 5), INDICES[:, :2], SIX, SIX - 4)),
    **case("CosineEmbeddingLoss", 0.2, inputs=(ROW, ROWS, SIGNS)),
    **case("CrossEntropyLoss", torch.tensor([0.5, 1, 2, 1]), label_smoothing=0.1, inputs=(ROW, TARGET)),
    **case("GaussianNLLLoss", full=True, inputs=(ROW, ROWS, POSITIVE)),
    **case("HingeEmbeddingLoss", 0.5, inputs=(ROW, ROWS.sign())),
    **case("HuberLoss", delta=0.5, inputs=(ROW, ROWS)),
    **case("KLDivLoss", reduction="batchmean", inputs=(ROW, POSITIVE)),
    **case("L1Loss", inputs=(ROW, ROWS)), **case("MSELoss", reduction="none", inputs=(ROW, ROWS)),
    **case("MarginRankingLoss", 0.1, inputs=(ROW, ROWS, SIGNS[:, None])),
    **case("MultiLabelMarginLoss", inputs=(ROW, torch.tensor([[0, 1, -1, -1]] * 3))),
    **case("MultiLabelSoftMarginLoss", inputs=(ROW, (ROWS > 0).float())),
    **case("MultiMarginLoss", 2, 0.5, inputs=(ROW, TARGET)),
    **case("NLLLoss", ignore_index=1, inputs=(ROW, TARGET)), **case("NLLLoss2d", inputs=(ROW, TARGET)),
    **case("PoissonNLLLoss", full=True, inputs=(ROW, POSITIVE)),
    **case("SmoothL1Loss", beta=0.5, inputs=(ROW, ROWS)), **case("SoftMarginLoss", inputs=(ROW, ROWS.sign())),
    **case("TripletMarginLoss", swap=True, inputs=(ROW, ROWS, POSITIVE)),
    **case("TripletMarginWithDistanceLoss", margin=2.0, inputs=(ROW, ROWS, POSITIVE)),
    **case("TripletMarginWithDistanceLoss", distance_function=F.l1_loss, inputs=(ROW, ROWS, POSITIVE), key=" of L1"),
    "DataParallel": (lambda: nn.DataParallel(nn.Linear(8, 3)), (X1,)),
    **case("LinearCrossEntropyLoss", 4, 5, inputs=(ROW, TARGET)),
    **case("SyncBatchNorm", 4, inputs=(X2,)),
}  # fmt: skip
for name in (
    "AlphaDropout CELU ELU FeatureAlphaDropout GLU Hardshrink Hardsigmoid Hardswish Identity LeakyReLU LogSigmoid Mish "
    "RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink"
).split():
    CASES |= same(name, X2)
for name, arguments in {
    "LazyLinear": (3,), "LazyConv1d": (3, 2), "LazyConv2d": (3, 2), "LazyConv3d": (3, 2), "LazyConvTranspose1d": (3, 2),
    "LazyConvTranspose2d": (3, 2), "LazyConvTranspose3d": (3, 2), "LazyBatchNorm1d": (), "LazyBatchNorm2d": (),
    "LazyBatchNorm3d": (), "LazyInstanceNorm1d": (), "LazyInstanceNorm2d": (), "LazyInstanceNorm3d": (),
}.items():  # fmt: skip
    x = {"1": X1, "2": X2, "3": X3}.get(name[-2], X1)
    CASES |= case(name, *arguments, inputs=(x,))

NOT_CALLED = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Container"}
NOT_CALLED |= {"RNNBase", "RNNCellBase"}  # holders, and base classes without forward


class Around(nn.Module):
    """Calls one layer with the inputs of the case."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer


class Around1(Around):
    def forward(self, a):
        return self.layer(a)


class Around2(Around):
    def forward(self, a, b):
        return self.layer(a, b)


class Around3(Around):
    def forward(self, a, b, c):
        return self.layer(a, b, c)


class Around4(Around):
    def forward(self, a, b, c, d):
        return self.layer(a, b, c, d)


AROUND = {1: Around1, 2: Around2, 3: Around3, 4: Around4}


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for item in value if item is not None for leaf in leaves(item)]


def outputs(net, inputs):
    found = []
    for mode in (False, True):
        torch.manual_seed(3)
        found += leaves(net.train(mode)(*(value.clone() for value in inputs)))
    return found


def assert_equal(net, other, inputs):
    if not any(torch.nn.parameter.is_lazy(value) for value in net.parameters()):
        other.load_state_dict(net.state_dict())
    for one, two in zip(outputs(net, inputs), outputs(other, inputs), strict=True):
        assert one.dtype == two.dtype
        assert torch.equal(one, two)


def test_every_class_of_torch_nn_has_a_case():
    classes = {
        name for name in dir(nn) if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert classes - NOT_CALLED - {name.partition(" ")[0] for name in CASES} == set()


@pytest.mark.filterwarnings("ignore")  # of torch, on deprecated and lazy layers
@pytest.mark.parametrize("name", sorted(CASES))
def test_layers_of_torch_are_read_from_their_attributes(name):
    if not hasattr(nn, name.partition(" ")[0]):
        pytest.skip(f"this PyTorch has no {name}")
    make, inputs = CASES[name]
    torch.manual_seed(0)
    net = AROUND[len(inputs)](make()).eval()
    before = torch.get_rng_state()
    graph = convert_to_graph(net)
    assert torch.equal(torch.get_rng_state(), before), "reading a layer must draw nothing"
    is_lazy = name.startswith("Lazy")
    data = json.loads(json.dumps(model_to_json(graph)))
    built = [build_module(graph), build_module(model_from_json(data)), executed(export_code(graph), type(net).__name__)]
    assert model_to_json(model_from_json(data)) == data
    for other in built:
        if is_lazy:
            torch.manual_seed(1)
            net.eval()(*inputs)
            torch.manual_seed(1)
            other.eval()(*inputs)
        assert_equal(net, other, inputs)


class WiderLayers(Mutator):
    def mutate(self, model):
        for node in model.get_nodes_by_type(nn.LSTM):
            node.operation.parameters["hidden_size"] = self.choice([4, 6])


def test_mutators_change_layers_that_were_built_plainly():
    net = Around1(nn.LSTM(8, 5, bidirectional=True))
    built = GraphEngine(net, [WiderLayers()]).build({"WiderLayers/0": 6})
    assert (built.layer.hidden_size, built.layer.bidirectional) == (6, True)
    recorded = convert_to_graph(Around1(rnn.LSTM(8, 5, 2, batch_first=True))).get_node_by_name("layer")
    assert dict(recorded.operation.parameters) == {
        "input_size": 8, "hidden_size": 5, "num_layers": 2, "batch_first": True,
    }  # fmt: skip


@pytest.mark.parametrize("layers", [nn, rnn], ids=["plain", "recorded"])
def test_attributes_changed_after_building_are_seen(layers):
    net = Around1(layers.Conv2d(4, 4, 3))
    net.layer.stride = (2, 2)
    graph = convert_to_graph(net)
    assert dict(graph.get_node_by_name("layer").operation.parameters)["stride"] == 2
    assert_equal(net, executed(export_code(graph), "Around1"), (X2,))
    assert_equal(net, build_module(model_from_json(model_to_json(graph))), (X2,))


def doubled(module, args, output):
    return output * 2


def hooked(layers):
    net = Around1(layers.Conv2d(4, 4, 3))
    net.layer.register_forward_hook(doubled)
    return net


def half_of_it(layers):
    net = Around1(layers.TransformerEncoderLayer(8, 2, 16))
    net.layer.linear1 = nn.Linear(8, 16, bias=False)
    return net


def own_forward(layers):
    net = Around1(layers.Conv2d(4, 4, 3))
    net.layer.forward = torch.relu
    return net


@pytest.mark.parametrize("layers", [nn, rnn], ids=["plain", "recorded"])
@pytest.mark.parametrize(("make", "x"), [(hooked, X2), (half_of_it, X1), (own_forward, X2)])
def test_layers_that_no_constructor_call_gives_are_kept_whole(make, x, layers):
    net = make(layers)
    graph = convert_to_graph(net)
    assert_equal(net, build_module(graph), (x,))
    for use in (model_to_json, export_code, functools.partial(build_module, keep_weights=False)):
        with pytest.raises(GraphError, match=r"constructor arguments of '(_model\.)?layer' ") as caught:
            use(graph)
        assert "cannot be read from its attributes" in str(caught.value)
    with pytest.raises(GraphError, match="are not known"):
        graph.get_node_by_name("layer").operation.parameters["bias"] = False


def test_marks_that_users_put_on_layers_are_no_changes():
    net = Around1(nn.Conv2d(4, 4, 3))
    net.layer.is_stem = True
    assert_equal(net, executed(export_code(convert_to_graph(net)), "Around1"), (X2,))


def test_dtype_and_frozen_weights_survive_json_and_mutations():
    net = Around1(nn.Conv2d(4, 4, 3)).double().requires_grad_(False)
    traced = convert_to_graph(net)
    graph = model_from_json(json.loads(json.dumps(model_to_json(traced))))
    assert structural_hash(graph) == structural_hash(traced)
    assert structural_hash(graph) != structural_hash(convert_to_graph(Around1(nn.Conv2d(4, 4, 3))))
    assert_equal(net, build_module(graph), (X2.double(),))
    graph.get_node_by_name("layer").operation.parameters["kernel_size"] = 1
    for built in (build_module(graph), executed(export_code(graph), "Around1")):
        assert built.layer.weight.dtype is torch.float64
        assert not built.layer.weight.requires_grad
        assert built(X2.double()).shape == X2.shape
