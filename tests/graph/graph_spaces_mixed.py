"""Search spaces that are no plain sequences of convolutions: a ViT, a U-Net, an LSTM classifier, DARTS cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from graph_models import images, tokens
from graph_models_mixed import Attention, DoubleConv, LastHidden
from graph_spaces import CONVOLUTIONAL_SPACES

import retiarii.nn.pytorch as nn


class EncoderBlockSpace(nn.Module):
    def __init__(self, dim, heads, index):
        super().__init__()
        hidden = nn.ValueChoice([8, 12], label=f"hidden{index}")
        self.norm1 = nn.LayerChoice({"layer": nn.LayerNorm(dim), "none": nn.Identity()}, label="prenorm")
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=nn.ValueChoice([1e-6, 1e-5], label="eps"))
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.LayerChoice([nn.GELU(), nn.ReLU()], label="act"), nn.Linear(hidden, dim)
        )

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


@nn.model_wrapper
class ViTSpace(nn.Module):
    """The constructor computes with width and heads; depth, norms and activations are chosen too."""

    def __init__(self, num_classes=10):
        super().__init__()
        dim = nn.ModelParameterChoice([8, 16], label="dim")
        heads = nn.ModelParameterChoice([2, 4], label="heads")
        self.patch_embed = nn.Conv2d(3, dim, 4, 4)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, 17, dim) * 0.02)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.blocks = nn.Repeat(lambda index: EncoderBlockSpace(dim, heads, index), (1, 2), label="depth")
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.patch_embed(x - self.mean).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        return self.head(self.blocks(x)[:, 0])


class UNetSpace(nn.Module):
    """Width, the way up, and what the skip connection brings are chosen."""

    def __init__(self, classes=3):
        super().__init__()
        width = nn.ValueChoice([2, 4], label="width")
        self.enc1 = DoubleConv(3, width)
        self.enc2 = DoubleConv(width, width * 2)
        self.pool = nn.LayerChoice({"max": nn.MaxPool2d(2), "avg": nn.AvgPool2d(2)}, label="pool")
        self.up = nn.LayerChoice(
            {
                "transposed": nn.ConvTranspose2d(width * 2, width, 2, stride=2),
                "bilinear": nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(width * 2, width, 1)),
            },
            label="up",
        )
        self.skip = nn.InputChoice(n_candidates=2, n_chosen=1, label="skip")
        self.merge = nn.InputChoice(n_candidates=3, n_chosen=2, reduction="concat", label="merge")
        self.dec1 = DoubleConv(width * 2, width)
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        enc1 = self.enc1(x)
        x = self.up(self.enc2(self.pool(enc1)))
        x = self.dec1(self.merge([x, self.skip([enc1, F.relu(enc1)]), enc1 * x]))
        return self.out(x)


@nn.basic_unit
class MeanOfWords(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc = nn.Linear(dim, hidden)

    def forward(self, x):
        return self.fc(x.mean(1)) if len(x) else self.fc(x)


class LSTMClassifierSpace(nn.Module):
    """Choices in the arguments of basic units, and between basic units."""

    def __init__(self, vocabulary=20, num_classes=4):
        super().__init__()
        dim, hidden = nn.ValueChoice([4, 6], label="dim"), nn.ValueChoice([6, 8], label="hidden")
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.encoder = nn.LayerChoice(
            {"lstm": LastHidden(dim, hidden), "mean": MeanOfWords(dim, hidden)}, label="encoder"
        )
        self.scale = nn.ValueChoice([1.0, 0.5], label="scale")
        self.fc = nn.Linear(hidden, num_classes)

    def forward(self, tokens):
        x = self.encoder(self.embedding(tokens)) * self.scale()
        return F.log_softmax(self.fc(x), dim=-1)


class DartsSpace(nn.Module):
    """Two cells, the second of which takes what both the stem and the first one return."""

    def __init__(self, num_classes=10):
        super().__init__()
        ops = {
            "conv": lambda node, index, chosen: nn.Conv2d(4, 4, 3, padding=1),
            "norm": lambda node, index, chosen: nn.BatchNorm2d(4),
            "skip": lambda node, index, chosen: nn.Identity(),
        }
        self.stem = nn.Conv2d(3, 4, 1)
        self.cell1 = nn.Cell(ops, num_nodes=2, num_ops_per_node=1, num_predecessors=2, merge_op="all", label="cell1")
        self.mix = nn.Conv2d(8, 4, 1)
        self.cell2 = nn.Cell(ops, num_nodes=1, num_ops_per_node=2, num_predecessors=2, merge_op="all", label="cell2")
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        x = self.stem(x)
        y = self.mix(self.cell1([x, F.relu(x)]))
        return self.fc(self.cell2([x, y]).mean((2, 3)))


SPACE_ZOO = {
    **CONVOLUTIONAL_SPACES,
    "vit": (ViTSpace, images),
    "unet": (UNetSpace, images),
    "lstm": (LSTMClassifierSpace, tokens),
    "darts": (DartsSpace, images),
}
