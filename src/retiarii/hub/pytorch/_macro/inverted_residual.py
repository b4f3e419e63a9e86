"""Blocks of MobileNets: convolution with normalisation, squeeze-and-excitation, inverted residual."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.space import Expression

Size: TypeAlias = Any
"""A number of channels or a kernel size: an integer, or an expression of choices."""
Layer: TypeAlias = Callable[..., Any]
"""Makes a layer: an activation of no argument, or a normalisation of the number of channels."""


def rounded_channels(channels: Any, divisor: int = 8) -> Size:
    """Return the multiple of a divisor that is nearest to a number of channels, but not more than 10 % below it.

    Args:
        channels: The number, which may have a fraction; or an expression.
        divisor: What the result is a multiple of.

    Reference:
        ``_make_divisible`` of the MobileNets (Howard et al., 2019, arXiv:1905.02244, public code); no deviation.
    """
    if isinstance(channels, Expression):
        return Expression.apply(rounded_channels, channels, divisor)
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def conv_norm(
    in_channels: Size,
    out_channels: Size,
    kernel_size: Size = 1,
    *,
    stride: int = 1,
    groups: Size = 1,
    norm: Layer = nn.BatchNorm2d,
    activation: Layer | None = nn.ReLU6,
) -> nn.Sequential:
    """Return a convolution that keeps the size (but for its stride), its normalisation, and an activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: An odd number.
        stride: Of the convolution.
        groups: Of the convolution.
        norm: Makes the normalisation.
        activation: Makes the activation; None for a linear layer.
    """
    padding = kernel_size // 2
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
    layers = [convolution, norm(out_channels)]
    return nn.Sequential(*layers) if activation is None else nn.Sequential(*layers, activation())


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate between 0 and 1 that is computed from the means of all channels.

    Args:
        channels: Of input and output.
        squeezed: Channels of the layer in between.

    Reference:
        Hu et al. (2018), arXiv:1709.01507, with the hard sigmoid of MobileNetV3 (arXiv:1905.02244, section 5.3).
    """

    def __init__(self, channels: Size, squeezed: Size) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.ReLU()
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, scaled channel by channel."""
        means = x.mean((2, 3), keepdim=True)
        gates: Tensor = self.gate(self.expand(self.activation(self.reduce(means))))
        return x * gates


class InvertedResidual(nn.Module):
    """Expands the channels, convolves each of them, and projects them to few channels again.

    The input is added where stride and channels allow it: where ``in_channels`` and ``out_channels`` are equal numbers
    or one and the same expression.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        hidden_channels: Channels in between; None leaves out the expansion (a depthwise separable convolution).
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        squeeze_excite: Makes the layer behind the depthwise convolution, given the hidden channels; None for no layer.
        norm: Makes the normalisations.
        activation: Makes the activations.

    Reference:
        Sandler et al. (2018), arXiv:1801.04381, figure 3; squeeze-and-excitation as in MobileNetV3, arXiv:1905.02244,
        figure 4.
    """

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        hidden_channels: Size | None,
        kernel_size: Size = 3,
        *,
        stride: int = 1,
        squeeze_excite: Layer | None = None,
        norm: Layer = nn.BatchNorm2d,
        activation: Layer = nn.ReLU6,
    ) -> None:
        super().__init__()
        self.has_shortcut = stride == 1 and _are_same(in_channels, out_channels)
        layer = partial(conv_norm, norm=norm, activation=activation)
        hidden = in_channels if hidden_channels is None else hidden_channels
        layers = [] if hidden_channels is None else [layer(in_channels, hidden)]
        layers.append(layer(hidden, hidden, kernel_size, stride=stride, groups=hidden))
        if squeeze_excite is not None:
            layers.append(squeeze_excite(hidden))
        layers.append(layer(hidden, out_channels, activation=None))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the projected features, with the input added where shapes agree."""
        projected: Tensor = self.layers(x)
        return x + projected if self.has_shortcut else projected


def initialise_mobile(model: nn.Module) -> None:
    """Draw new weights as MobileNets do.

    Convolutions: normal with the variance 2 / (kernel area x output channels); linear layers: normal with the standard
    deviation 0.01; biases 0, normalisations 1 and 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _are_same(one: Size, other: Size) -> bool:
    """Return whether two sizes are always equal: expressions cannot be compared before they are fixed."""
    is_expression = isinstance(one, Expression) or isinstance(other, Expression)
    return one is other if is_expression else bool(one == other)
