"""`GPTSpace`: decoder-only transformers of the size of GPT-2 and smaller."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch._foundation.descending_choice import descending_choice
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._transformers.input_checks import TextLengthCheck
from retiarii.space import Expression


class CausalAttention(nn.Module):
    """Self-attention in which a token sees itself and earlier tokens; heads have a fixed size.

    Args:
        width: Features of a token; may be an expression.
        num_heads: May be an expression.
        head_dim: Features of a head.
        dropout: Share of output features that are dropped.
    """

    def __init__(self, width: Any, num_heads: Any, *, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query = nn.Linear(width, num_heads * head_dim)
        self.key = nn.Linear(width, num_heads * head_dim)
        self.value = nn.Linear(width, num_heads * head_dim)
        self.project = nn.Linear(num_heads * head_dim, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what each token attends to, ``[B, T, width]``."""
        texts, length, _ = tokens.shape
        query, key, value = (
            layer(tokens).reshape(texts, length, -1, self.head_dim).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        output: Tensor = self.dropout(self.project(attended.transpose(1, 2).flatten(2)))
        return output


class DecoderBlock(nn.Module):
    """Causal attention and a feed-forward network, each behind a normalisation and with a shortcut.

    Args:
        width: Features of a token; may be an expression.
        num_heads: Of the attention; may be an expression.
        ffn_ratio: Hidden features of the feed-forward network per feature of a token; may be an expression.
        head_dim: Features of a head.
        dropout: Share of features that are dropped.
    """

    def __init__(self, width: Any, num_heads: Any, ffn_ratio: Any, *, head_dim: int, dropout: float) -> None:
        super().__init__()
        hidden = Expression.to_int(width * ffn_ratio)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalAttention(width, num_heads, head_dim=head_dim, dropout=dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.activation = nn.GELU("tanh")
        self.contract = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens after both parts, ``[B, T, width]``."""
        tokens = tokens + self.attention(self.attention_norm(tokens))
        hidden = self.activation(self.expand(self.ffn_norm(tokens)))
        output: Tensor = tokens + self.dropout(self.contract(hidden))
        return output


def _gpt2(depth: int, source: str) -> Publication:
    blocks = {f"num_heads_{index}": 12 for index in range(depth)} | {
        f"ffn_ratio_{index}": 4.0 for index in range(depth)
    }
    return Publication({"width": 768, "depth": depth, **blocks}, source)


@nn.model_wrapper
class GPTSpace(ReadySpace):
    """Decoder-only transformers: width, depth, and for each block the number of heads and the feed-forward ratio.

    Labels: ``width``, ``depth``, ``num_heads_0``, ... and ``ffn_ratio_0``, ... The largest architecture, which is the
    default, is GPT-2 small with 124,439,808 parameters (the embedding of tokens is also the output layer). Its initial
    weights are those of a supernet. Published are ``gpt2`` and ``distilgpt2``.

    Args:
        vocab_size: The number of different tokens.
        context_length: The largest number of tokens of a text.
        search_width: Features of a token to choose from.
        search_depth: Numbers of blocks.
        search_num_heads: Numbers of heads of a block.
        search_ffn_ratio: Hidden features of a feed-forward network, per feature of a token.
        head_dim: Features of a head; the width of an attention is this times its number of heads.
        dropout_rate: Share of features that are dropped. GPT-2 was trained with 0.1.

    Raises:
        DomainError: One of the search arguments is a number instead of a sequence.

    Reference:
        Javaheripi et al. (2022), "LiteTransformerSearch: Training-free neural architecture search for efficient
        language models", arXiv:2203.02094, the space of decoders: width, depth, and per block heads and
        feed-forward size. The network is GPT-2 (Radford et al., 2019): learnt positions, normalisation before each
        part and at the end, GELU. Deviations: candidates are those of GPT-2 small and smaller; heads have a fixed size,
        as in AutoFormer (arXiv:2107.00651), so that networks of all sizes share whole heads; no adaptive embeddings;
        attention weights are not dropped.
        Weights are initialised as in GPT-2: normal with standard deviation 0.02, for layers that a shortcut
        passes by divided by the square root of their number; biases 0.
    """

    PAPER: ClassVar[Paper] = Paper(
        "LiteTransformerSearch: Training-free Neural Architecture Search for Efficient Language Models",
        "2203.02094",
        2022,
        "the space of decoders",
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "gpt2": _gpt2(12, "Radford et al. (2019), table 2: the smallest model; 124,439,808 parameters"),
            "distilgpt2": _gpt2(6, "the public model distilgpt2 (Sanh et al., 2019); 81,912,576 parameters"),
        }
    )

    def __init__(
        self,
        vocab_size: int = 50257,
        context_length: int = 1024,
        search_width: Sequence[int] = (768, 640, 512, 384, 256),
        search_depth: Sequence[int] = tuple(range(12, 2, -1)),
        search_num_heads: Sequence[int] = (12, 10, 8, 6, 4),
        search_ffn_ratio: Sequence[float] = (4.0, 3.0, 2.0),
        head_dim: int = 64,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.check = TextLengthCheck(context_length)
        width = descending_choice(search_width, "width")

        def block(index: int) -> nn.Module:
            num_heads = descending_choice(search_num_heads, f"num_heads_{index}")
            ffn_ratio = descending_choice(search_ffn_ratio, f"ffn_ratio_{index}")
            return DecoderBlock(width, num_heads, ffn_ratio, head_dim=head_dim, dropout=dropout_rate)

        self.tokens = nn.Embedding(vocab_size, width)
        self.positions = nn.Embedding(context_length, width)
        self.dropout = nn.Dropout(dropout_rate)
        self.blocks = nn.Repeat(block, descending_choice(search_depth, "depth"))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab_size, bias=False)
        self.head.weight = self.tokens.weight
        _initialise(self, max(search_depth))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits ``[B, T, vocab_size]`` of the token behind each token of ``tokens``, ``[B, T]``.

        Raises:
            ValueError: There are more tokens than ``context_length``.
        """
        tokens = self.check(tokens)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        features = self.dropout(self.tokens(tokens) + self.positions(positions))
        logits: Tensor = self.head(self.norm(self.blocks(features)))
        return logits


def _initialise(model: GPTSpace, depth: int) -> None:
    last = {
        id(layer)
        for block in model.modules()
        if isinstance(block, DecoderBlock)
        for layer in (block.attention.project, block.contract)
    }
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0.0, 0.02 / math.sqrt(2 * depth) if id(module) in last else 0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
