"""Attention with choices: widths of keys and values, and outputs that are None, against standalone layers."""

from __future__ import annotations

import pytest
import torch
from oneshot_tools import mix_at_random
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, SearchLoop, build_supernet, subnet
from retiarii.testing.networks import assert_path_equals_subnet

EMBED = 8


def vc(*values, label):
    return nn.ValueChoice(values, label=label)


def attention(embed, heads=2, **options):
    return nn.MultiheadAttention(embed, heads, batch_first=True, **options)


# name: (layer, width of queries, keys and values by the architecture)
LAYERS = {
    "keys that are wider": (
        lambda: attention(EMBED, kdim=vc(16, 8, label="k"), vdim=vc(16, 8, label="k")),
        lambda a: (EMBED, a["k"], a["k"]),
    ),
    "keys and values that are narrower": (
        lambda: attention(EMBED, kdim=vc(8, 2, label="k"), vdim=vc(3, 8, label="v"), add_bias_kv=True),
        lambda a: (EMBED, a["k"], a["v"]),
    ),
    "keys of the width of the embedding, or not": (
        lambda: attention(vc(4, 8, label="e"), kdim=vc(None, 4, 12, label="k"), vdim=vc(4, 8, label="e")),
        lambda a: (a["e"], a["e"] if a["k"] is None else a["k"], a["e"]),
    ),
    "keys of one width": (
        lambda: attention(vc(8, 4, label="e"), kdim=4, vdim=4, bias=False),
        lambda a: (a["e"], 4, 4),
    ),
}


def made(name, dtype=torch.float32):
    layer, widths = LAYERS[name]
    torch.manual_seed(0)
    supernet = build_supernet(layer().to(dtype))
    architectures = list(supernet.space.grid())
    full = [max(sizes) for sizes in zip(*map(widths, architectures), strict=True)]
    torch.manual_seed(1)
    inputs = [torch.randn(2, length, width, dtype=dtype) for length, width in zip((3, 5, 5), full, strict=True)]
    return supernet, architectures, inputs, widths


def cut(inputs, widths):
    return [x[..., :width] for x, width in zip(inputs, widths, strict=True)]


def padded(output, width):
    return F.pad(output, (0, width - output.shape[-1]))


@pytest.mark.parametrize("name", LAYERS)
def test_every_width_of_keys_and_values_equals_the_standalone_layer(name):
    supernet, architectures, inputs, widths = made(name)
    for architecture in architectures:
        assert_path_equals_subnet(supernet, architecture, *cut(inputs, widths(architecture)))


@pytest.mark.parametrize("name", LAYERS)
def test_mixtures_of_widths_of_keys_and_values_are_the_sum_over_standalone_layers(name):
    supernet, architectures, inputs, widths = made(name, torch.float64)
    mix_at_random(supernet)
    shares = {label: decision.weights.detach() for label, decision in supernet.decisions.items()}
    output = supernet(*inputs)[0]
    expected = 0
    for architecture in architectures:
        share = 1.0
        for label, value in architecture.items():
            share = share * shares[label][supernet.decisions[label].values.index(value)]
        standalone = subnet(supernet, architecture)(*cut(inputs, widths(architecture)))[0]
        expected = expected + share * padded(standalone, output.shape[-1])
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("name", LAYERS)
def test_all_weight_on_one_width_of_keys_and_values_is_that_path(name):
    supernet, architectures, inputs, widths = made(name)
    for architecture in architectures:
        supernet.set_architecture(architecture)
        path = supernet(*cut(inputs, widths(architecture)))[0]
        for decision in supernet.decisions.values():
            decision.mix(torch.eye(len(decision.values))[decision.index])
        mixture = supernet(*inputs)[0]
        torch.testing.assert_close(mixture, padded(path, mixture.shape[-1]))


class WithoutWeights(nn.Module):
    """Asks its attentions for no weights, so that the second output of each candidate is None."""

    def __init__(self):
        super().__init__()
        self.by_argument = attention(EMBED, vc(2, 4, label="heads"))
        self.by_layer = nn.LayerChoice([attention(EMBED, 1), attention(EMBED, 8)], label="op")

    def forward(self, x):
        x, nothing = self.by_argument(x, x, x, need_weights=False)
        assert nothing is None
        x, nothing = self.by_layer(x, x, x, need_weights=False)
        assert nothing is None
        return x


def test_outputs_that_are_none_in_every_candidate_are_none_in_the_mixture():
    supernet = build_supernet(WithoutWeights().double())
    x = torch.randn(2, 3, EMBED, dtype=torch.float64)
    shares = {label: share.detach() for label, share in mix_at_random(supernet).items()}
    first = [subnet(supernet, {"heads": heads, "op": 0}).by_argument for heads in (2, 4)]
    middle = sum(share * layer(x, x, x)[0] for share, layer in zip(shares["heads"], first, strict=True))
    second = [subnet(supernet, {"heads": 2, "op": op}).by_layer for op in (0, 1)]
    expected = sum(share * layer(middle, middle, middle)[0] for share, layer in zip(shares["op"], second, strict=True))
    torch.testing.assert_close(supernet(x), expected)


def test_darts_searches_attention_whose_weights_nobody_needs():
    torch.manual_seed(0)
    search = DARTS().search(WithoutWeights())
    batches = list(torch.randn(3, 2, 3, EMBED))
    loop = SearchLoop(search, lambda net, x: net(x).square().mean(), torch.optim.SGD(search.supernet.parameters(), 0.1))
    before = search.probabilities()
    loop.run(batches, batches, 1)
    assert all(search.probabilities()[label] != before[label] for label in ("heads", "op"))
