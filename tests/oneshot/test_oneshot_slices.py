"""Layers with choices in their arguments: every slice, and mixtures of slices against the sum written out."""

from __future__ import annotations

import itertools

import pytest
import torch
from oneshot_tools import mix_at_random

import retiarii.nn.pytorch as nn
from retiarii.oneshot import SupernetError, build_supernet, subnet
from retiarii.oneshot._operators.slice_rule import RegionMask
from retiarii.oneshot._operators.torch_slice_rules import SLICE_RULES
from retiarii.testing.networks import assert_path_equals_subnet, tensors_in


def vc(*values, label):
    return nn.ValueChoice(values, label=label)


def width(label="w"):
    return vc(4, 8, 6, label=label)


def size():
    return vc(3, 5, 1, label="k")


def image(channels=4, dims=2, edge=6):
    return lambda c=channels: torch.randn(3, c, *[edge] * dims)


def sequence(features=4):
    return lambda c=features: torch.randn(3, 5, c)


# name: (layer, input of a given width, argument that holds the width of the input if that is a choice)
LAYERS = {
    "Linear out": (lambda: nn.Linear(4, width()), sequence(), None),
    "Linear in and out": (lambda: nn.Linear(vc(2, 4, label="i"), width()), sequence(), "i"),
    "Linear, one label twice": (lambda: nn.Linear(width(), width() * 2), sequence(), "w"),
    "Bilinear": (lambda: nn.Bilinear(4, 4, width()), None, None),
    "Conv1d": (lambda: nn.Conv1d(4, width(), size(), padding=size() // 2), image(dims=1), None),
    "Conv2d": (lambda: nn.Conv2d(4, width(), size(), padding=size() // 2), image(), None),
    "Conv2d in and out": (lambda: nn.Conv2d(vc(2, 4, label="i"), width(), 3), image(), "i"),
    "Conv2d, sizes of two numbers": (
        lambda: nn.Conv2d(4, 4, vc((1, 3), (3, 1), (5, 5), label="k"), padding="same"),
        image(),
        None,
    ),
    "Conv2d, stride and dilation": (
        lambda: nn.Conv2d(4, 4, size(), stride=2, padding=(size() // 2) * 2, dilation=2),
        image(edge=9),
        None,
    ),
    "Conv2d, dilation": (
        lambda: nn.Conv2d(4, 4, 3, padding=vc(1, 2, label="d"), dilation=vc(1, 2, label="d")),
        image(),
        None,
    ),
    "Conv2d, depthwise": (
        lambda: nn.Conv2d(width(), width(), size(), padding=size() // 2, groups=width()),
        image(),
        "w",
    ),
    "Conv2d, groups": (lambda: nn.Conv2d(4, 8, 3, groups=vc(1, 2, 4, label="g")), image(), None),
    "Conv2d, fixed groups": (lambda: nn.Conv2d(4, width(), 3, groups=2), image(), None),
    "Conv2d, bias": (lambda: nn.Conv2d(4, 4, 3, bias=vc(True, False, label="b")), image(), None),
    "Conv3d": (
        lambda: nn.Conv3d(2, vc(2, 4, label="w"), vc(1, 3, label="k"), padding=vc(1, 3, label="k") // 2),
        image(2, 3, 4),
        None,
    ),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, width(), 3), image(dims=1), None),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(vc(2, 4, label="i"), width(), 3, stride=2), image(), "i"),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, vc(2, 4, label="w"), 2), image(2, 3, 3), None),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(width()), image(dims=1), "w"),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(width()), image(), "w"),
    "BatchNorm2d, not affine": (lambda: nn.BatchNorm2d(width(), affine=False), image(), "w"),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(width()), image(dims=3, edge=3), "w"),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(width(), affine=True), image(dims=1), "w"),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(width()), image(), "w"),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(width(), affine=True), image(dims=3, edge=3), "w"),
    "LayerNorm": (lambda: nn.LayerNorm(width()), sequence(), "w"),
    "RMSNorm": (lambda: nn.RMSNorm(width()), sequence(), "w"),
    "GroupNorm": (lambda: nn.GroupNorm(2, width()), image(), "w"),
    "GroupNorm, groups": (lambda: nn.GroupNorm(vc(1, 2, 4, label="g"), 8), image(8), None),
    "PReLU": (lambda: nn.PReLU(width()), image(), "w"),
    "Embedding": (lambda: nn.Embedding(7, width()), None, None),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(7, width()), None, None),
    "MultiheadAttention, heads": (
        lambda: nn.MultiheadAttention(8, vc(1, 2, 4, label="h"), batch_first=True),
        sequence(8),
        None,
    ),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(width(), 2, batch_first=True), sequence(), "w"),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(width(), 2, vc(8, 16, label="f"), dropout=0.0, batch_first=True),
        sequence(),
        "w",
    ),
    "MultiheadAttention, other keys": (
        lambda: nn.MultiheadAttention(width(), 2, kdim=3, vdim=3, add_bias_kv=True, batch_first=True),
        sequence(),
        "w",
    ),
    "MultiheadAttention, heads by width": (
        lambda: nn.MultiheadAttention(vc(4, 6, label="w"), 8 - vc(4, 6, label="w"), batch_first=True),
        sequence(6),
        "w",
    ),
    "GroupNorm, groups by width": (lambda: nn.GroupNorm(vc(4, 6, label="w") // 2, vc(4, 6, label="w")), image(6), "w"),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(width(), 2, vc(8, 16, label="f"), dropout=0.0, batch_first=True),
        sequence(),
        "w",
    ),
    "RNN": (lambda: nn.RNN(4, width(), batch_first=True), sequence(), None),
    "GRU": (lambda: nn.GRU(vc(2, 4, label="i"), 6, batch_first=True), sequence(), "i"),
    "LSTM": (lambda: nn.LSTM(4, width(), 2, bidirectional=True, batch_first=True), sequence(), None),
    "Dropout": (lambda: nn.Dropout(vc(0.0, 0.5, 0.9, label="p")), sequence(), None),
    "MaxPool2d": (lambda: nn.MaxPool2d(vc(1, 3, 5, label="k"), 1, vc(1, 3, 5, label="k") // 2), image(), None),
    "LeakyReLU": (lambda: nn.LeakyReLU(vc(0.1, 0.5, label="s")), sequence(), None),
    "Softplus": (lambda: nn.Softplus(nn.FloatRange(0.5, 2.0, label="beta")), sequence(), None),
}


def inputs_for(name, of_width):
    _, make, _ = LAYERS[name]
    torch.manual_seed(3)
    if name == "Bilinear":
        return [torch.randn(3, 4), torch.randn(3, 4)]
    if name.startswith("Embedding"):
        return [torch.randint(7, (3, 4))]
    x = make() if of_width is None else make(of_width)
    if name.endswith("other keys"):
        return [x, torch.randn(3, 6, 3), torch.randn(3, 6, 3)]
    if name == "TransformerDecoderLayer":
        return [x, torch.randn_like(x)]
    return [x, x, x] if name.startswith("Multihead") else [x]


def architectures_of(space):
    if space.size < 100:
        return list(space.grid())
    import random

    return [space.sample(random.Random(seed)) for seed in range(4)]


@pytest.mark.parametrize("name", LAYERS)
def test_every_slice_equals_the_standalone_layer(name):
    make, _, argument = LAYERS[name]
    torch.manual_seed(0)
    supernet = build_supernet(nn.Sequential(make()) if name == "Softplus" else make())
    for architecture in architectures_of(supernet.space):
        inputs = inputs_for(name, architecture.get(argument))
        assert_path_equals_subnet(supernet, architecture, *inputs)


def test_every_type_with_a_rule_is_tried():
    tried = {type(make()) for make, _, _ in LAYERS.values()}
    tried = {cls for layer in tried for cls in layer.__mro__}
    # A SyncBatchNorm is a batch normalisation that computes on GPUs only.
    assert {cls for cls in SLICE_RULES if cls not in tried} == {torch.nn.SyncBatchNorm}


# Outputs of these have different sizes, so that there is no mixture.
WITHOUT_MIXTURE = {"RNN", "LSTM", "Softplus"}


@pytest.mark.parametrize("name", sorted(set(LAYERS) - WITHOUT_MIXTURE))
def test_mixtures_equal_the_sum_over_standalone_layers_written_out(name):
    make, _, argument = LAYERS[name]
    torch.manual_seed(0)
    supernet = build_supernet(make().double())
    supernet.module.double()
    weights = mix_at_random(supernet)
    largest = None if argument is None else max(supernet.decisions[argument].values)
    inputs = [x.double() if x.is_floating_point() else x for x in inputs_for(name, largest)]
    torch.manual_seed(5)
    output = tensors_in(supernet(*inputs))[0]
    factor = torch.randn_like(output)
    ours = torch.autograd.grad((output * factor).sum(), list(weights.values()))

    terms = []
    torch.manual_seed(5)
    labels = list(supernet.decisions)
    for values in itertools.product(*(supernet.decisions[label].values for label in labels)):
        architecture = dict(zip(labels, values, strict=True))
        layer = subnet(supernet, architecture)
        cut = inputs if argument is None else [_cut(x, largest, architecture[argument], name) for x in inputs]
        part = _padded(tensors_in(layer(*cut))[0], output.shape)
        share = torch.stack(
            [weights[label][supernet.decisions[label].values.index(architecture[label])] for label in labels]
        ).prod()
        terms.append(share * part.detach())
    expected = sum(terms)
    torch.testing.assert_close(output, expected)
    theirs = torch.autograd.grad((expected * factor).sum(), list(weights.values()))
    torch.testing.assert_close(ours, theirs)


def _cut(x, largest, size, name):
    if largest not in x.shape[1:]:
        return x  # keys of another width
    dim = next(dim for dim in (1, x.dim() - 1) if x.shape[dim] == largest and not (name in _LAST and dim == 1))
    return x.narrow(dim, 0, size)


_LAST = {
    "Linear in and out",
    "Linear, one label twice",
    "LayerNorm",
    "RMSNorm",
    "MultiheadAttention",
    "GRU",
    "MultiheadAttention, other keys",
    "MultiheadAttention, heads by width",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
}


def _padded(part, shape):
    padded = part.new_zeros(shape)
    padded[tuple(slice(0, length) for length in part.shape)] = part
    return padded


@pytest.mark.parametrize("name", sorted(set(LAYERS) - WITHOUT_MIXTURE - {"Dropout"}))
def test_a_mixture_with_all_weight_on_one_value_is_that_path(name):
    make, _, argument = LAYERS[name]
    torch.manual_seed(0)
    supernet = build_supernet(make())
    supernet.eval()
    architecture = list(supernet.space.grid())[-1]
    largest = None if argument is None else max(supernet.decisions[argument].values)
    inputs = inputs_for(name, largest)
    cut = inputs if argument is None else [_cut(x, largest, architecture[argument], name) for x in inputs]
    supernet.set_architecture(architecture)
    path = tensors_in(supernet(*cut))[0]
    for decision in supernet.decisions.values():
        one_hot = torch.zeros(len(decision.values))
        one_hot[decision.index] = 1
        decision.mix(one_hot)
    mixture = tensors_in(supernet(*inputs))[0]
    torch.testing.assert_close(mixture, _padded(path, mixture.shape))


MERGED = [
    "Linear in and out",
    "Conv1d",
    "Conv2d",
    "Conv2d, stride and dilation",
    "Conv2d, depthwise",
    "BatchNorm2d",
    "Embedding",
]


@pytest.mark.parametrize("name", MERGED)
def test_layers_that_are_linear_in_their_weights_run_once_for_a_mixture(name, monkeypatch):
    make, _, argument = LAYERS[name]
    supernet = build_supernet(make())
    mix_at_random(supernet)
    calls = []
    original = supernet.module.configurations.cls.forward

    def counting(self, *args):
        calls.append(self)
        return original(self, *args)

    monkeypatch.setattr(supernet.module.configurations.cls, "forward", counting)
    largest = None if argument is None else max(supernet.decisions[argument].values)
    supernet(*inputs_for(name, largest))
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["RNN", "LSTM"])
def test_outputs_of_different_sizes_are_refused_with_the_place(name):
    make, _, _ = LAYERS[name]
    supernet = build_supernet(nn.Sequential(make()))
    mix_at_random(supernet)
    with pytest.raises(SupernetError, match=r"'0'.*different shapes") as error:
        supernet(*inputs_for(name, None))
    assert error.value.path == "0"


def test_masks_and_states_of_the_full_width_are_no_inputs_to_be_cut():
    attention = build_supernet(nn.MultiheadAttention(vc(4, 8, label="w"), 2, batch_first=True))
    x, mask = torch.randn(2, 8, 8), torch.ones(8, 8).triu(1).bool()  # as long as it is wide
    weights = mix_at_random(attention)["w"].detach()
    output = attention(x, x, x, attn_mask=mask)[0]
    recurrent = build_supernet(nn.GRU(vc(2, 4, label="w"), 4, batch_first=True))
    y, state = torch.randn(2, 5, 4), torch.randn(1, 2, 4)
    mix_at_random(recurrent)
    mixed = recurrent(y, state)[0]
    expected, recurred = 0, 0
    for size, share in zip((4, 8), weights, strict=True):
        cut = x[..., :size]
        expected = expected + share * _padded(subnet(attention, {"w": size})(cut, cut, cut, attn_mask=mask)[0], x.shape)
        recurred = recurred + share * subnet(recurrent, {"w": size // 2})(y[..., : size // 2], state)[0]
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(mixed, recurred)


def test_statistics_see_the_batch_once_in_a_mixture():
    supernet = build_supernet(nn.BatchNorm2d(vc(6, 2, 4, label="w"), affine=False))
    mix_at_random(supernet)
    x = torch.randn(5, 6, 3, 3) + 1
    supernet(x)
    norm = torch.nn.BatchNorm2d(6, affine=False)
    norm(x)
    layer = supernet.module.layer
    for name, expected in norm.named_buffers():
        torch.testing.assert_close(layer.get_buffer(name), expected)


def test_what_is_read_from_a_layer_of_a_mixture_is_an_error_with_the_place():
    supernet = build_supernet(nn.Sequential(nn.Conv2d(4, width(), 3)))
    mix_at_random(supernet)
    message = "'0' is a mixture of layers of several sizes, so that 'out_channels' has no single value"
    with pytest.raises(AttributeError, match=message):
        _ = supernet.module[0].out_channels


def test_slices_are_views_of_the_weights():
    supernet = build_supernet(nn.Conv2d(4, width(), size()))
    supernet.set_architecture({"w": 6, "k": 3})
    full = supernet.module.layer.weight
    part = supernet.module.weight
    assert part.shape == (6, 4, 3, 3)
    assert part._base is full
    supernet.set_architecture({"w": 8, "k": 5})
    assert supernet.module.weight is full


def test_kernels_share_their_middle():
    supernet = build_supernet(nn.Conv2d(1, 1, size(), bias=False))
    supernet.set_architecture({"k": 3})
    assert torch.equal(supernet.module.weight, supernet.module.layer.weight[:, :, 1:4, 1:4])


def test_what_the_model_reads_from_a_layer_is_that_of_the_path():
    supernet = build_supernet(nn.Conv2d(4, width(), size()))
    supernet.set_architecture({"w": 6, "k": 3})
    assert (supernet.module.out_channels, supernet.module.kernel_size) == (6, (3, 3))


def test_masks_are_the_expected_share_of_each_element():
    regions = [((0, 2), (1, 3)), ((0, 4), (0, 4)), ((0, 3), (1, 3))]
    probabilities = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for ((a, b), (c, d)), share in zip(regions, probabilities, strict=True):
        expected[a:b, c:d] += share
    mask = RegionMask((4, 4), regions)(probabilities)
    torch.testing.assert_close(mask.expand(4, 4), expected)


def test_expressions_of_several_labels_have_their_exact_joint_distribution():
    a, b = vc(1, 2, 3, label="a"), vc(1, 2, label="b")
    supernet = build_supernet(nn.Linear(3, nn.ValueChoice.max(a * b, 2), bias=False))
    weights = {"a": torch.tensor([0.2, 0.3, 0.5]), "b": torch.tensor([0.4, 0.6])}
    for label, decision in supernet.decisions.items():
        decision.mix(weights[label])
    configurations = supernet.module.configurations
    sizes = [config["out_features"] for config in configurations.grid.configs]
    shares = dict(zip(sizes, configurations.probabilities().tolist(), strict=True))
    # 1, 2, 3, 2, 4, 6 for (a, b), the smallest raised to 2
    assert shares == pytest.approx({2: 0.2 * 0.4 + 0.2 * 0.6 + 0.3 * 0.4, 3: 0.5 * 0.4, 4: 0.3 * 0.6, 6: 0.5 * 0.6})


def test_too_many_combinations_are_refused_for_mixtures_but_not_for_paths():
    choices = [vc(*range(1, 9), label=f"c{number}") for number in range(5)]
    supernet = build_supernet(nn.Linear(2, sum(choices[1:], start=choices[0])))
    supernet.set_architecture({f"c{number}": 8 for number in range(5)})
    assert supernet(torch.randn(1, 2)).shape == (1, 40)
    mix_at_random(supernet)
    with pytest.raises(SupernetError, match="32,768 combinations"):
        supernet(torch.randn(1, 2))


@pytest.mark.parametrize(
    "options", [{"affine": False}, {"momentum": vc(0.1, 0.3, label="m")}], ids=["plain", "momentum"]
)
def test_gradients_pass_through_mixtures_of_normalisations_to_the_layer_before(options):
    torch.manual_seed(0)
    supernet = build_supernet(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(width(), **options)).double())
    weights = {label: share.detach() for label, share in mix_at_random(supernet).items()}
    x = torch.randn(3, 1, 5, 5, dtype=torch.float64)
    supernet.module[0].weight.data.normal_()
    wide = torch.cat([supernet.module[0](x), supernet.module[0](x)], dim=1)
    output = supernet.module[1](wide)
    factor = torch.randn_like(output)
    (gradient,) = torch.autograd.grad((output * factor).sum(), supernet.module[0].weight)
    normed = torch.nn.functional.batch_norm(
        torch.cat([supernet.module[0](x), supernet.module[0](x)], dim=1), None, None, training=True
    )
    share = torch.stack([sum(weights["w"][at] for at, size in enumerate((4, 8, 6)) if size > c) for c in range(8)])
    expected = (normed * share[:, None, None] * factor).sum()
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, supernet.module[0].weight)[0])
