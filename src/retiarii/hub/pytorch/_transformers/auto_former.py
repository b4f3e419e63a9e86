"""`AutoformerSpace`: the search space of AutoFormer, vision transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError
from retiarii.hub.pytorch._foundation.descending_choice import descending_choice
from retiarii.hub.pytorch._foundation.drop_path import DropPath
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._transformers.image_attention import GridPositions, ImageAttention, grid_distances
from retiarii.hub.pytorch._transformers.input_checks import ImageSizeCheck
from retiarii.space import Expression

_HEAD_DIM = 64


class EncoderBlock(nn.Module):
    """Attention and a feed-forward network, each with a normalisation and a shortcut.

    Args:
        embed_dim: Features of a token; may be an expression.
        mlp_ratio: Hidden features of the feed-forward network per feature of a token; may be an expression.
        attention: The layer of attention.
        drop_rate: Share of features that are dropped behind each linear layer of the feed-forward network.
        drop_path: Probability with which a sample skips attention, and the feed-forward network.
        pre_norm: Whether to normalise before, not after the shortcuts are added.
    """

    def __init__(
        self,
        embed_dim: Any,
        mlp_ratio: Any,
        attention: nn.Module,
        *,
        drop_rate: float,
        drop_path: float,
        pre_norm: bool,
    ) -> None:
        super().__init__()
        hidden = Expression.to_int(embed_dim * mlp_ratio)
        self.pre_norm = pre_norm
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = attention
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden),
            nn.GELU(),
            nn.Dropout(drop_rate),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(drop_rate),
        )
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens after both parts, ``[B, N, E]``."""
        if self.pre_norm:
            tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens)))
            tokens = tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))
        else:
            tokens = self.attention_norm(tokens + self.drop_path(self.attention(tokens)))
            tokens = self.mlp_norm(tokens + self.drop_path(self.mlp(tokens)))
        return tokens


def _published(name: str, embed_dim: int, heads: str, ratios: str, accuracy: str) -> Publication:
    """Return an architecture from the heads and (as tenths) ratios of its blocks."""
    num_heads, mlp_ratios = [int(text) for text in heads.split()], [int(text) / 10 for text in ratios.split()]
    values: dict[str, Any] = {"embed_dim": embed_dim, "depth": len(num_heads)}
    for index, (count, ratio) in enumerate(zip(num_heads, mlp_ratios, strict=True)):
        values |= {f"num_head_{index}": count, f"mlp_ratio_{index}": ratio}
    return Publication(values, f"the paper's public code; {accuracy} on ImageNet", SPACES[name])


SPACES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tiny": {
            "search_embed_dim": (192, 216, 240),
            "search_mlp_ratio": (3.0, 3.5, 4.0),
            "search_num_heads": (3, 4),
            "search_depth": (12, 13, 14),
        },
        "small": {
            "search_embed_dim": (320, 384, 448),
            "search_mlp_ratio": (3.0, 3.5, 4.0),
            "search_num_heads": (5, 6, 7),
            "search_depth": (12, 13, 14),
        },
        "base": {
            "search_embed_dim": (528, 576, 624),
            "search_mlp_ratio": (3.0, 3.5, 4.0),
            "search_num_heads": (8, 9, 10),
            "search_depth": (14, 15, 16),
        },
    }
)
"""The arguments of the three spaces, which have one supernet each."""


