"""The spaces of transformers: conformance, sizes, parameters of published networks, tied embeddings, causality."""

import random

import pytest
import torch
from macro_conformance import MacroSpaceConformance

from retiarii.errors import DomainError
from retiarii.hub.pytorch import AutoformerSpace, GPTSpace
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import count_params
from retiarii.oneshot import build_supernet

SMALL_VISION = {
    "search_embed_dim": (16, 24),
    "search_mlp_ratio": (1.5, 2.0),
    "search_num_heads": (1, 2),
    "search_depth": (1, 2),
    "img_size": 8,
    "patch_size": 4,
    "num_labels": 10,
}
SMALL_TEXT = {
    "vocab_size": 11,
    "context_length": 8,
    "search_width": (8, 16),
    "search_depth": (1, 2),
    "search_num_heads": (1, 2),
    "search_ffn_ratio": (1.0, 2.5),
    "head_dim": 4,
}


def images():
    torch.manual_seed(0)
    return torch.randn(2, 3, 8, 8)


def tokens():
    return torch.tensor([[0, 3, 10, 2, 5], [1, 1, 4, 7, 9]])


class TestAutoformerSpace(MacroSpaceConformance):
    row = "`AutoformerSpace`"

    @pytest.fixture
    def model(self):
        return AutoformerSpace(**SMALL_VISION)

    @pytest.fixture
    def inputs(self):
        return (images(),)


@pytest.mark.slow
class TestAutoformerSpaceWithNormalisationBehind(TestAutoformerSpace):
    @pytest.fixture
    def model(self):
        return AutoformerSpace(**SMALL_VISION, pre_norm=False, rpe=False, global_pooling=False)


class TestGPTSpace(MacroSpaceConformance):
    row = "`GPTSpace`"
    output_shape = (2, 5, 11)

    @pytest.fixture
    def model(self):
        return GPTSpace(**SMALL_TEXT)

    @pytest.fixture
    def inputs(self):
        return (tokens(),)


MODELS = [
    pytest.param(AutoformerSpace, SMALL_VISION, images, id="AutoFormer"),
    pytest.param(GPTSpace, SMALL_TEXT, tokens, id="GPT"),
]


def test_the_spaces_have_the_sizes_of_their_definitions():
    with torch.device("meta"):
        assert AutoformerSpace().size == 3 * sum(6**depth for depth in (12, 13, 14)) == 280_804_921_344
        assert GPTSpace().size == 5 * sum(15**depth for depth in range(3, 13)) == 695_069_667_270_000


@pytest.mark.parametrize(
    ("space", "name", "params"),
    [
        (AutoformerSpace, "autoformer-tiny", 5_867_944),  # public code; the paper prints 5.7 M, the code's page 5.8 M
        (AutoformerSpace, "autoformer-small", 22_891_432),  # public code; the paper prints 22.9 M
        (AutoformerSpace, "autoformer-base", 53_691_688),  # public code; the paper prints 53.7 M
        (GPTSpace, "gpt2", 124_439_808),
        (GPTSpace, "distilgpt2", 81_912_576),
    ],
)
def test_published_networks_have_the_published_numbers_of_parameters(space, name, params):
    with torch.device("meta"):
        assert count_params(space.load_searched_model(name)) == params


def test_gpt2_is_the_largest_architecture():
    with torch.device("meta"):
        default = extract_space(GPTSpace()).default()
    assert default == GPTSpace.published("gpt2")


# Vision


def test_relative_positions_depend_on_distances_in_the_grid_only():
    model = AutoformerSpace(**{**SMALL_VISION, "img_size": 12})
    vectors = model.blocks[0].attention.key_positions()
    assert vectors.shape == (10, 10, 64)
    patch = {(row, column): 1 + row * 3 + column for row in range(3) for column in range(3)}
    same = vectors[patch[0, 0], patch[1, 2]]
    torch.testing.assert_close(vectors[patch[1, 0], patch[2, 2]], same)
    assert not torch.allclose(vectors[patch[1, 2], patch[0, 0]], same)
    torch.testing.assert_close(vectors[0, 1], vectors[5, 0])  # the first token has no place


@pytest.mark.parametrize("options", [{"global_pooling": False}, {"absolute_position": False}, {"rpe": False}])
def test_parts_can_be_left_out(options):
    model = AutoformerSpace(**SMALL_VISION)
    other = AutoformerSpace(**SMALL_VISION, **options)
    other.load_state_dict(model.state_dict(), strict=False)
    assert not torch.allclose(other.eval()(images()), model.eval()(images()))
    assert count_params(other) <= count_params(model)


def test_dropped_paths_become_more_frequent_with_depth():
    model = AutoformerSpace(**{**SMALL_VISION, "search_depth": (3,)}, drop_path_rate=0.2)
    assert [getattr(block.drop_path, "drop_prob", 0.0) for block in model.blocks] == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("options", [{}, {"rpe": False}])
def test_images_of_another_size_are_refused(options):
    model = AutoformerSpace(**SMALL_VISION, **options)
    with pytest.raises(ValueError, match=r"images of the shape \(1, 3, 4, 8\), expected 8 x 8"):
        model(torch.zeros(1, 3, 4, 8))
    with pytest.raises(DomainError, match="img_size=30 and patch_size=16"):
        AutoformerSpace(img_size=30)


# Text


def test_a_token_does_not_see_later_tokens():
    network = freeze(GPTSpace(**SMALL_TEXT), extract_space(GPTSpace(**SMALL_TEXT)).sample(random.Random(1))).eval()
    changed = tokens()
    changed[:, 3] = (changed[:, 3] + 1) % 11
    before, after = network(tokens()), network(changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_texts_that_are_too_long_and_single_sizes_are_refused():
    with pytest.raises(ValueError, match=r"tokens of the shape \(1, 9\).* at most context_length=8"):
        GPTSpace(**SMALL_TEXT)(torch.zeros(1, 9, dtype=torch.long))
    with pytest.raises(DomainError, match="'width' has the candidates 64, expected a sequence of numbers"):
        GPTSpace(**{**SMALL_TEXT, "search_width": 64})


def test_embedding_and_output_layer_are_one_parameter_in_model_network_and_supernet():
    model = GPTSpace(**SMALL_TEXT)
    network = freeze(model, {**extract_space(model).default(), "width": 8})
    assert network.head.weight is network.tokens.weight
    assert network.head.weight.shape == (11, 8)
    names = [name for name, _ in build_supernet(model).module.named_parameters()]
    assert "tokens.layer.weight" in names
    assert not any(name.startswith("head.") for name in names)


def test_weights_are_initialised_as_in_gpt2():
    torch.manual_seed(0)
    model = GPTSpace(50, 8, search_width=(256, 128), search_depth=(2,), search_num_heads=(4,))
    network = freeze(model, {**extract_space(model).default(), "width": 128})
    assert network.tokens.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.blocks[0].contract.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not network.blocks[1].expand.bias.any()


@pytest.mark.parametrize(("space", "arguments", "make_input"), MODELS)
def test_networks_export(space, arguments, make_input):
    model = space(**arguments).eval()
    network, batch = freeze(model, extract_space(model).sample(random.Random(3))).eval(), make_input()
    torch.testing.assert_close(torch.export.export(network, (batch,)).module()(batch), network(batch))
