"""Layers that refuse inputs of a wrong size, as units of their own: graphs hold no branches."""

from __future__ import annotations

from torch import Tensor, nn

from retiarii.nn.pytorch import basic_unit


@basic_unit
class ImageSizeCheck(nn.Module):
    """Passes on images of one size.

    Args:
        size: Height and width in pixels.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Return ``images``, ``[B, C, size, size]``.

        Raises:
            ValueError: They have another size.
        """
        if tuple(images.shape[2:]) != (self.size, self.size):
            raise ValueError(
                f"Got images of the shape {tuple(images.shape)}, expected {self.size} x {self.size} pixels. "
                "Resize them, or build the space with another img_size."
            )
        return images


@basic_unit
class TextLengthCheck(nn.Module):
    """Passes on texts that are not too long.

    Args:
        max_length: The largest number of tokens.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``tokens``, ``[B, T]``.

        Raises:
            ValueError: They are no batch of texts, or a text has more than ``max_length`` tokens.
        """
        if tokens.dim() != 2 or tokens.shape[1] > self.max_length:
            raise ValueError(
                f"Got tokens of the shape {tuple(tokens.shape)}, expected texts by at most context_length="
                f"{self.max_length} tokens. Pass the last ones only, or build the space with a longer context."
            )
        return tokens
