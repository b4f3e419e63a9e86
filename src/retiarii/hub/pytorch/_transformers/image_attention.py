"""Self-attention with relative positions on a grid of image patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import retiarii.nn.pytorch as nn


def grid_distances(grid_size: int, max_distance: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of the distances in rows and in columns between the tokens of an image, both ``[N, N]``.

    Number 0 is for the first token, which is no patch; ``1 + max_distance`` is for the distance 0.

    Args:
        grid_size: Patches in a row and in a column; ``N = grid_size ** 2 + 1``.
        max_distance: Distances beyond it count as this one.
    """
    patches = torch.arange(grid_size**2)
    rows, columns = patches // grid_size, patches % grid_size
    row_numbers, column_numbers = (
        functional.pad(
            (places[None, :] - places[:, None]).clamp(-max_distance, max_distance),
            (1, 0, 1, 0),
            value=-(max_distance + 1),
        )
        + (max_distance + 1)
        for places in (rows, columns)
    )
    return row_numbers, column_numbers


class GridPositions(nn.Module):
    """One vector for each pair of tokens: the sum of that of their distance in rows and of that in columns.

    Args:
        features: The length of the vectors.
        distances: The numbers of the distances, see `grid_distances`.
        num_distances: How many numbers there are.

    Reference:
        Shaw et al. (2018), arXiv:1803.02155, section 3.2; in two dimensions as in the public code of AutoFormer,
        arXiv:2107.00651.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, features: int, distances: tuple[Tensor, Tensor], num_distances: int) -> None:
        super().__init__()
        self.row_vectors = nn.Embedding(num_distances, features)
        self.column_vectors = nn.Embedding(num_distances, features)
        for name, numbers in zip(("rows", "columns"), distances, strict=True):
            self.register_buffer(name, numbers, persistent=False)

    def forward(self) -> Tensor:
        """Return the vectors, ``[N, N, features]``."""
        vectors: Tensor = self.row_vectors(self.rows) + self.column_vectors(self.columns)
        return vectors


class ImageAttention(nn.Module):
    """Self-attention with heads of fixed size; positions are added to keys and to values.

    Shapes: ``B`` images, ``N`` tokens, ``H`` heads, ``D`` features of a head, ``E`` features of a token.

    Args:
        embed_dim: Features of a token; may be an expression.
        num_heads: May be an expression.
        head_dim: Features of a head.
        qkv_bias: Whether queries, keys and values have a bias.
        scale: Factor of the scores; None for ``head_dim ** -0.5``.
        attention_dropout: Share of attention weights that are dropped.
        dropout: Share of output features that are dropped.
        make_positions: Makes the positions of keys, and those of values; None for attention without positions.
    """

    def __init__(
        self,
        embed_dim: Any,
        num_heads: Any,
        *,
        head_dim: int,
        qkv_bias: bool,
        scale: float | None,
        attention_dropout: float,
        dropout: float,
        make_positions: Callable[[], nn.Module] | None,
    ) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.scale = head_dim**-0.5 if scale is None else scale
        inner = num_heads * head_dim
        self.query = nn.Linear(embed_dim, inner, bias=qkv_bias)
        self.key = nn.Linear(embed_dim, inner, bias=qkv_bias)
        self.value = nn.Linear(embed_dim, inner, bias=qkv_bias)
        self.attention_dropout = nn.Dropout(attention_dropout)
        self.project = nn.Linear(inner, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.key_positions = None if make_positions is None else make_positions()
        self.value_positions = None if make_positions is None else make_positions()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what each token attends to, ``[B, N, E]``."""
        query, key, value = (self._heads(layer(tokens)) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1)
        if self.key_positions is not None:
            scores = scores + torch.einsum("bhnd,nmd->bhnm", query, self.key_positions())
        weights: Tensor = self.attention_dropout((scores * self.scale).softmax(-1))
        attended = weights @ value
        if self.value_positions is not None:
            attended = attended + torch.einsum("bhnm,nmd->bhnd", weights, self.value_positions())
        output: Tensor = self.dropout(self.project(attended.transpose(1, 2).flatten(2)))
        return output

    def _heads(self, features: Tensor) -> Tensor:
        """Split ``[B, N, H * D]`` into ``[B, H, N, D]``."""
        images, tokens, _ = features.shape
        return features.reshape(images, tokens, -1, self.head_dim).transpose(1, 2)