@nn.model_wrapper
class AutoformerSpace(ReadySpace):
    """Vision transformers: width, depth, and for each block the number of heads and the feed-forward ratio.

    Labels: ``embed_dim``, ``depth``, ``num_head_0``, ... and ``mlp_ratio_0``, ... A head has 64 features, so that the
    width of the attention depends on the number of heads only. Published are ``autoformer-tiny``, ``autoformer-small``
    and ``autoformer-base``. Candidates are sorted, the largest first: the default architecture is the largest one, and
    its initial weights are those of a supernet.

    Args:
        search_embed_dim: Features of a token to choose from.
        search_mlp_ratio: Hidden features of a feed-forward network, per feature of a token.
        search_num_heads: Numbers of heads.
        search_depth: Numbers of blocks.
        img_size: Height and width of images, in pixels.
        patch_size: Height and width of patches; it divides ``img_size``.
        in_channels: Channels of images.
        num_labels: The number of classes.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_rate: Share of features that are dropped behind linear layers and the sum of patches and positions.
        attn_drop_rate: Share of attention weights that are dropped.
        drop_path_rate: Probability with which a sample skips a part of the last block; it rises linearly from 0.
        pre_norm: Whether to normalise before attention and feed-forward network, not after the shortcuts.
        global_pooling: Whether the mean of all patches is classified, not the additional first token.
        absolute_position: Whether a learnt vector for each position is added to the patches.
        qk_scale: Factor of attention scores; None for ``64 ** -0.5``.
        rpe: Whether relative positions are added to keys and values.

    Raises:
        DomainError: ``patch_size`` does not divide ``img_size``, or one of the search arguments is a number instead of
            a sequence.

    Reference:
        Chen et al. (2021), "AutoFormer: Searching Transformers for Visual Recognition", arXiv:2107.00651, table
        1; the published subnets are those of the paper's public code. Its table 1 lists the ratios 3.5 and 4
        of the tiny space only, but the published tiny network uses 3 as well: ratios and heads here are those of NNI's
        hub. Queries, keys and values are three layers, not slices of one. Weights are initialised as in the public
        code: truncated normal with the standard deviation 0.02, biases 0.
    """

    PAPER: ClassVar[Paper] = Paper(
        "AutoFormer: Searching Transformers for Visual Recognition", "2107.00651", 2021, "table 1"
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "autoformer-tiny": _published(
                "tiny", 192, "3 3 3 3 3 3 3 3 3 3 4 3 3", "35 35 30 35 30 30 40 40 35 40 35 40 35", "74.7 %"
            ),
            "autoformer-small": _published(
                "small", 384, "6 6 5 7 5 5 5 6 6 7 7 6 7", "30 35 30 35 40 40 40 40 40 40 40 35 40", "81.7 %"
            ),
            "autoformer-base": _published(
                "base", 576, "9 9 9 9 9 10 9 9 10 9 10 9 9 10", "35 35 40 35 40 35 35 30 40 40 30 40 30 35", "82.4 %"
            ),
        }
    )

    def __init__(
        self,
        search_embed_dim: Sequence[int] = SPACES["tiny"]["search_embed_dim"],
        search_mlp_ratio: Sequence[float] = SPACES["tiny"]["search_mlp_ratio"],
        search_num_heads: Sequence[int] = SPACES["tiny"]["search_num_heads"],
        search_depth: Sequence[int] = SPACES["tiny"]["search_depth"],
        img_size: int = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        num_labels: int = 1000,
        qkv_bias: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        pre_norm: bool = True,
        global_pooling: bool = True,
        absolute_position: bool = True,
        qk_scale: float | None = None,
        rpe: bool = True,
    ) -> None:
        super().__init__()
        if img_size % patch_size:
            raise DomainError(
                f"AutoformerSpace got img_size={img_size} and patch_size={patch_size}, expected a patch_size that "
                "divides img_size."
            )
        self.global_pooling = global_pooling
        self.check = ImageSizeCheck(img_size)
        grid_size = img_size // patch_size
        embed_dim = descending_choice(search_embed_dim, "embed_dim")
        depth = descending_choice(search_depth, "depth")
        self.patches = nn.Conv2d(in_channels, embed_dim, patch_size, patch_size)
        self.first_token = nn.Embedding(1, embed_dim)
        self.positions = nn.Embedding(grid_size**2 + 1, embed_dim) if absolute_position else None
        self.dropout = nn.Dropout(drop_rate)

        distances = grid_distances(grid_size, grid_size)

        def make_positions() -> nn.Module:
            return GridPositions(_HEAD_DIM, distances, 2 * grid_size + 2)

        def block(index: int) -> nn.Module:
            attention = ImageAttention(
                embed_dim,
                descending_choice(search_num_heads, f"num_head_{index}"),
                head_dim=_HEAD_DIM,
                qkv_bias=qkv_bias,
                scale=qk_scale,
                attention_dropout=attn_drop_rate,
                dropout=drop_rate,
                make_positions=make_positions if rpe else None,
            )
            return EncoderBlock(
                embed_dim,
                descending_choice(search_mlp_ratio, f"mlp_ratio_{index}"),
                attention,
                drop_rate=drop_rate,
                drop_path=drop_path_rate * index / max(1, max(search_depth) - 1),
                pre_norm=pre_norm,
            )

        self.blocks = nn.Repeat(block, depth)
        self.norm = nn.LayerNorm(embed_dim) if pre_norm else nn.Identity()
        self.classifier = nn.Linear(embed_dim, num_labels)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``[B, num_labels]`` of images ``[B, in_channels, img_size, img_size]``.

        Raises:
            ValueError: The images have another size.
        """
        patches = self.patches(self.check(images)).flatten(2).transpose(1, 2)
        first = self.first_token(torch.zeros(1, 1, dtype=torch.long, device=images.device))
        tokens = torch.cat((first.expand(patches.shape[0], -1, -1), patches), dim=1)
        if self.positions is not None:
            tokens = tokens + self.positions(torch.arange(tokens.shape[1], device=images.device))
        tokens = self.norm(self.blocks(self.dropout(tokens)))
        logits: Tensor = self.classifier(tokens[:, 1:].mean(1) if self.global_pooling else tokens[:, 0])
        return logits


def _initialise(model: AutoformerSpace) -> None:
    """Draw new weights: truncated normal with the standard deviation 0.02 for layers and embeddings, biases 0."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
